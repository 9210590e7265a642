package client_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log"
	"os"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

// The examples talk to a small server in this process; yours is at a URL such
// as https://kv.example.com.

func Example() {
	server := newExampleServer()
	defer server.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()

	c, err := client.New(client.Options{URL: server.URL, Token: os.Getenv("SHOP_TOKEN")})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	put := kv.Operation{Kind: kv.KindPut, Key: "fruit/apple", Value: []byte("three"), ContentType: "text/plain"}
	if _, err := c.Apply(ctx, "shop", put, kv.Identity{}); err != nil {
		log.Fatal(err)
	}
	entry, err := c.Get(ctx, "shop", "fruit/apple", kv.ReadOptions{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%s = %s (%s)\n", entry.Key, entry.Value, entry.ContentType)

	_, err = c.Get(ctx, "shop", "fruit/pear", kv.ReadOptions{})
	fmt.Println("no pear:", errors.Is(err, kv.ErrNotFound))
	// Output:
	// fruit/apple = three (text/plain)
	// no pear: true
}

// A value is changed only if nobody else changed it since it was read.
func ExampleClient_Apply_condition() {
	server := newExampleServer()
	defer server.Close()
	ctx := context.Background()
	c, err := client.New(client.Options{URL: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	lock := kv.Operation{Kind: kv.KindPut, Key: "lock", Value: []byte("me"), If: kv.Condition{Absent: true}}
	held, err := c.Apply(ctx, "shop", lock, kv.Identity{})
	if err != nil {
		log.Fatal(err)
	}
	_, err = c.Apply(ctx, "shop", lock, kv.Identity{})
	fmt.Println("held by somebody:", errors.Is(err, kv.ErrAlreadyExists))

	release := kv.Operation{Kind: kv.KindDelete, Key: "lock", If: kv.Condition{Versions: []kv.Version{held.Version}}}
	_, err = c.Apply(ctx, "shop", release, kv.Identity{})
	fmt.Println("released:", err == nil)
	// Output:
	// held by somebody: true
	// released: true
}

// A write under an identity of its own is made once, whoever sends it how
// often: keep the identity with the job that the write belongs to.
func ExampleClient_Apply_once() {
	server := newExampleServer()
	defer server.Close()
	ctx := context.Background()
	c, err := client.New(client.Options{URL: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	id := kv.Identity{ID: kv.NewWriteID(time.Now())}
	for range 2 {
		put := kv.Operation{Kind: kv.KindPut, Key: "order/7", Value: []byte("apple")}
		result, err := c.Apply(ctx, "shop", put, id)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("version", result.Version, "repeated", result.Replayed)
	}
	// Output:
	// version 1 repeated false
	// version 1 repeated true
}

// A list comes in pages; the cursor of one leads to the next.
func ExampleClient_List() {
	server := newExampleServer("fruit/apple", "fruit/pear", "fruit/plum", "vegetable/leek")
	defer server.Close()
	ctx := context.Background()
	c, err := client.New(client.Options{URL: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	for query := (kv.ListQuery{Prefix: "fruit/", Limit: 2}); ; {
		page, err := c.List(ctx, "shop", query)
		if err != nil {
			log.Fatal(err)
		}
		for _, entry := range page.Entries {
			fmt.Println(entry.Key)
		}
		if query.Cursor = page.Cursor; query.Cursor == "" {
			break
		}
	}
	// Output:
	// fruit/apple
	// fruit/pear
	// fruit/plum
}

// A watch gives every change from a position on. It is resumed by itself;
// keep the position of the last change to go on after a restart.
func ExampleClient_Watch() {
	server := newExampleServer("fruit/apple", "fruit/pear")
	defer server.Close()
	ctx := context.Background()
	c, err := client.New(client.Options{URL: server.URL})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	beginning := kv.Position(0)
	for change, err := range c.Watch(ctx, "shop", client.WatchOptions{Prefix: "fruit/", Since: &beginning}) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(change.Position, change.Kind, change.Key)
		if change.Key == "fruit/pear" {
			break
		}
	}
	// Output:
	// 1 put fruit/apple
	// 2 put fruit/pear
}

// An administrator makes a token for each application. Its secret is in this
// answer only.
func ExampleClient_CreateToken() {
	server := newExampleServer()
	defer server.Close()
	c, err := client.New(client.Options{URL: server.URL, Token: "the-root-token-of-the-server"})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()

	scopes := []auth.Scope{{Namespace: "shop", Prefix: "cart/", Access: []auth.Access{auth.Read, auth.Write}}}
	token, err := c.CreateToken(context.Background(), "carts", scopes, 30*24*time.Hour)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(token.Name, "expires", !token.ExpiresAt.IsZero(), "secret", token.Secret != "")
	// Output: carts expires true secret true
}

// A server behind an authority of the team's own, which asks its callers for
// certificates.
func ExampleNew_certificates() {
	authorities, err := os.ReadFile("team-ca.pem")
	if err != nil {
		log.Fatal(err)
	}
	mine, err := tls.LoadX509KeyPair("shop-web.pem", "shop-web-key.pem")
	if err != nil {
		log.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM(authorities)
	c, err := client.New(client.Options{
		URL:   "https://kv.example.com",
		Token: os.Getenv("TRIVET_TOKEN"),
		TLS:   &tls.Config{RootCAs: trusted, Certificates: []tls.Certificate{mine}, MinVersion: tls.VersionTLS12},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
}
