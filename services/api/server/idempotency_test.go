package server_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

func TestARepeatedWriteAnswersWhatTheFirstAnswered(t *testing.T) {
	t.Parallel()
	r := start(t)
	seed := r.put("/v1/kv/ns/old", "seed").version()
	for _, c := range []struct{ name, method, path, body string }{
		{"put", http.MethodPut, "/v1/kv/ns/put", "v"},
		{"delete", http.MethodDelete, "/v1/kv/ns/old", ""},
		{"increment", http.MethodPost, "/v1/kv/ns/n/increment", `{"by":5}`},
		{"restore", http.MethodPost, "/v1/history/ns/old/restore", `{"version":` + seed + `}`},
	} {
		h := headers("Idempotency-Key", "key of "+c.name)
		first := r.do(c.method, c.path, h, c.body).wantHeader("Idempotency-Replayed", "")
		if first.status >= 300 {
			t.Fatalf("%s: %d %s", c.name, first.status, first.body)
		}
		again := r.do(c.method, c.path, h, c.body).want(first.status, string(first.body))
		again.wantHeader("Idempotency-Replayed", "true", "ETag", first.header.Get("ETag"))
		r.do(c.method, c.path+"?key_encoding=", h, c.body).wantProblem(422, kv.CodeIdempotencyMismatch, "", "another request was made under the same idempotency key")
	}
	r.get("/v1/kv/ns/n").want(http.StatusOK, "5")
}

func TestAnIdempotencyKeyStandsForTheWholeRequest(t *testing.T) {
	t.Parallel()
	r := start(t)
	base := []string{"Idempotency-Key", "k", "Trivet-TTL", "1h", "Content-Type", "a/b", "Trivet-Meta-A", "1", "If-None-Match", "*"}
	with := func(name, value string) []string {
		changed := append([]string(nil), base...)
		for i := 0; i < len(changed); i += 2 {
			if changed[i] == name {
				changed[i+1] = value
				return changed
			}
		}
		return append(changed, name, value)
	}
	first := r.put("/v1/kv/ns/a", "v", base...).want(http.StatusCreated, "")
	r.put("/v1/kv/ns/a", "v", with("X-Request-Id", "another")...).want(http.StatusCreated, "").wantHeader("ETag", first.header.Get("ETag"))
	for name, a := range map[string]answer{
		"body":         r.put("/v1/kv/ns/a", "w", base...),
		"key":          r.put("/v1/kv/ns/b", "v", base...),
		"ttl":          r.put("/v1/kv/ns/a", "v", with("Trivet-TTL", "2h")...),
		"content type": r.put("/v1/kv/ns/a", "v", with("Content-Type", "a/c")...),
		"meta value":   r.put("/v1/kv/ns/a", "v", with("Trivet-Meta-A", "2")...),
		"more meta":    r.put("/v1/kv/ns/a", "v", with("Trivet-Meta-B", "1")...),
		"condition":    r.put("/v1/kv/ns/a", "v", with("If-Match", `"1"`)...),
		"method":       r.delete("/v1/kv/ns/a", "Idempotency-Key", "k"),
		"batch":        r.post("/v1/batch/ns", `{"operations":[]}`, "Idempotency-Key", "k"),
		"txn":          r.post("/v1/txn/ns", `{}`, "Idempotency-Key", "k"),
	} {
		if a.status != http.StatusUnprocessableEntity {
			t.Errorf("another %s: got %d %s", name, a.status, a.body)
		}
	}
	// In another namespace it is another key.
	r.put("/v1/kv/other/a", "w", "Idempotency-Key", "k").want(http.StatusCreated, "")
}

func TestARefusalIsNotRemembered(t *testing.T) {
	t.Parallel()
	r := start(t)
	h := []string{"Idempotency-Key", "k", "If-None-Match", "*"}
	r.put("/v1/kv/ns/a", "old")
	r.put("/v1/kv/ns/a", "new", h...).want(http.StatusPreconditionFailed, "*")
	r.delete("/v1/kv/ns/a")
	r.put("/v1/kv/ns/a", "new", h...).want(http.StatusCreated, "").wantHeader("Idempotency-Replayed", "")
}

func TestConcurrentRequestsUnderOneKeyMakeOneWrite(t *testing.T) {
	t.Parallel()
	r := start(t)
	var group sync.WaitGroup
	answers := make([]answer, 32)
	for i := range answers {
		group.Go(func() { answers[i] = r.post("/v1/kv/ns/n/increment", `{"by":1}`, "Idempotency-Key", "once") })
	}
	group.Wait()
	fresh := 0
	for _, a := range answers {
		if a.status != http.StatusOK || string(a.body) != string(answers[0].body) {
			t.Errorf("got %d %s", a.status, a.body)
		}
		if a.header.Get("Idempotency-Replayed") == "" {
			fresh++
		}
	}
	if fresh != 1 {
		t.Errorf("%d requests say that they made the write", fresh)
	}
	r.get("/v1/kv/ns/n").want(http.StatusOK, "1")
}

// TestTheSecondRequestUnderAKeyWaitsForTheFirst has a first one that is
// pending: claimed, and not yet applied.
func TestTheSecondRequestUnderAKeyWaitsForTheFirst(t *testing.T) {
	t.Parallel()
	waiting := make(chan struct{}, 1)
	var first func(context.Context, kv.Identity)
	r := start(t, func(o *server.Options) {
		o.Store = &applyHook{Store: o.Store, before: func(ctx context.Context, id kv.Identity) {
			if first != nil {
				first(ctx, id)
			}
			first = nil
		}, refused: func() {
			select {
			case waiting <- struct{}{}:
			default:
			}
		}}
	})
	store := r.store.(*applyHook).Store
	op := kv.Operation{Kind: kv.KindPut, Key: "k", Value: []byte("v")}
	first = func(ctx context.Context, id kv.Identity) {
		id.Deferred = true
		if _, err := store.Claim(ctx, "ns", id); err != nil {
			t.Error(err)
		}
		go func() {
			<-waiting // the second has been told that the first is under way
			if _, err := store.Apply(t.Context(), "ns", op, id); err != nil {
				t.Error(err)
			}
		}()
	}
	r.put("/v1/kv/ns/k", "v", "Idempotency-Key", "k").want(http.StatusCreated, "").wantHeader("Idempotency-Replayed", "true")
}

func TestTheSecondRequestUnderAKeyWaitsNoLongerThanItsTimeLimit(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) {
		o.RequestTimeout = 100 * time.Millisecond
		store := o.Store
		o.Store = &applyHook{Store: store, before: func(ctx context.Context, id kv.Identity) {
			id.Deferred = true
			if _, err := store.Claim(ctx, "ns", id); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
		}, refused: func() {}}
	})
	r.put("/v1/kv/ns/k", "v", "Idempotency-Key", "k").wantProblem(409, kv.CodeIdempotencyInProgress, "", "a request under the same idempotency key is being worked on")
}

// applyHook calls before each Apply, and refused when it answers that another
// request is in progress.
type applyHook struct {
	kv.Store
	before  func(context.Context, kv.Identity)
	refused func()
}

func (s *applyHook) Apply(ctx context.Context, ns string, op kv.Operation, id kv.Identity) (kv.Result, error) {
	s.before(ctx, id)
	result, err := s.Store.Apply(ctx, ns, op, id)
	if kv.CodeOf(err) == kv.CodeIdempotencyInProgress {
		s.refused()
	}
	return result, err
}

func TestABatchIsRepeatedItemByItem(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/taken", "v")
	body := `{"operations":[{"op":"put","key":"a","value":"YQ=="},{"op":"put","key":"taken","value":"","if_absent":true},{"op":"increment","key":"n","by":2},{"op":"get","key":""}]}`
	first := r.post("/v1/batch/ns", body, "Idempotency-Key", "b").want(http.StatusOK, "*").wantHeader("Idempotency-Replayed", "")
	r.delete("/v1/kv/ns/taken")
	second := r.post("/v1/batch/ns", body, "Idempotency-Key", "b").want(http.StatusOK, "*").wantHeader("Idempotency-Replayed", "true")
	var one, two outcomes
	first.json(&one)
	second.json(&two)
	if got := one.statuses() + two.statuses(); got != "[201 412 200 400][201 412 200 400]" {
		t.Errorf("got the statuses %s", got)
	}
	if one.Results[0].Version != two.Results[0].Version || one.Results[2] != two.Results[2] {
		t.Errorf("got %s\nthen %s", first.body, second.body)
	}
	r.get("/v1/kv/ns/n").want(http.StatusOK, "2")
	r.get("/v1/kv/ns/taken").want(http.StatusNotFound, "*") // what was refused is not made behind the others
	r.post("/v1/batch/ns", strings.Replace(body, `"by":2`, `"by":3`, 1), "Idempotency-Key", "b").
		wantProblem(422, kv.CodeIdempotencyMismatch, "", "another request was made under the same idempotency key")
}

// outcomes is what tests look at of the answer to a batch or a transaction.
type outcomes struct {
	Succeeded bool
	Results   []outcome
}

type outcome struct {
	Status  int
	Key     string
	Version int64
	Value   string
	Problem struct{ Code, Field string }
}

func (o outcomes) statuses() string {
	var all []int
	for _, r := range o.Results {
		all = append(all, r.Status)
	}
	return fmt.Sprint(all)
}

func TestATransactionIsRepeatedAsAWhole(t *testing.T) {
	t.Parallel()
	r := start(t)
	body := `{"compare":[{"key":"n","target":"exists","is":"eq","exists":false}],"success":[{"op":"increment","key":"n","by":2},{"op":"get","key":"n"}]}`
	first := r.post("/v1/txn/ns", body, "Idempotency-Key", "t").want(http.StatusOK, "*").wantHeader("Idempotency-Replayed", "")
	r.put("/v1/kv/ns/n", "100")
	second := r.post("/v1/txn/ns", body, "Idempotency-Key", "t").want(http.StatusOK, "*").wantHeader("Idempotency-Replayed", "true")
	var one, two outcomes
	first.json(&one)
	second.json(&two)
	if !equalJSON(one, two) || !one.Succeeded || one.Results[1].Value != "Mg==" {
		t.Errorf("got %s\nthen %s", first.body, second.body)
	}
}
