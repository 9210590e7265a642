//go:build unix

package testserver_test

import (
	"context"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/testserver"
)

func TestRedisKeepsWhatWasSaved(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedis(t)
	do := func(args ...string) string {
		t.Helper()
		answer, err := r.Do(t.Context(), args...)
		if err != nil {
			t.Fatal(err)
		}
		return answer
	}
	do("SET", "k", "saved")
	if err := r.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	do("SET", "k", "lost")
	r.Kill()
	if err := r.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := do("GET", "k"); got != "saved" {
		t.Errorf("after a crash the key is %q", got)
	}
	if err := r.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := do("GET", "k"); got != "$-1" {
		t.Errorf("after a flush the key is %q", got)
	}
}

func TestSentinelsMakeAPrimaryOfTheReplica(t *testing.T) {
	t.Parallel()
	r := testserver.NewRedisSentinel(t)
	first := r.Primary(t.Context())
	if first == nil {
		t.Fatal("there is no primary")
	}
	first.Kill()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for r.Primary(ctx) == nil {
		if ctx.Err() != nil {
			t.Fatal("no replica was promoted")
		}
	}
}

func TestAClusterDividesTheKeys(t *testing.T) {
	t.Parallel()
	c := testserver.SharedRedisCluster(t)
	moved := 0
	for _, s := range c.Servers {
		if _, err := s.Do(t.Context(), "GET", "a key"); err != nil {
			moved++
		}
	}
	if moved != 2 {
		t.Errorf("%d of 3 nodes answered that another one has the key", moved)
	}
}
