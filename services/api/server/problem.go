package server

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// answer is how HTTP says a code.
type answer struct {
	status int
	title  string
}

// answers is the one place where codes become statuses.
var answers = map[kv.Code]answer{
	kv.CodeInvalidArgument:       {http.StatusBadRequest, "Invalid argument"},
	kv.CodeUnauthenticated:       {http.StatusUnauthorized, "Unauthenticated"},
	kv.CodeForbidden:             {http.StatusForbidden, "Forbidden"},
	kv.CodeNotFound:              {http.StatusNotFound, "Not found"},
	kv.CodeMethodNotAllowed:      {http.StatusMethodNotAllowed, "Method not allowed"},
	kv.CodeConflict:              {http.StatusConflict, "Conflict"},
	kv.CodeIdempotencyInProgress: {http.StatusConflict, "Request in progress"},
	kv.CodePositionExpired:       {http.StatusGone, "Position expired"},
	kv.CodeVersionMismatch:       {http.StatusPreconditionFailed, "Version mismatch"},
	kv.CodeAlreadyExists:         {http.StatusPreconditionFailed, "Already exists"},
	kv.CodeTooLarge:              {http.StatusRequestEntityTooLarge, "Too large"},
	kv.CodeUnsupportedMediaType:  {http.StatusUnsupportedMediaType, "Unsupported media type"},
	kv.CodeRangeNotSatisfiable:   {http.StatusRequestedRangeNotSatisfiable, "Range not satisfiable"},
	kv.CodeIdempotencyMismatch:   {http.StatusUnprocessableEntity, "Idempotency key reused"},
	kv.CodeRateLimited:           {http.StatusTooManyRequests, "Rate limited"},
	kv.CodeQuotaExceeded:         {http.StatusTooManyRequests, "Quota exceeded"},
	kv.CodeInternal:              {http.StatusInternalServerError, "Internal error"},
	kv.CodeUnavailable:           {http.StatusServiceUnavailable, "Unavailable"},
	kv.CodeOverloaded:            {http.StatusServiceUnavailable, "Overloaded"},
	kv.CodeTimeout:               {http.StatusGatewayTimeout, "Timeout"},
}

func answerOf(code kv.Code) answer {
	if a, ok := answers[code]; ok {
		return a
	}
	return answers[kv.CodeInternal]
}

// Problem makes the document that answers an error of the request that ctx
// belongs to. Its type leads to the code's entry in the reference page.
func Problem(ctx context.Context, err *kv.Error) wire.Problem {
	a := answerOf(err.Code)
	return wire.Problem{
		Type:      "/docs#code-" + string(err.Code),
		Title:     a.title,
		Status:    a.status,
		Code:      err.Code,
		Detail:    err.Detail,
		Field:     err.Field,
		RequestID: RequestID(ctx),
	}
}

// fail answers an error that was met before the first byte.
func (c *call) fail(err *kv.Error) error {
	problem := Problem(c, err)
	body, encodeErr := wire.Marshal(problem)
	if encodeErr != nil {
		return encodeErr
	}
	h := c.w.Header()
	if err.RetryAfter > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((err.RetryAfter+time.Second-1)/time.Second), 10))
	}
	switch err.Code {
	case kv.CodeUnauthenticated:
		challenge := `Bearer realm="trivet"`
		if c.r.Header.Get("Authorization") != "" {
			challenge += `, error="invalid_token"`
		}
		h.Set("WWW-Authenticate", challenge)
	case kv.CodeTooLarge:
		h.Set("Connection", "close") // the rest of the body is not read
	}
	return c.send(problem.Status, wire.ProblemContentType, body)
}
