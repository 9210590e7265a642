package server_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/broker"
	"github.com/trivetkv/trivet/pkg/broker/jetstream"
	"github.com/trivetkv/trivet/pkg/deferred"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
	"github.com/trivetkv/trivet/services/api/server"
)

// withBroker gives a server the embedded broker. Writes stay queued until
// consume.
func withBroker(t *testing.T) (broker.Broker, func(*server.Options)) {
	t.Helper()
	b, err := jetstream.Open(t.TempDir(), jetstream.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b, func(o *server.Options) { o.Broker = b }
}

// consume applies what is queued, as the consumer does.
func (r *rig) consume(b broker.Broker) {
	r.t.Helper()
	subscription, err := b.Subscribe(func(ctx context.Context, batch []broker.Delivery) []broker.Verdict {
		verdicts := make([]broker.Verdict, len(batch))
		for i, d := range batch {
			write, err := deferred.Decode(d.Body)
			if err != nil {
				r.t.Error(err)
				continue
			}
			if write.Identity.ID.String() != d.ID || write.Namespace+"\x00"+write.Operation.Key != d.Key {
				r.t.Errorf("the message %q with the key %q has %+v", d.ID, d.Key, write)
			}
			// A refusal is recorded under the write's id.
			_, _ = r.store.Apply(ctx, write.Namespace, write.Operation, write.Identity)
			verdicts[i] = broker.Ack()
		}
		return verdicts
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = subscription.Stop(context.Background()) })
}

// accepted holds an answer against a 202 and gives where its operation is.
func (a answer) accepted() string {
	a.t.Helper()
	location := a.header.Get("Location")
	id := strings.TrimPrefix(location, "/v1/operations/")
	a.want(http.StatusAccepted, `{"id":"`+id+`","state":"pending"}`+"\n").wantHeader("Preference-Applied", "respond-async", "ETag", "")
	if _, err := kv.ParseWriteID(id); err != nil || location == id {
		a.t.Fatalf("the location is %q", location)
	}
	return location
}

// outcomeOf waits for an operation to be no more pending.
func (r *rig) outcomeOf(location string) wire.OperationState {
	r.t.Helper()
	var state wire.OperationState
	eventually(r.t, func() bool {
		state = wire.OperationState{}
		r.get(location).want(http.StatusOK, "*").json(&state)
		return state.State != kv.RecordPending
	})
	if "/v1/operations/"+state.ID != location {
		r.t.Errorf("%s answers %+v", location, state)
	}
	return state
}

func TestAsynchronousWritesAreAppliedInOrder(t *testing.T) {
	t.Parallel()
	b, with := withBroker(t)
	r := start(t, with)
	old := r.put("/v1/kv/ns/old", "old").version()
	async := []string{"Prefer", "respond-async"}
	locations := []string{
		r.put("/v1/kv/ns/k", "1", append(async, "Content-Type", "text/plain", "Trivet-Meta-A", "1", "Trivet-TTL", "1h")...).accepted(),
		r.post("/v1/kv/ns/k/increment", `{"by":4}`, async...).accepted(),
		r.put("/v1/kv/ns/k", "x", append(async, "If-None-Match", "*")...).accepted(),
		r.delete("/v1/kv/ns/absent", async...).accepted(),
		r.delete("/v1/kv/ns/old", append(async, "If-Match", `"`+old+`"`)...).accepted(),
		r.post("/v1/history/ns/old/restore", `{"version":`+old+`}`, async...).accepted(),
		r.put("/v1/kv/ns/old", "new", async...).accepted(),
		r.delete("/v1/kv/ns/k", append(async, "If-Match", `"7"`)...).accepted(),
	}
	for _, location := range locations {
		r.get(location).want(http.StatusOK, `{"id":"`+strings.TrimPrefix(location, "/v1/operations/")+`","state":"pending"}`+"\n")
	}
	r.get("/v1/kv/ns/k").want(http.StatusNotFound, "*")
	r.consume(b)
	for i, want := range []struct {
		state  kv.RecordState
		status int
		code   kv.Code
	}{
		{kv.RecordApplied, 201, ""},
		{kv.RecordApplied, 200, ""},
		{kv.RecordRejected, 412, kv.CodeAlreadyExists},
		{kv.RecordRejected, 404, kv.CodeNotFound},
		{kv.RecordApplied, 204, ""},
		{kv.RecordApplied, 201, ""},
		{kv.RecordApplied, 200, ""},
		{kv.RecordRejected, 412, kv.CodeVersionMismatch},
	} {
		got := r.outcomeOf(locations[i])
		var code kv.Code
		if got.Problem != nil {
			code = got.Problem.Code
		}
		if got.State != want.state || got.Status != want.status || code != want.code || (got.Version == 0) != (want.code != "") {
			t.Errorf("write %d: got %+v, want %+v", i, got, want)
		}
	}
	r.get("/v1/kv/ns/k").want(http.StatusOK, "5").wantHeader("Content-Type", "text/plain", "Trivet-Meta-A", "1")
	r.get("/v1/kv/ns/old").want(http.StatusOK, "new")
}

func TestAnInvalidAsynchronousWriteIsRefusedAtOnce(t *testing.T) {
	t.Parallel()
	b, with := withBroker(t)
	r := start(t, with)
	r.put("/v1/kv/ns/k", "v", "Prefer", "respond-async", "Trivet-TTL", "0s").
		wantProblem(400, kv.CodeInvalidArgument, "Trivet-TTL", notATTL).wantHeader("Preference-Applied", "")
	r.post("/v1/kv/ns/k/increment", `{}`, "Prefer", "respond-async").want(http.StatusBadRequest, "*")
	if stats, err := b.Stats(t.Context()); err != nil || stats.Ready != 0 {
		t.Errorf("the broker has %+v, %v", stats, err)
	}
}

func TestWithoutABrokerThePreferenceIsNotApplied(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.put("/v1/kv/ns/k", "v", "Prefer", "respond-async").want(http.StatusCreated, "").wantHeader("Preference-Applied", "")
}

func TestBatchesAndTransactionsAreNeverAsynchronous(t *testing.T) {
	t.Parallel()
	_, with := withBroker(t)
	r := start(t, with)
	r.post("/v1/batch/ns", `{"operations":[]}`, "Prefer", "respond-async").want(http.StatusOK, "*").wantHeader("Preference-Applied", "")
	r.post("/v1/txn/ns", `{}`, "Prefer", "respond-async").want(http.StatusOK, "*").wantHeader("Preference-Applied", "")
}

func TestARepeatedAsynchronousWriteIsAppliedOnce(t *testing.T) {
	t.Parallel()
	b, with := withBroker(t)
	r := start(t, with)
	h := []string{"Prefer", "respond-async", "Idempotency-Key", "once"}
	location := r.post("/v1/kv/ns/n/increment", `{"by":1}`, h...).accepted()
	if again := r.post("/v1/kv/ns/n/increment", `{"by":1}`, h...).accepted(); again != location {
		t.Errorf("the same write is at %s and at %s", location, again)
	}
	r.post("/v1/kv/ns/n/increment", `{"by":2}`, h...).want(http.StatusUnprocessableEntity, "*")
	r.consume(b)
	if state := r.outcomeOf(location); state.State != kv.RecordApplied {
		t.Errorf("got %+v", state)
	}
	// Once it has been applied, nothing is queued again, and a synchronous
	// repetition gets the answer.
	late := r.post("/v1/kv/ns/n/increment", `{"by":1}`, h...).want(http.StatusAccepted, "*")
	late.want(http.StatusAccepted, strings.Replace(`{"id":"ID","state":"applied"}`, "ID", strings.TrimPrefix(location, "/v1/operations/"), 1)+"\n").
		wantHeader("Idempotency-Replayed", "true", "Location", location)
	r.post("/v1/kv/ns/n/increment", `{"by":1}`, "Idempotency-Key", "once").want(http.StatusOK, "*").wantHeader("Idempotency-Replayed", "true")
	r.get("/v1/kv/ns/n").want(http.StatusOK, "1")
}

func TestPreferIsReadAsRFC7240HasIt(t *testing.T) {
	t.Parallel()
	_, with := withBroker(t)
	r := start(t, with)
	r.put("/v1/kv/ns/k", "v")
	for prefer, async := range map[string]bool{
		"respond-async":                        true,
		"Respond-Async":                        true,
		" respond-async ; x=1":                 true,
		"wait=10, respond-async":               true,
		"respond-async, wait=10":               true,
		`foo="a, b"; c="d;\"e", respond-async`: true,
		"respond-async=true":                   true,
		"return=minimal":                       false,
		"":                                     false,
		"respond-asynchronously":               false,
		`foo="respond-async"`:                  false,
		"foo; respond-async":                   false,
		`"respond-async"`:                      false,
		`foo=", respond-async`:                 false,
	} {
		want := http.StatusAccepted
		if !async {
			want = http.StatusOK
		}
		if a := r.put("/v1/kv/ns/k", "v", "Prefer", prefer); a.status != want {
			t.Errorf("%q: got %d %s, want %d", prefer, a.status, a.body, want)
		}
	}
	r.put("/v1/kv/ns/k", "v", "Prefer", "wait=1", "Prefer", "respond-async").accepted()
}

// failingBroker confirms nothing.
type failingBroker struct {
	broker.Broker
	err error
}

func (b failingBroker) Publish(context.Context, ...broker.Message) error { return b.err }

func TestAWriteThatCannotBeQueuedIsNotAccepted(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		code   kv.Code
		detail string
	}{
		{errors.New("no quorum"), 503, kv.CodeUnavailable, "the write could not be queued; try again"},
		{fmt.Errorf("publish: %w", broker.ErrFull), 503, kv.CodeOverloaded, "as many writes are queued as the broker keeps; try again, or write without respond-async"},
		{context.DeadlineExceeded, 504, kv.CodeTimeout, "the request took longer than its time limit"},
	} {
		r := start(t, func(o *server.Options) { o.Broker = failingBroker{err: c.err} })
		a := r.put("/v1/kv/ns/k", "v", "Prefer", "respond-async").wantProblem(c.status, c.code, "", c.detail).wantHeader("Location", "")
		if c.status == http.StatusServiceUnavailable {
			a.wantHeader("Retry-After", "1")
		}
	}
}

func TestAnOperationIsForgottenAfterItsRetention(t *testing.T) {
	t.Parallel()
	now := time.Now()
	r := start(t, func(o *server.Options) { o.Now = func() time.Time { return now } })
	for id, status := range map[kv.WriteID]int{
		kv.NewWriteID(now):                                       200,
		kv.NewWriteID(now.Add(30 * time.Second)):                 200, // another process's clock is ahead
		kv.NewWriteID(now.Add(2 * time.Minute)):                  404,
		kv.NewWriteID(now.Add(time.Second - kv.RecordRetention)): 200,
		kv.NewWriteID(now.Add(-kv.RecordRetention)):              404,
		kv.DeriveWriteID("", "ns", "never"):                      404,
	} {
		if a := r.get("/v1/operations/" + id.String()); a.status != status {
			t.Errorf("got %d %s, want %d", a.status, a.body, status)
		}
	}
}
