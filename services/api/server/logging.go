package server

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"log/slog"

	"github.com/trivetkv/trivet/pkg/auth"
)

// keyHashBytes is enough to tell the keys of one incident apart.
const keyHashBytes = 8

// keyHash gives the form in which a log above the debug level may name the key
// of a call: the beginning of a SHA-256, the same in every process and at any
// time. It is "" where the path names no key.
func (c *call) keyHash() string {
	if c.params.ByName("key") == "" {
		return ""
	}
	ns, key, err := c.target()
	if err != nil {
		return ""
	}
	sum := sha256.Sum256([]byte(ns + "\x00" + key))
	return hex.EncodeToString(sum[:keyHashBytes])
}

type callerKey struct{}

// callerOf gives the caller of the request that ctx belongs to, nil where there
// is none or it is not known yet.
func callerOf(ctx context.Context) *auth.Principal {
	p, _ := ctx.Value(callerKey{}).(*auth.Principal)
	return p
}

// RequestLogger makes a logger for what serves requests beneath the server,
// such as watch streams: its lines name the request that their context belongs
// to, and its caller.
func RequestLogger(logger *slog.Logger) *slog.Logger {
	return slog.New(requestHandler{logger.Handler()})
}

type requestHandler struct{ slog.Handler }

func (h requestHandler) Handle(ctx context.Context, record slog.Record) error {
	if id := RequestID(ctx); id != "" {
		record.AddAttrs(slog.String("request_id", id))
	}
	if caller := callerOf(ctx); caller != nil {
		record.AddAttrs(slog.String("caller", caller.ID))
	}
	return h.Handler.Handle(ctx, record)
}

func (h requestHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(attrs)}
}

func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}
