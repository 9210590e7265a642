package server

import (
	"context"
	"net/http"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// Tokens administers tokens. *auth.Registry does.
type Tokens interface {
	Create(ctx context.Context, name string, scopes []auth.Scope, ttl time.Duration) (auth.Token, string, error)
	Rotate(ctx context.Context, id string, overlap time.Duration) (auth.Token, string, error)
	Revoke(ctx context.Context, id string) error
	Get(id string) (auth.Token, error)
	List() []auth.Token
}

// tokens gives who administers tokens, to administrators only.
func (c *call) tokens() (Tokens, error) {
	if err := c.administrator(); err != nil {
		return nil, err
	}
	if c.server.opts.Tokens == nil {
		return nil, kv.Errorf(kv.CodeNotFound, "this server keeps no tokens")
	}
	return c.server.opts.Tokens, nil
}

// listTokens answers GET of the tokens.
func listTokens(c *call) error {
	tokens, err := c.tokens()
	if err != nil {
		return err
	}
	return c.sendJSON(http.StatusOK, wire.FromTokens(tokens.List()))
}

// getToken answers GET of one token.
func getToken(c *call) error {
	tokens, err := c.tokens()
	if err != nil {
		return err
	}
	token, err := tokens.Get(c.params.ByName("id"))
	if err != nil {
		return err
	}
	return c.sendJSON(http.StatusOK, wire.FromToken(token, ""))
}

// createToken answers POST of a token. Its secret is in this answer alone.
func createToken(c *call) error {
	tokens, err := c.tokens()
	if err != nil {
		return err
	}
	body, err := c.readJSON()
	if err != nil {
		return err
	}
	request, err := wire.DecodeTokenRequest(body)
	if err != nil {
		return err
	}
	c.startClock()
	token, secret, err := tokens.Create(c, request.Name, request.Scopes, time.Duration(request.TTL))
	if err != nil {
		return err
	}
	c.logToken("a token was made", token.ID)
	c.setText("Location", "/v1/tokens/"+token.ID)
	return c.sendJSON(http.StatusCreated, wire.FromToken(token, secret))
}

// rotateToken answers POST of a token's rotation, with the new secret.
func rotateToken(c *call) error {
	tokens, err := c.tokens()
	if err != nil {
		return err
	}
	body, err := c.readJSON()
	if err != nil {
		return err
	}
	rotation, err := wire.DecodeRotation(body)
	if err != nil {
		return err
	}
	c.startClock()
	token, secret, err := tokens.Rotate(c, c.params.ByName("id"), time.Duration(rotation.Overlap))
	if err != nil {
		return err
	}
	c.logToken("a token was rotated", token.ID)
	return c.sendJSON(http.StatusOK, wire.FromToken(token, secret))
}

// revokeToken answers DELETE of a token.
func revokeToken(c *call) error {
	tokens, err := c.tokens()
	if err != nil {
		return err
	}
	id := c.params.ByName("id")
	if err := tokens.Revoke(c, id); err != nil {
		return err
	}
	c.logToken("a token was revoked", id)
	return c.sendEmpty(http.StatusNoContent)
}

// logToken writes down who administered which token.
func (c *call) logToken(what, id string) {
	c.server.opts.Logger.Info(what, "token", id, "caller", c.caller.ID, "request_id", c.id)
}
