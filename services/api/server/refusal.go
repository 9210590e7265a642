package server

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// refusal makes the problem that stands for what net/http writes when it
// refuses a request before any handler: one line of plain text. It is the last
// answer of its connection.
func (s *Server) refusal(text []byte) []byte {
	ctx := &requestContext{id: s.ids.of(nil)}
	problem := Problem(ctx, refusalOf(text))
	body, err := wire.Marshal(problem)
	if err != nil {
		return text
	}
	s.unknown.metrics.observe("", problem.Status, len(body), 0, true)
	s.opts.Logger.Debug("request refused", "request_id", ctx.id, "status", problem.Status, "detail", problem.Detail)
	var out bytes.Buffer
	fmt.Fprintf(&out, "HTTP/1.1 %d %s\r\n", problem.Status, http.StatusText(problem.Status))
	fmt.Fprintf(&out, "Cache-Control: no-store\r\nConnection: close\r\nContent-Length: %d\r\nContent-Type: %s\r\n", len(body), wire.ProblemContentType)
	fmt.Fprintf(&out, "Date: %s\r\nX-Content-Type-Options: nosniff\r\nX-Request-Id: %s\r\n\r\n", time.Now().UTC().Format(http.TimeFormat), ctx.id)
	out.Write(body)
	return out.Bytes()
}

// refusalOf reads what net/http refuses from its status line.
func refusalOf(text []byte) *kv.Error {
	line, _, _ := bytes.Cut(text, []byte("\r\n"))
	status, reason, _ := strings.Cut(strings.TrimPrefix(string(line), "HTTP/1.1 "), " ")
	switch status {
	case "431":
		return &kv.Error{Code: kv.CodeTooLarge, Field: "headers", Detail: "the headers are larger than " + sizeText(maxHeaderBytes)}
	case "417":
		return kv.Invalid("Expect", "unknown expectation; it has to be 100-continue or absent")
	case "501":
		return kv.Invalid("Transfer-Encoding", "unknown transfer encoding; it has to be chunked or absent")
	}
	if _, detail, ok := strings.Cut(reason, ": "); ok {
		return kv.Invalid("request", "the request is malformed: %s", detail)
	}
	return kv.Invalid("request", "the request line or a header is malformed; a path has to be percent-encoded")
}
