package server_test

import (
	"bytes"
	"fmt"
	"os"
	"testing"

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
		get := getOverConnection(t, opts, authorization)
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
