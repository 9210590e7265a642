package kv

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Code names a kind of failure. Codes are part of the API: they never change
// their meaning, and clients branch on them rather than on texts.
type Code string

// The codes of the data API, in the order of their HTTP status.
const (
	CodeInvalidArgument       Code = "invalid_argument"
	CodeUnauthenticated       Code = "unauthenticated"
	CodeForbidden             Code = "forbidden"
	CodeNotFound              Code = "not_found"
	CodeMethodNotAllowed      Code = "method_not_allowed"
	CodeConflict              Code = "conflict"
	CodeIdempotencyInProgress Code = "idempotency_in_progress"
	CodePositionExpired       Code = "position_expired"
	CodeVersionMismatch       Code = "version_mismatch"
	CodeAlreadyExists         Code = "already_exists"
	CodeTooLarge              Code = "too_large"
	CodeUnsupportedMediaType  Code = "unsupported_media_type"
	CodeRangeNotSatisfiable   Code = "range_not_satisfiable"
	CodeIdempotencyMismatch   Code = "idempotency_mismatch"
	CodeRateLimited           Code = "rate_limited"
	CodeQuotaExceeded         Code = "quota_exceeded"
	CodeInternal              Code = "internal"
	CodeUnavailable           Code = "unavailable"
	CodeOverloaded            Code = "overloaded"
	CodeTimeout               Code = "timeout"
)

// Error is the one error type of Trivet: a code for programs, a detail for
// people, and the field that was wrong where there is one. Details carry no
// value and no secret.
type Error struct {
	Code       Code
	Detail     string
	Field      string
	RetryAfter time.Duration // 0: not known
	Cause      error         // for logs only
}

func (e *Error) Error() string {
	text := string(e.Code) + ": " + e.Detail
	if e.Cause != nil {
		text += ": " + e.Cause.Error()
	}
	return text
}

func (e *Error) Unwrap() error { return e.Cause }

// Is holds an error against a sentinel such as [ErrNotFound] by its code.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Code == e.Code
}

// Sentinels for errors.Is.
var (
	ErrNotFound        = &Error{Code: CodeNotFound, Detail: "the key does not exist"}
	ErrVersionMismatch = &Error{Code: CodeVersionMismatch, Detail: "the key's version is another one"}
	ErrAlreadyExists   = &Error{Code: CodeAlreadyExists, Detail: "the key exists"}
	ErrPositionExpired = &Error{Code: CodePositionExpired, Detail: "the position is past the namespace's retention; list the keys and watch from that list's position"}
)

// Errorf makes an [Error].
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Detail: fmt.Sprintf(format, args...)}
}

// Invalid makes an invalid_argument error for a field.
func Invalid(field, format string, args ...any) *Error {
	return &Error{Code: CodeInvalidArgument, Field: field, Detail: fmt.Sprintf(format, args...)}
}

// AsError gives err as an [Error]: itself when it is one, timeout for a
// deadline, unavailable for a caller that gave up, else internal with err as
// the cause. It is nil for nil.
func AsError(err error) *Error {
	var e *Error
	switch {
	case err == nil:
		return nil
	case errors.As(err, &e):
		return e
	case errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeTimeout, Detail: "the request took longer than its time limit", Cause: err}
	case errors.Is(err, context.Canceled):
		return &Error{Code: CodeUnavailable, Detail: "the request was cancelled", Cause: err}
	default:
		return &Error{Code: CodeInternal, Detail: "an internal error occurred", Cause: err}
	}
}

// CodeOf gives the code of err, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	return AsError(err).Code
}
