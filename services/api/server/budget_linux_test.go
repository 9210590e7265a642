package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

// getSystemCalls is the budget of a GET over a connection that stays, of both
// its ends, for there is one process: each writes once, and reads twice, since
// the runtime finds nothing at first and waits.
const getSystemCalls = 6

// TestBudgetOfSystemCallsOfAGet is not parallel: what others read and write
// would be counted, too.
func TestBudgetOfSystemCallsOfAGet(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		opts, authorization := server.Options{Listen: "127.0.0.1:0", Store: newStore(t)}, ""
		if guarded {
			authorization = "Authorization: " + guard(t, &opts) + "\r\n"
		}
		get := getRepeatedly(t, opts, authorization)
		get() // what is made once
		const rounds = 2000
		before := systemCalls(t)
		for range rounds {
			get()
		}
		after := systemCalls(t)
		each := float64(after.reads+after.writes-before.reads-before.writes) / rounds
		t.Logf("guarded %t: %.2f reads, %.2f writes", guarded,
			float64(after.reads-before.reads)/rounds, float64(after.writes-before.writes)/rounds)
		if each > getSystemCalls+0.5 { // for what runs beside it
			t.Errorf("guarded %t: a GET takes %.2f reads and writes, the budget is %d", guarded, each, getSystemCalls)
		}
	}
}

// ioCalls counts the system calls of this process that read and write.
type ioCalls struct{ reads, writes int64 }

func systemCalls(t *testing.T) (calls ioCalls) {
	t.Helper()
	counters, err := os.ReadFile("/proc/self/io")
	if err != nil {
		t.Skipf("this system does not count: %v", err)
	}
	for line := range bytes.Lines(counters) {
		_, _ = fmt.Sscanf(string(line), "syscr: %d", &calls.reads)
		_, _ = fmt.Sscanf(string(line), "syscw: %d", &calls.writes)
	}
	if calls.reads == 0 {
		t.Skipf("this system does not count:\n%s", counters)
	}
	return calls
}

// getRepeatedly gives a function that makes one GET over a connection that
// stays.
func getRepeatedly(t *testing.T, opts server.Options, authorization string) func() {
	t.Helper()
	s, err := server.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Stop(context.Background()) })
	op := kv.Operation{Kind: kv.KindPut, Key: "users/42", Value: make([]byte, 100)}
	if _, err := opts.Store.Apply(t.Context(), "ns", op, kv.Identity{}); err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("tcp", s.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	request := []byte("GET /v1/kv/ns/users/42 HTTP/1.1\r\nHost: 127.0.0.1\r\n" + authorization + "\r\n")
	answer := make([]byte, 4<<10)
	return func() {
		if _, err := conn.Write(request); err != nil {
			t.Fatal(err)
		}
		n, err := conn.Read(answer) // small enough to come as one
		if err != nil || !bytes.HasPrefix(answer[:n], []byte("HTTP/1.1 200 ")) {
			t.Fatalf("%v: %s", err, answer[:n])
		}
	}
}
