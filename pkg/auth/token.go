package auth

import (
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
)

// maxNameBytes bounds a token's name, which is for people.
const maxNameBytes = 128

// Token is what may be known of a token: everything but its secret.
type Token struct {
	ID         string
	Name       string
	Scopes     []Scope
	CreatedAt  time.Time
	RotatedAt  time.Time // zero: never
	ExpiresAt  time.Time // zero: never
	LastUsedAt time.Time // zero: never; behind by up to a minute
}

// record is a token as the store keeps it, as JSON under its id.
type record struct {
	Name      string    `json:"name,omitempty"`
	Scopes    []Scope   `json:"scopes"`
	CreatedAt time.Time `json:"created_at"`
	RotatedAt time.Time `json:"rotated_at,omitzero"`
	ExpiresAt time.Time `json:"expires_at,omitzero"`
	Digest    []byte    `json:"digest"`

	// The digest before a rotation is good until its overlap ends.
	Previous      []byte    `json:"previous,omitempty"`
	PreviousUntil time.Time `json:"previous_until,omitzero"`
}

func decodeRecord(raw []byte) (record, error) {
	var r record
	if err := json.Unmarshal(raw, &r); err != nil {
		return r, fmt.Errorf("decode a token's record: %w", err)
	}
	if len(r.Digest) != len(Digest{}) || len(r.Previous) != 0 && len(r.Previous) != len(Digest{}) {
		return r, errors.New("decode a token's record: a digest has another length than SHA-256's")
	}
	return r, nil
}

func checkName(name string) error {
	if len(name) > maxNameBytes || !utf8.ValidString(name) {
		return kv.Invalid("name", "a token's name may have at most %d bytes of UTF-8", maxNameBytes)
	}
	return nil
}

// credential is a token in memory: what is needed to recognise its secrets
// without asking the store.
type credential struct {
	id       string
	version  kv.Version // of the record
	record   record
	lastUsed *atomic.Int64 // Unix milliseconds; outlives reloads of the token

	current, previous *Principal // previous is nil outside a rotation's overlap
}

// newCredential makes a token's state of its record. The caller holds r.mu.
func (r *Registry) newCredential(id string, rec record, version kv.Version) *credential {
	c := &credential{id: id, version: version, record: rec, lastUsed: r.useOf(id)}
	c.current = &Principal{ID: id, Scopes: rec.Scopes, digest: Digest(rec.Digest), registry: r, expiresAt: rec.ExpiresAt}
	if len(rec.Previous) > 0 {
		until := rec.PreviousUntil
		if !rec.ExpiresAt.IsZero() && rec.ExpiresAt.Before(until) {
			until = rec.ExpiresAt
		}
		c.previous = &Principal{ID: id, Scopes: rec.Scopes, digest: Digest(rec.Previous), registry: r, expiresAt: until}
	}
	return c
}

// match gives the principal for a secret with this digest, nil for a wrong or
// expired one.
func (c *credential) match(digest Digest, now time.Time) *Principal {
	for _, p := range [...]*Principal{c.current, c.previous} {
		if p == nil || subtle.ConstantTimeCompare(digest[:], p.digest[:]) != 1 {
			continue
		}
		if p.expiresAt.IsZero() || now.Before(p.expiresAt) {
			return p
		}
	}
	return nil
}

func (c *credential) token() Token {
	t := Token{
		ID: c.id, Name: c.record.Name, Scopes: c.record.Scopes,
		CreatedAt: c.record.CreatedAt, RotatedAt: c.record.RotatedAt, ExpiresAt: c.record.ExpiresAt,
	}
	if ms := c.lastUsed.Load(); ms > 0 {
		t.LastUsedAt = time.UnixMilli(ms).UTC()
	}
	return t
}
