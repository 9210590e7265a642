package main

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"strconv"
	"strings"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/load"
)

// operationShare is how often a mix has an operation, of the sum of all.
type operationShare struct {
	kind  string
	share int
}

// operationMix is the value of --mix: get=90,put=10.
type operationMix []operationShare

const maxShare = 1_000_000

func (m *operationMix) String() string {
	parts := make([]string, len(*m))
	for i, s := range *m {
		parts[i] = s.kind + "=" + strconv.Itoa(s.share)
	}
	return strings.Join(parts, ",")
}

// Set reads a mix.
func (m *operationMix) Set(text string) error {
	var mix operationMix
	for part := range strings.SplitSeq(text, ",") {
		kind, number, _ := strings.Cut(part, "=")
		switch kind {
		case "get", "put", "list":
		default:
			return fmt.Errorf("%q is none of get, put and list", kind)
		}
		share, err := strconv.Atoi(number)
		if err != nil || share < 1 || share > maxShare {
			return fmt.Errorf("the share of %s has to be a number from 1 to %d, as in get=90,put=10", kind, maxShare)
		}
		for _, s := range mix {
			if s.kind == kind {
				return fmt.Errorf("%s is there twice", kind)
			}
		}
		mix = append(mix, operationShare{kind, share})
	}
	*m = mix
	return nil
}

// Type is what the help shows for the flag's value.
func (m *operationMix) Type() string { return "MIX" }

// draw picks an operation.
func (m *operationMix) draw(rng *rand.Rand) string {
	sum := 0
	for _, s := range *m {
		sum += s.share
	}
	n := rng.IntN(sum)
	for _, s := range *m {
		if n < s.share {
			return s.kind
		}
		n -= s.share
	}
	panic("the shares do not add up to their sum")
}

// sizeRange is the value of --size: 100, or 64-1024.
type sizeRange struct{ least, most int }

func (s *sizeRange) String() string {
	if s.least == s.most {
		return strconv.Itoa(s.least)
	}
	return fmt.Sprintf("%d-%d", s.least, s.most)
}

// Set reads a size or a range.
func (s *sizeRange) Set(text string) error {
	low, high, ranged := strings.Cut(text, "-")
	if !ranged {
		high = low
	}
	least, err := strconv.Atoi(low)
	most, err2 := strconv.Atoi(high)
	if errors.Join(err, err2) != nil || least < 1 || most < least || most > kv.MaxValueBytes {
		return fmt.Errorf("it has to be a number of bytes from 1 to %d, or a range such as 64-1024", kv.MaxValueBytes)
	}
	*s = sizeRange{least, most}
	return nil
}

// Type is what the help shows for the flag's value.
func (s *sizeRange) Type() string { return "BYTES" }

// workload makes the requests of a test.
type workload struct {
	flags  benchFlags
	header []byte
	path   string
	noise  []byte    // values are its parts, so that they do not compress
	below  []float64 // zipf: the probability of this key or one before it; nil: uniform
}

// zipfExponent is that of YCSB, the benchmark that most results of key-value
// stores are of.
const zipfExponent = 0.99

func newWorkload(flags benchFlags, token string) *workload {
	w := &workload{flags: flags, path: "/v1/kv/" + flags.namespace}
	if token != "" {
		w.header = []byte("Authorization: Bearer " + token + "\r\n")
	}
	rng := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // load, not secrets
	w.noise = make([]byte, 2*flags.size.most)
	for i := range w.noise {
		w.noise[i] = byte(rng.Uint32() & 0xff)
	}
	if flags.distribution == "zipf" {
		w.below = make([]float64, flags.keys)
		sum := 0.0
		for i := range w.below {
			sum += 1 / math.Pow(float64(i+1), zipfExponent)
			w.below[i] = sum
		}
		for i := range w.below {
			w.below[i] /= sum
		}
	}
	return w
}

func benchKey(i int) string { return "bench-" + strconv.Itoa(i) }

func (w *workload) key(rng *rand.Rand) int {
	if w.below == nil {
		return rng.IntN(w.flags.keys)
	}
	return min(sort.SearchFloat64s(w.below, rng.Float64()), w.flags.keys-1)
}

// next fills in a request; it is a load.Mix.
func (w *workload) next(r *load.Request, rng *rand.Rand) {
	r.Kind = w.flags.mix.draw(rng)
	r.Header = append(r.Header, w.header...)
	r.Target = append(r.Target, w.path...)
	if r.Kind == "list" {
		r.Target = append(r.Target, "?limit=100&prefix=bench-"...)
		r.Target = strconv.AppendInt(r.Target, int64(w.key(rng)), 10)
		return
	}
	r.Target = append(r.Target, "/bench-"...)
	r.Target = strconv.AppendInt(r.Target, int64(w.key(rng)), 10)
	if r.Kind == "put" {
		r.Method = "PUT"
		size := w.flags.size.least + rng.IntN(w.flags.size.most-w.flags.size.least+1)
		from := rng.IntN(len(w.noise) - size + 1)
		r.Body = append(r.Body, w.noise[from:from+size]...)
	}
}
