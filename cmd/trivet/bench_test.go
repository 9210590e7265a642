package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/trivetkv/trivet/pkg/load"
	"github.com/trivetkv/trivet/pkg/wire"
)

// benchServer answers as the API does, and counts.
type benchServer struct {
	mu       sync.Mutex
	prepared map[string]bool
	gets     int
	puts     int
	lists    int
	sizes    map[int]bool
	token    string // that all requests have to bring
	refuse   int    // status of every second get; 0: none
	unknown  int    // keys that were never written
}

func (b *benchServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.token != "" && r.Header.Get("Authorization") != "Bearer "+b.token {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	key, isKey := strings.CutPrefix(r.URL.Path, "/v1/kv/bench/")
	if isKey && !b.prepared[key] {
		b.unknown++
	}
	switch {
	case r.URL.Path == "/v1/batch/bench":
		batch, err := wire.DecodeBatch(body)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		answer := wire.BatchResults{}
		for _, op := range batch.Operations {
			b.prepared[op.Key] = true
			answer.Results = append(answer.Results, wire.Result{Status: 201, Key: op.Key, Version: 1})
		}
		text, _ := wire.Marshal(answer)
		_, _ = w.Write(text)
	case isKey && r.Method == http.MethodPut:
		b.puts++
		b.sizes[len(body)] = true
	case isKey:
		b.gets++
		if b.refuse != 0 && b.gets%2 == 0 {
			w.WriteHeader(b.refuse)
		}
	case r.URL.Path == "/v1/kv/bench" && r.URL.Query().Has("prefix"):
		b.lists++
	default:
		b.unknown++
	}
}

func serveBench(t *testing.T, b *benchServer) []string {
	t.Helper()
	b.prepared, b.sizes = make(map[string]bool), make(map[int]bool)
	s := httptest.NewServer(b)
	t.Cleanup(s.Close)
	return []string{"TRIVET_URL=" + s.URL}
}

// runBench runs the command in this process.
func runBench(t *testing.T, environ []string, args ...string) result {
	t.Helper()
	var out, errs bytes.Buffer
	term := &terminal{
		environ: append(environ, "TRIVET_CONFIG="+filepath.Join(t.TempDir(), "none.yaml")),
		in:      strings.NewReader(""), out: &out, err: &errs,
	}
	code := term.execute(append([]string{"bench"}, args...))
	return result{out.String(), errs.String(), code}
}

func TestBenchReportsWhatTheServerSaw(t *testing.T) {
	t.Parallel()
	b := &benchServer{token: "secret", refuse: http.StatusTooManyRequests}
	environ := append(serveBench(t, b), "TRIVET_TOKEN=secret")
	r := runBench(t, environ, "--duration", "200ms", "--connections", "4", "--keys", "1200", "--mix", "get=2,put=1,list=1", "--size", "10-12", "-o", "json")
	if r.code != exitOK || strings.Contains(r.out+r.err, "secret") {
		t.Fatalf("%+v", r)
	}
	var report benchReport
	if err := json.Unmarshal([]byte(r.out), &report); err != nil {
		t.Fatal(err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.prepared) != 1200 || b.unknown != 0 {
		t.Errorf("%d keys were written first; %d requests were of others", len(b.prepared), b.unknown)
	}
	get := report.Operations["get"]
	if got := get.Requests + get.Errors["429"]; got != int64(b.gets) || get.Errors["429"] != int64(b.gets/2) {
		t.Errorf("%+v, but there were %d gets", get, b.gets)
	}
	if report.Operations["put"].Requests != int64(b.puts) || report.Operations["list"].Requests != int64(b.lists) || b.puts == 0 || b.lists == 0 {
		t.Errorf("%+v, but there were %d puts and %d lists", report.Operations, b.puts, b.lists)
	}
	if len(b.sizes) != 3 || !b.sizes[10] || !b.sizes[12] {
		t.Errorf("values had sizes %v", b.sizes)
	}
	if total := report.Total; total.Requests != get.Requests+int64(b.puts+b.lists) || total.Rate <= 0 || len(total.LatencyMS) < 5 {
		t.Errorf("%+v", total)
	}
}

func TestBenchPrintsATableAndAPlot(t *testing.T) {
	t.Parallel()
	b := &benchServer{refuse: http.StatusServiceUnavailable}
	environ := serveBench(t, b)
	plot := filepath.Join(t.TempDir(), "plot.svg")
	r := runBench(t, environ, "--mode", "open", "--rate", "500", "--duration", "200ms", "--key-distribution", "zipf", "--plot", plot)
	if r.code != exitOK {
		t.Fatalf("%+v", r)
	}
	for _, want := range []string{"open loop of 500 requests/s, 50 connections", "P99.9", "Errors, by status or reason:\n  503 ", "Latency by percentile:", "\n      100 %"} {
		if !strings.Contains(r.out, want) {
			t.Errorf("%q is missing in\n%s", want, r.out)
		}
	}
	svg, err := os.ReadFile(plot)
	if err != nil {
		t.Fatal(err)
	}
	lines, decoder := 0, xml.NewDecoder(bytes.NewReader(svg))
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatalf("%v in\n%s", err, svg)
		}
		if element, ok := token.(xml.StartElement); ok {
			for _, attribute := range element.Attr {
				if attribute.Name.Local == "class" && strings.HasPrefix(attribute.Value, "line") {
					lines++
				}
			}
		}
	}
	if lines != 3 || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
		t.Errorf("%d lines, for all, get and put:\n%s", lines, svg)
	}
}

func TestAPlotOfNothingIsAPictureToo(t *testing.T) {
	t.Parallel()
	svg := newBenchReport(benchFlags{}, "", load.Result{}).svg()
	if err := xml.Unmarshal(svg, new(struct{})); err != nil || bytes.Contains(svg, []byte("NaN")) || bytes.Contains(svg, []byte("Inf")) {
		t.Errorf("%v in\n%s", err, svg)
	}
}

func TestALoadTestOfAnotherMachineHasToBeMeant(t *testing.T) {
	t.Parallel()
	for server, foreign := range map[string]bool{
		"http://127.0.0.1:1": false, "http://[::1]:1": false, "http://localhost:1": false,
		"http://192.0.2.1:8080": true, "https://kv.example.com": true, "http://127.0.0.1.example.com": true,
	} {
		err := checkBenchTarget(server, false)
		if foreign != (err != nil) || foreign && !strings.Contains(err.Error(), "--yes") {
			t.Errorf("%s: %v", server, err)
		}
		if err := checkBenchTarget(server, true); err != nil {
			t.Errorf("%s with --yes: %v", server, err)
		}
	}
	if r := runBench(t, nil, "--url", "http://kv.example.com"); r.code != exitUsage || !strings.Contains(r.err, "kv.example.com is not this machine") {
		t.Errorf("%+v", r)
	}
}

func TestBenchRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ args, want string }{
		{"--mode half", "--mode has to be closed or open"},
		{"--mode open", "needs a --rate"},
		{"--rate 5", "--rate is for --mode open"},
		{"--connections 0", "--connections has to be"},
		{"--duration 0s", "--duration has to be"},
		{"--keys 0", "--keys has to be"},
		{"--key-distribution normal", "--key-distribution has to be"},
		{"--namespace A", "namespace: "},
		{"--mix get", "the share of get has to be"},
		{"--mix get=1,get=2", "get is there twice"},
		{"--mix scan=1", `"scan" is none of`},
		{"--size 0", "it has to be a number of bytes"},
		{"--size 9-5", "it has to be a number of bytes"},
		{"--url http://127.0.0.1:1/api", "may have no path"},
	} {
		if r := runBench(t, nil, strings.Fields(test.args)...); r.code != exitUsage || !strings.Contains(r.err, test.want) {
			t.Errorf("%s: %+v", test.args, r)
		}
	}
	if r := runBench(t, nil, "--url", "http://127.0.0.1:1"); r.code != exitUnavailable {
		t.Errorf("no server: %+v", r)
	}
}

func TestFewKeysGetMostRequestsOfAZipfDistribution(t *testing.T) {
	t.Parallel()
	flags := benchFlags{keys: 1000, distribution: "zipf", size: sizeRange{1, 1}}
	w, rng := newWorkload(flags, ""), rand.New(rand.NewPCG(1, 2))
	counts := make([]int, flags.keys)
	for range 100_000 {
		counts[w.key(rng)]++
	}
	// The first key's share is 1/(1 + 1/2^0.99 + … + 1/1000^0.99) = 12.9 %.
	if counts[0] < 12_000 || counts[0] > 14_000 || counts[999] > 100 {
		t.Errorf("the first key got %d of 100000, the last %d", counts[0], counts[999])
	}
}
