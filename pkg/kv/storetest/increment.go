package storetest

import (
	"math"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

var incrementTests = []test{
	{"an increment creates, adds and subtracts", func(s *space) {
		for _, step := range []struct {
			by, want int64
			text     string
		}{{5, 5, "5"}, {0, 5, "5"}, {-8, -3, "-3"}, {3, 0, "0"}} {
			res := s.must(incrementOp("n", step.by))
			if res.Number != step.want {
				s.Fatalf("by %d answered %d, want %d", step.by, res.Number, step.want)
			}
			if e := s.get("n"); string(e.Value) != step.text || e.Version != res.Version {
				s.Fatalf("by %d read %s", step.by, brief(e))
			}
		}
	}},

	{"only the first increment creates", func(s *space) {
		if first, second := s.must(incrementOp("n", 1)), s.must(incrementOp("n", 1)); !first.Created || second.Created {
			s.Fatalf("first %+v, second %+v", first, second)
		}
	}},

	{"a sum that does not fit is a conflict", func(s *space) {
		for _, tt := range []struct {
			value string
			by    int64
			fits  bool
		}{
			{"9223372036854775807", 1, false},
			{"9223372036854775806", 1, true},
			{"9223372036854775807", math.MinInt64, true},
			{"-9223372036854775808", -1, false},
			{"-9223372036854775807", -1, true},
			{"-9223372036854775808", math.MaxInt64, true},
			{"1", math.MaxInt64, false},
			{"-1", math.MinInt64, false},
			{"0", math.MinInt64, true},
		} {
			s.put("n", tt.value)
			if tt.fits {
				s.must(incrementOp("n", tt.by))
				continue
			}
			s.refused(incrementOp("n", tt.by), kv.CodeConflict)
			s.equal("the value", string(s.get("n").Value), tt.value)
		}
	}},

	{"a value that is no number is a conflict", func(s *space) {
		for _, value := range []string{
			"", "x", "1.5", "1e3", "0x10", "1 ", " 1", "1\n", "1_000", "9223372036854775808", "-9223372036854775809", "\x00",
		} {
			s.put("n", value)
			s.refused(incrementOp("n", 1), kv.CodeConflict)
			s.equal("the value", string(s.get("n").Value), value)
		}
	}},

	{"an increment keeps time to live, type and metadata", func(s *space) {
		meta := map[string]string{"a": "b"}
		s.put("n", "1", withTTL(time.Hour), withType("application/json"), withMeta(meta))
		before := s.get("n")
		if s.Clock != nil {
			s.Clock.Advance(time.Minute)
		}
		s.must(incrementOp("n", 1))
		after := s.get("n")
		if !after.ExpiresAt.Equal(before.ExpiresAt) || after.ContentType != "application/json" || !after.CreatedAt.Equal(before.CreatedAt) {
			s.Fatalf("read %s, before %s", brief(after), brief(before))
		}
		s.equal("metadata", after.Meta, meta)
	}},
}
