//go:build unix

package backends_test

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/backends"
	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/certs/certstest"
	"github.com/trivetkv/trivet/pkg/testserver"
)

func TestAURLThatCannotMeanRabbitMQ(t *testing.T) {
	t.Parallel()
	store := in("pebble", t.TempDir())
	for text, want := range map[string]string{
		"amqp://user@":                           "it names no host; expected amqp://USER:PASSWORD@HOST/VHOST",
		"amqp://user@a,/":                        "it names no host; expected amqp://USER:PASSWORD@HOST/VHOST",
		"amqp://host":                            "it names no user; expected amqp://USER:PASSWORD@HOST/VHOST",
		"amqp://user@host?ca=file":               `unknown parameter "ca"`,
		"amqps://user@host?cert=file":            "a certificate and its key have to be given together",
		"amqp://user@host?partitions=0":          "partitions has to be from 1 to 256",
		"amqp://user@host?partitions=many":       "partitions has to be from 1 to 256",
		"amqp://user@host?prefetch=-1":           "prefetch has to be from 1 to 10000",
		"amqp://user@host?delivery_limit=1e9":    "delivery_limit has to be from 1 to 1000000",
		"amqp://user@host?declare=yes":           "declare has to be true or false",
		"amqp://user@host?queues=lazy":           "queues has to be quorum or classic",
		"amqp://user@host?queue=amq.trivet":      `the queue's name has at most 200 bytes and does not begin with "amq."`,
		"amqps://user@host?ca=/nowhere/file.pem": "read the authorities: open /nowhere/file.pem: no such file or directory",
	} {
		_, err := backends.Open(settings(t, store, "memory://", text), quiet())
		if err == nil || err.Error() != "TRIVET_BROKER_URL: "+want {
			t.Errorf("%s\ngot  %v\nwant TRIVET_BROKER_URL: %s", text, err, want)
		}
	}
}

// TestCertificatesOfRabbitMQAreReadAgain moves the server and its client to
// another authority while messages are published.
func TestCertificatesOfRabbitMQAreReadAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	rotate := func() {
		a := certstest.NewAuthority(t)
		a.WriteCA(dir)
		a.Write(dir, "server", 2)
		a.Write(dir, "client", 3)
	}
	rotate()
	port, err := testserver.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	r := testserver.NewRabbitMQ(t,
		fmt.Sprintf("listeners.ssl.local = 127.0.0.1:%d", port),
		"ssl_options.cacertfile = "+dir+"/ca.crt",
		"ssl_options.certfile = "+dir+"/server.crt",
		"ssl_options.keyfile = "+dir+"/server.key",
		"ssl_options.verify = verify_peer",
		"ssl_options.fail_if_no_peer_cert = true",
	)
	u, err := url.Parse(r.URL())
	if err != nil {
		t.Fatal(err)
	}
	u.Scheme, u.Host = "amqps", fmt.Sprintf("127.0.0.1:%d", port)
	with := func(parameters url.Values) string {
		u.RawQuery = parameters.Encode()
		return u.String()
	}
	_, err = backends.Open(settings(t, in("pebble", t.TempDir()), "memory://", with(nil)), quiet())
	if err == nil || !strings.HasPrefix(err.Error(), "TRIVET_BROKER_URL: ") || !strings.Contains(err.Error(), "x509") {
		t.Errorf("an authority that is not trusted: %v", err)
	}
	parameters := url.Values{"declare": {"true"}, "ca": {dir + "/ca.crt"}}
	_, err = backends.Open(settings(t, in("pebble", t.TempDir()), "memory://", with(parameters)), quiet())
	if err == nil || !strings.HasPrefix(err.Error(), "TRIVET_BROKER_URL: ") {
		t.Errorf("without a certificate of its own: %v", err)
	}
	parameters.Set("cert", dir+"/client.crt")
	parameters.Set("key", dir+"/client.key")
	var b *backends.Backends
	for range 5 { // a busy machine may need longer than a start has
		b, err = backends.Open(settings(t, in("pebble", t.TempDir()), "memory://", with(parameters)), quiet())
		if err == nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })

	var published atomic.Int64
	ctx, stop := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			if err := b.Broker.Publish(t.Context(), broker.Message{ID: fmt.Sprint(i), Key: "k"}); err != nil {
				t.Error(err)
				return
			}
			published.Add(1)
		}
	})
	rotate()
	for _, args := range [][]string{
		{"eval", "ssl:clear_pem_cache()."},
		{"close_all_user_connections", testserver.RabbitMQUser, "rotated"},
	} {
		if err := r.Ctl(t.Context(), args...); err != nil {
			t.Fatal(err)
		}
	}
	n := published.Load()
	for deadline := time.Now().Add(30 * time.Second); published.Load() < n+20 && time.Now().Before(deadline); {
		time.Sleep(time.Millisecond) // until publishing goes on
	}
	stop()
	wg.Wait()
	if published.Load() < n+20 {
		t.Error("publishing does not go on with the new certificates")
	}
}
