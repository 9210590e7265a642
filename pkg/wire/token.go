package wire

import (
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
)

// Token is what may be known of a token. Secret, the text to send as a bearer
// token, is there once: in the answer that made it.
type Token struct {
	ID         string       `json:"id"`
	Name       string       `json:"name,omitempty"`
	Scopes     []auth.Scope `json:"scopes"`
	CreatedAt  Time         `json:"created_at"`
	RotatedAt  Time         `json:"rotated_at,omitzero"`
	ExpiresAt  Time         `json:"expires_at,omitzero"`
	LastUsedAt Time         `json:"last_used_at,omitzero"` // behind by up to a minute
	Secret     string       `json:"token,omitempty"`
}

// Tokens is a list of tokens, the oldest first.
type Tokens struct {
	Tokens []Token `json:"tokens"`
}

// FromToken makes the shape of a token.
func FromToken(t auth.Token, secret string) Token {
	return Token{
		ID: t.ID, Name: t.Name, Scopes: t.Scopes,
		CreatedAt: Time(t.CreatedAt), RotatedAt: Time(t.RotatedAt), ExpiresAt: Time(t.ExpiresAt), LastUsedAt: Time(t.LastUsedAt),
		Secret: secret,
	}
}

// FromTokens makes the shape of a list.
func FromTokens(tokens []auth.Token) Tokens {
	shape := Tokens{Tokens: make([]Token, len(tokens))}
	for i, t := range tokens {
		shape.Tokens[i] = FromToken(t, "")
	}
	return shape
}

// TokenRequest is the body that makes a token.
type TokenRequest struct {
	Name   string       `json:"name,omitempty"`
	Scopes []auth.Scope `json:"scopes"`
	TTL    Duration     `json:"ttl,omitzero"` // none: the token does not expire
}

// DecodeTokenRequest reads the body that makes a token strictly.
func DecodeTokenRequest(data []byte) (TokenRequest, error) {
	var request TokenRequest
	d := decoder{data: data}
	err := d.document(func(field string) (err error) {
		switch field {
		case "name":
			request.Name, err = d.text()
			return err
		case "scopes":
			return d.array(func() error {
				scope, err := d.scope()
				request.Scopes = append(request.Scopes, scope)
				return err
			})
		case "ttl":
			if err := d.setDuration((*time.Duration)(&request.TTL)); err != nil {
				return err
			}
			return kv.CheckTTL("", time.Duration(request.TTL)) // 0s is not "for ever"
		}
		return errUnknownField
	})
	if err == nil && request.Scopes == nil {
		err = kv.Invalid("scopes", "the field is missing; it has to be what the token grants")
	}
	return request, err
}

func (d *decoder) scope() (auth.Scope, error) {
	var scope auth.Scope
	err := d.object(func(field string) (err error) {
		switch field {
		case "namespace":
			scope.Namespace, err = d.text()
			return err
		case "prefix":
			scope.Prefix, err = d.text()
			return err
		case "access":
			return d.array(func() error {
				access, err := d.text()
				scope.Access = append(scope.Access, auth.Access(access))
				return err
			})
		}
		return errUnknownField
	})
	return scope, err
}

// Rotation is the body of a token's rotation.
type Rotation struct {
	Overlap Duration `json:"overlap,omitzero"` // for which the former secret stays good
}

// DecodeRotation reads the body of a rotation strictly. Without a body there is
// no overlap.
func DecodeRotation(data []byte) (Rotation, error) {
	var rotation Rotation
	if len(data) == 0 {
		return rotation, nil
	}
	d := decoder{data: data}
	err := d.document(func(field string) error {
		if field != "overlap" {
			return errUnknownField
		}
		return d.setDuration((*time.Duration)(&rotation.Overlap))
	})
	return rotation, err
}
