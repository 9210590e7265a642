package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/client"
	"github.com/trivetkv/trivet/pkg/kv"
)

// flaky is a server in place of the network: it gives its answers one by one
// and keeps what it was sent. The last answer is given again and again.
type flaky struct {
	answers []answer

	mu   sync.Mutex
	sent []sent
}

// answer is a status with a problem's code, a body, or no answer at all.
type answer struct {
	status     int
	code       kv.Code
	body       string
	retryAfter int // seconds
	err        error
}

// sent is one attempt.
type sent struct {
	at   time.Time
	key  string // Idempotency-Key
	body string
}

var unavailable = answer{status: http.StatusServiceUnavailable, code: kv.CodeUnavailable}

func (f *flaky) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := sent{at: time.Now(), key: r.Header.Get("Idempotency-Key")}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		s.body = string(body)
	}
	a := f.answers[min(len(f.sent), len(f.answers)-1)]
	f.sent = append(f.sent, s)
	if a.err != nil {
		return nil, a.err
	}
	w := httptest.NewRecorder()
	if a.retryAfter > 0 {
		w.Header().Set("Retry-After", strconv.Itoa(a.retryAfter))
	}
	if a.code != "" {
		w.Header().Set("Content-Type", "application/problem+json")
		a.body = `{"code":"` + string(a.code) + `","detail":"no"}`
	}
	w.Header().Set("ETag", `"9"`)
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body)
	return w.Result(), nil
}

func (f *flaky) client(t *testing.T, retry client.Retry) *client.Client {
	t.Helper()
	c, err := client.New(client.Options{URL: "http://store.example", Transport: f, Retry: retry})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

var put = kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte("v")}

func TestARepeatedWriteIsTheSameWrite(t *testing.T) {
	t.Parallel()
	reset := answer{err: errors.New("connection reset by peer")}
	gateway := answer{status: http.StatusBadGateway}
	created := answer{status: http.StatusCreated}
	batch := answer{status: http.StatusOK, body: `{"results":[{"status":201,"key":"k","version":9}]}`}
	txn := answer{status: http.StatusOK, body: `{"succeeded":true,"results":[{"status":201,"key":"k","version":9}]}`}
	own := kv.Identity{ID: kv.NewWriteID(time.Now())}
	for name, test := range map[string]struct {
		last answer
		call func(context.Context, *client.Client) error
		key  string // "": any
	}{
		"put": {created, func(ctx context.Context, c *client.Client) error {
			_, err := c.Apply(ctx, "ns", put, kv.Identity{})
			return err
		}, ""},
		"put under an identity": {created, func(ctx context.Context, c *client.Client) error {
			_, err := c.Apply(ctx, "ns", put, own)
			return err
		}, own.ID.String()},
		"batch": {batch, func(ctx context.Context, c *client.Client) error {
			_, err := c.Batch(ctx, "ns", []kv.Operation{put}, kv.Identity{})
			return err
		}, ""},
		"transaction": {txn, func(ctx context.Context, c *client.Client) error {
			_, err := c.Txn(ctx, "ns", kv.Txn{Success: []kv.Operation{put}}, kv.Identity{})
			return err
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := &flaky{answers: []answer{unavailable, reset, gateway, test.last}}
				c := f.client(t, client.Retry{})
				for range 2 {
					if err := test.call(t.Context(), c); err != nil {
						t.Fatal(err)
					}
				}
				if len(f.sent) != 5 {
					t.Fatalf("sent %d times, want 4 and, as another write, once", len(f.sent))
				}
				for _, s := range f.sent[:4] {
					if s.key == "" || s.key != f.sent[0].key || test.key != "" && s.key != test.key {
						t.Errorf("an attempt has the key %q, the first one %q", s.key, f.sent[0].key)
					}
					if s.body == "" || s.body != f.sent[0].body {
						t.Errorf("an attempt has the body %q, the first one %q", s.body, f.sent[0].body)
					}
				}
				if test.key == "" && f.sent[4].key == f.sent[0].key {
					t.Error("another write has the same key")
				}
			})
		})
	}
}

func TestPausesGrowAndHaveABound(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		f := &flaky{answers: []answer{unavailable}}
		retry := client.Retry{Attempts: 8, MinPause: 100 * time.Millisecond, MaxPause: time.Second}
		_, err := f.client(t, retry).Get(t.Context(), "ns", "k", kv.ReadOptions{})
		if kv.CodeOf(err) != kv.CodeUnavailable || len(f.sent) != retry.Attempts {
			t.Fatalf("sent %d times, then %v", len(f.sent), err)
		}
		longest := retry.MinPause
		for i, s := range f.sent[1:] {
			if pause := s.at.Sub(f.sent[i].at); pause < longest/2 || pause > longest {
				t.Errorf("pause %d took %v, want %v to %v", i+1, pause, longest/2, longest)
			}
			longest = min(2*longest, retry.MaxPause)
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	t.Parallel()
	limited := answer{status: http.StatusTooManyRequests, code: kv.CodeRateLimited, retryAfter: 2}
	t.Run("short enough to wait for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &flaky{answers: []answer{limited, {status: http.StatusOK}}}
			if _, err := f.client(t, client.Retry{MaxPause: 3 * time.Second}).Get(t.Context(), "ns", "k", kv.ReadOptions{}); err != nil {
				t.Fatal(err)
			}
			if pause := f.sent[1].at.Sub(f.sent[0].at); pause != 2*time.Second {
				t.Errorf("sent again after %v", pause)
			}
		})
	})
	t.Run("too long to wait for", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &flaky{answers: []answer{limited}}
			_, err := f.client(t, client.Retry{MaxPause: time.Second}).Get(t.Context(), "ns", "k", kv.ReadOptions{})
			if e := kv.AsError(err); len(f.sent) != 1 || e.Code != kv.CodeRateLimited || e.RetryAfter != 2*time.Second {
				t.Errorf("sent %d times, then %+v", len(f.sent), e)
			}
		})
	})
}

func TestARefusalIsNeverRepeated(t *testing.T) {
	t.Parallel()
	for _, code := range []kv.Code{
		kv.CodeInvalidArgument, kv.CodeUnauthenticated, kv.CodeForbidden, kv.CodeNotFound, kv.CodeConflict,
		kv.CodeVersionMismatch, kv.CodeAlreadyExists, kv.CodeTooLarge, kv.CodeIdempotencyMismatch, kv.CodeQuotaExceeded,
		kv.CodeInternal,
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &flaky{answers: []answer{{status: http.StatusBadRequest, code: code}}}
			_, err := f.client(t, client.Retry{}).Apply(t.Context(), "ns", put, kv.Identity{})
			if kv.CodeOf(err) != code || len(f.sent) != 1 {
				t.Errorf("%s: sent %d times, then %v", code, len(f.sent), err)
			}
		})
	}
}

func TestASecretIsAskedForOnce(t *testing.T) {
	t.Parallel()
	scopes := []auth.Scope{{Namespace: "shop", Access: []auth.Access{auth.Read}}}
	for name, call := range map[string]func(context.Context, *client.Client) error{
		"create": func(ctx context.Context, c *client.Client) error {
			_, err := c.CreateToken(ctx, "web", scopes, 0)
			return err
		},
		"rotate": func(ctx context.Context, c *client.Client) error {
			_, err := c.RotateToken(ctx, "id", time.Hour)
			return err
		},
	} {
		f := &flaky{answers: []answer{unavailable}}
		if err := call(t.Context(), f.client(t, client.Retry{})); kv.CodeOf(err) != kv.CodeUnavailable || len(f.sent) != 1 || f.sent[0].key != "" {
			t.Errorf("%s: sent %d times, then %v", name, len(f.sent), err)
		}
	}
}

func TestTheEndOfTheContextEndsTheAttempts(t *testing.T) {
	t.Parallel()
	t.Run("during a pause", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			f := &flaky{answers: []answer{unavailable}}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			begun := time.Now()
			_, err := f.client(t, client.Retry{Attempts: 5, MinPause: time.Hour, MaxPause: time.Hour}).Get(ctx, "ns", "k", kv.ReadOptions{})
			if kv.CodeOf(err) != kv.CodeUnavailable || len(f.sent) != 1 || time.Since(begun) != time.Second {
				t.Errorf("sent %d times within %v, then %v", len(f.sent), time.Since(begun), err)
			}
		})
	})
	t.Run("during an attempt", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var attempts []string
		c, err := client.New(client.Options{URL: "http://store.example", Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
			attempts = append(attempts, r.Method)
			cancel()
			return nil, errors.New("connection reset by peer")
		})})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Apply(ctx, "ns", put, kv.Identity{}); err == nil || !reflect.DeepEqual(attempts, []string{http.MethodPut}) {
			t.Errorf("sent %q, then %v", attempts, err)
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
