package kv_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

func TestErrorsAreToldByTheirCode(t *testing.T) {
	t.Parallel()
	own := kv.Errorf(kv.CodeNotFound, "no such key in %s", "this test")
	wrapped := fmt.Errorf("read: %w", own)
	for _, err := range []error{own, wrapped} {
		if !errors.Is(err, kv.ErrNotFound) || errors.Is(err, kv.ErrAlreadyExists) || kv.CodeOf(err) != kv.CodeNotFound || kv.AsError(err) != own {
			t.Errorf("%v is not told by its code", err)
		}
	}
	if errors.Is(errors.New("other"), kv.ErrNotFound) || errors.Is(own, errors.New("other")) {
		t.Error("an error without a code is not told by one")
	}
}

func TestEveryErrorHasACode(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	for _, tt := range []struct {
		err  error
		code kv.Code
	}{
		{cause, kv.CodeInternal},
		{context.Canceled, kv.CodeUnavailable},
		{fmt.Errorf("wait: %w", context.Canceled), kv.CodeUnavailable},
		{context.DeadlineExceeded, kv.CodeTimeout},
		{fmt.Errorf("wait: %w", context.DeadlineExceeded), kv.CodeTimeout},
		{kv.Invalid("field", "wrong"), kv.CodeInvalidArgument},
		{&kv.Error{Code: kv.CodeOverloaded, Detail: "busy", Cause: context.DeadlineExceeded}, kv.CodeOverloaded},
	} {
		e := kv.AsError(tt.err)
		if e.Code != tt.code || kv.CodeOf(tt.err) != tt.code || e.Detail == "" {
			t.Errorf("%v has the code %q, want %q", tt.err, e.Code, tt.code)
		}
	}
	if e := kv.AsError(cause); !errors.Is(e, cause) || e.Detail == cause.Error() {
		t.Errorf("an internal error shows its cause to people, or loses it: %+v", e)
	}
	if kv.AsError(nil) != nil || kv.CodeOf(nil) != "" {
		t.Error("no error has a code")
	}
}

func TestErrorsReadWell(t *testing.T) {
	t.Parallel()
	e := &kv.Error{Code: kv.CodeInternal, Detail: "an internal error occurred", Cause: errors.New("disk on fire")}
	if got, want := e.Error(), "internal: an internal error occurred: disk on fire"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := kv.Invalid("ttl", "too %s", "short").Error(), "invalid_argument: too short"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
