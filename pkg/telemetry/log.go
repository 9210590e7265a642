// Package telemetry is how Trivet's programs tell what they do: structured
// logs, and metrics on a Prometheus registry whose labels are bounded. Never a
// key, a token or a namespace is a label, and never a value or a secret is
// logged.
package telemetry

import (
	"io"
	"log/slog"

	"github.com/trivetkv/trivet/pkg/config"
)

// NewLogger makes a logger that writes one line for each event.
func NewLogger(w io.Writer, level slog.Level, format config.LogFormat) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if format == config.LogText {
		return slog.New(slog.NewTextHandler(w, opts))
	}
	return slog.New(slog.NewJSONHandler(w, opts))
}
