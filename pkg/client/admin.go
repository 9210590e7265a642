package client

import (
	"context"
	"net/http"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// Namespace gives a namespace's settings and usage.
func (c *Client) Namespace(ctx context.Context, ns string) (kv.Namespace, error) {
	if err := kv.CheckNamespace(ns); err != nil {
		return kv.Namespace{}, err
	}
	var shape wire.Namespace
	_, _, err := c.callJSON(ctx, request{method: http.MethodGet, path: fixed("v1", "namespaces", ns)}, &shape)
	return shape.KV(), err
}

// Namespaces lists the namespaces after a name. A limit of 0 leaves the page's
// size to the server.
func (c *Client) Namespaces(ctx context.Context, after string, limit int) (kv.NamespacePage, error) {
	var shape wire.Namespaces
	if _, _, err := c.callJSON(ctx, request{method: http.MethodGet, path: fixed("v1", "namespaces"), query: page(limit, after)}, &shape); err != nil {
		return kv.NamespacePage{}, err
	}
	out := kv.NamespacePage{Cursor: shape.Cursor}
	for _, n := range shape.Namespaces {
		out.Namespaces = append(out.Namespaces, n.KV())
	}
	return out, nil
}

// SetNamespace replaces a namespace's settings.
func (c *Client) SetNamespace(ctx context.Context, n kv.Namespace) (kv.Namespace, error) {
	if err := n.CheckSettings(); err != nil {
		return kv.Namespace{}, err
	}
	body, err := wire.Marshal(wire.FromNamespace(n))
	if err != nil {
		return kv.Namespace{}, kv.AsError(err)
	}
	var shape wire.Namespace
	_, _, err = c.callJSON(ctx, request{
		method: http.MethodPut, path: fixed("v1", "namespaces", n.Name),
		header: http.Header{"Content-Type": {wire.ContentType}}, body: body,
	}, &shape)
	return shape.KV(), err
}

// Ping tells whether the server answers.
func (c *Client) Ping(ctx context.Context) error {
	_, _, _, err := c.call(ctx, request{method: http.MethodGet, path: fixed("health")})
	return err
}

// CreateToken makes a token. Its secret is in this answer and nowhere else:
// the call is sent once, since a repetition would make another one. A ttl of 0
// makes one that does not expire.
func (c *Client) CreateToken(ctx context.Context, name string, scopes []auth.Scope, ttl time.Duration) (wire.Token, error) {
	return c.once().secret(ctx, fixed("v1", "tokens"), wire.TokenRequest{Name: name, Scopes: scopes, TTL: wire.Duration(ttl)})
}

// RotateToken gives a token a new secret; the former one stays good for
// overlap. It is sent once, as CreateToken is.
func (c *Client) RotateToken(ctx context.Context, id string, overlap time.Duration) (wire.Token, error) {
	return c.once().secret(ctx, fixed("v1", "tokens").ofKey(id).then("rotate"), wire.Rotation{Overlap: wire.Duration(overlap)})
}

func (c *Client) secret(ctx context.Context, at path, document any) (wire.Token, error) {
	var token wire.Token
	_, err := c.post(ctx, at, document, kv.Identity{}, &token)
	return token, err
}

// RevokeToken ends a token, everywhere within seconds.
func (c *Client) RevokeToken(ctx context.Context, id string) error {
	_, _, _, err := c.call(ctx, request{method: http.MethodDelete, path: fixed("v1", "tokens").ofKey(id)})
	return err
}

// Tokens lists all tokens, without their secrets.
func (c *Client) Tokens(ctx context.Context) ([]wire.Token, error) {
	var shape wire.Tokens
	_, _, err := c.callJSON(ctx, request{method: http.MethodGet, path: fixed("v1", "tokens")}, &shape)
	return shape.Tokens, err
}

// once gives the client without retries and idempotency keys.
func (c *Client) once() *Client {
	single := *c
	single.retry.Attempts = 1
	return &single
}
