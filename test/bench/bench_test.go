package main

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/load"
	"github.com/trivetkv/trivet/pkg/wire"
)

func TestMedian(t *testing.T) {
	t.Parallel()
	for want, values := range map[float64][]float64{0: nil, 3: {3}, 2.5: {4, 1, 2, 3}, 5: {9, 5, 1}} {
		if got := median(values); got != want {
			t.Errorf("median(%v) = %v; want %v", values, got, want)
		}
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ours, peer float64
		target     target
		text       string
		missed     bool
	}{
		{150, 100, ratioAtLeast(1.5), "ratio >= 1.5", false},
		{149, 100, ratioAtLeast(1.5), "ratio >= 1.5", true},
		{100, 100, notLonger, "ratio <= 1", false},
		{101, 100, notLonger, "ratio <= 1", true},
		{149, 100, oursBelow(150), "ours < 150", false},
		{150, 100, oursBelow(150), "ours < 150", true},
		{1, 100, target{}, "", false},
	} {
		r := newRow("name", "ms", []float64{c.ours}, []float64{c.peer}, "etcd", c.target, "method")
		if r.Target != c.text || r.missed() != c.missed {
			t.Errorf("%v of %v against %q: target %q, missed %t", c.ours, c.peer, c.text, r.Target, r.missed())
		}
	}
}

func TestResultIsWrittenWithTheFieldsThatProgramsRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "new", "bench.json")
	rows := []row{
		newRow("GET", "requests/s", []float64{60}, []float64{10}, "etcd", ratioAtLeast(6), "loop of %d", 50),
		newRow("alone", "MiB", []float64{60}, nil, "", oursBelow(64), "VmRSS"),
	}
	if err := writeJSON(path, machine{CPU: "fast"}, rows); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Machine map[string]any
		Rows    []map[string]any
	}
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"name": "GET", "ours": 60.0, "peer": 10.0, "peer_name": "etcd", "ratio": 6.0, "unit": "requests/s", "target": "ratio >= 6", "method": "loop of 50"}
	for name, value := range want {
		if got.Rows[0][name] != value {
			t.Errorf("%s is %v; want %v", name, got.Rows[0][name], value)
		}
	}
	if len(got.Rows[0]) != len(want) || got.Machine["cpu"] != "fast" {
		t.Errorf("the file holds %s", data)
	}
	if peer, ok := got.Rows[1]["peer"]; !ok || peer != nil || got.Rows[1]["ratio"] != nil {
		t.Errorf("a row without a peer is %v", got.Rows[1])
	}
}

func TestTableMarksWhatWasMissed(t *testing.T) {
	t.Parallel()
	var text strings.Builder
	printTable(&text, []row{
		newRow("good", "ms", []float64{1}, []float64{2}, "etcd", notLonger, "m"),
		newRow("bad", "ms", []float64{3}, []float64{2}, "etcd", notLonger, "m"),
	})
	for _, want := range []string{"✓ ratio <= 1", "✗ ratio <= 1", "2.00 etcd", "1.50"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the table has no %q:\n%s", want, &text)
		}
	}
}

func TestGroupsAreChosenByName(t *testing.T) {
	t.Parallel()
	var g groupNames
	if !g.has("memory") {
		t.Error("without a choice a group is left out")
	}
	if err := g.Set("start,memory"); err != nil || !g.has("memory") || g.has("throughput") {
		t.Errorf("start,memory gives %v, %v", g, err)
	}
	if err := g.Set("typo"); err == nil {
		t.Error("an unknown group is accepted")
	}
}

// The requests are written by hand for speed, so they are read back here.
func TestRequestsAreWellFormed(t *testing.T) {
	t.Parallel()
	d := newDataset(3)
	rng := rand.New(rand.NewPCG(1, 1))
	key := func(i int) []byte { return d.keys[i%3].raw }
	value := func(i int) []byte { return d.values[i].raw }

	var r load.Request
	trivet{}.fill(&r, key, value, 0)
	b, err := wire.DecodeBatch(r.Body)
	if err != nil || len(b.Operations) != (trivet{}).lot() {
		t.Errorf("a batch: %d operations, %v", len(b.Operations), err)
	}
	for _, op := range b.Operations {
		if _, err := op.KV(); err != nil || len(op.Value) != valueBytes {
			t.Errorf("an operation of a batch: %v, %d bytes", err, len(op.Value))
		}
	}

	r = load.Request{}
	trivet{}.put(d)(&r, rng)
	if r.Method != "PUT" || !strings.HasPrefix(string(r.Target), "/v1/kv/bench/user/0000000") || len(r.Body) != valueBytes {
		t.Errorf("a put: %s %s, %d bytes", r.Method, r.Target, len(r.Body))
	}

	var pair struct{ Key, Value []byte }
	r = load.Request{}
	etcd{}.put(d)(&r, rng)
	if err := json.Unmarshal(r.Body, &pair); err != nil || !strings.HasPrefix(string(pair.Key), "user/") || len(pair.Value) != valueBytes {
		t.Errorf("a put for etcd: %s: %v", r.Body, err)
	}
	r = load.Request{}
	etcd{}.get(d)(&r, rng)
	pair.Value = nil
	if err := json.Unmarshal(r.Body, &pair); err != nil || !strings.HasPrefix(string(pair.Key), "user/") || pair.Value != nil {
		t.Errorf("a get for etcd: %s: %v", r.Body, err)
	}
	var txn struct {
		Success []struct {
			RequestPut struct{ Key, Value []byte }
		}
	}
	r = load.Request{}
	etcd{}.fill(&r, key, value, 0)
	if err := json.Unmarshal(r.Body, &txn); err != nil || len(txn.Success) != (etcd{}).lot() || len(txn.Success[0].RequestPut.Value) != valueBytes {
		t.Errorf("a transaction for etcd: %v, %d operations", err, len(txn.Success))
	}
}

func TestProcFields(t *testing.T) {
	t.Parallel()
	const text = "processor\t: 0\nmodel name\t: AMD EPYC\nMemTotal:       24000 kB\n"
	if got := field(text, "model name"); got != "AMD EPYC" {
		t.Errorf("the model is %q", got)
	}
	if got := field(text, "absent"); got != "" {
		t.Errorf("an absent field is %q", got)
	}
}
