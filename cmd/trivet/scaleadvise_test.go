package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestAdviceHasItsPrice(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/advice/trivet-api" {
			http.NotFound(w, r)
			return
		}
		_, _ = w.Write([]byte(`{"since":"2024-01-01T00:00:00Z","samples":3600,"cpu_typical":0.1,"cpu_busy":0.3,"cpu_request":0.35,"memory_peak":1e8,
			"memory_request":1.2e8,"memory_limit":1.5e8,"requested":{"cpu":1.5,"memory":1e9},"sizes":[{"pods":4,"hours":2}]}`))
	}))
	t.Cleanup(server.Close)
	prices := filepath.Join(t.TempDir(), "prices.csv")
	if err := os.WriteFile(prices, []byte("region,service,item,unit,usd,date,source\nhere,ec2,m5.large,hour,0.1,2025-07-01,x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	advise := func(args ...string) result {
		return trivet(t, "", nil, append([]string{"scale", "advise", "trivet-api", "--autoscaler", server.URL}, args...)...)
	}
	if r := advise(); r.code != 0 || !strings.Contains(r.out, "no prices are given") {
		t.Errorf("without prices: %+v", r)
	}
	// Four pods of 1.5 cores take four nodes, of 0.35 cores one.
	if r := advise("--prices", prices, "--region", "here"); r.code != 0 || !strings.Contains(r.out, "$219 a month") {
		t.Errorf("with prices: %+v", r)
	}
	if r := advise("--prices", prices, "--region", "elsewhere"); r.code == 0 {
		t.Errorf("a region without prices is accepted: %+v", r)
	}
}
