package kv

import (
	"bytes"
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Rules that every store follows, whatever it keeps its entries in.

// CounterContentType is the type of a counter that an increment created.
const CounterContentType = "text/plain"

// NextVersion gives the version of a change: above the key's previous one,
// above everything that compaction removed, and else the clock in µs.
func NextVersion(previous, floor Version, clock int64) Version {
	return max(previous+1, floor+1, Version(clock))
}

// Counter reads the number that a value holds as decimal text.
func Counter(value []byte) (int64, error) {
	number, err := strconv.ParseInt(string(value), 10, 64)
	if err != nil {
		return 0, Errorf(CodeConflict, "the value is not a decimal number of 64 bits, so that it cannot be incremented")
	}
	return number, nil
}

// Increment gives number + by, and refuses a sum of more than 64 bits.
func Increment(number, by int64) (int64, error) {
	if by > 0 && number > math.MaxInt64-by || by < 0 && number < math.MinInt64-by {
		return 0, Errorf(CodeConflict, "the sum of %d and %d does not fit into 64 bits", number, by)
	}
	return number + by, nil
}

// CheckQuota refuses a write that adds so many live entries, and so many bytes
// of keys and values, when that takes the namespace further above a quota. What
// has expired counts until it is swept or replaced.
func (n *Namespace) CheckQuota(entries, bytes int64) error {
	if n.MaxKeys > 0 && entries > 0 && n.Keys+entries > n.MaxKeys {
		return Errorf(CodeQuotaExceeded, "the namespace may have %d keys and has %d", n.MaxKeys, n.Keys)
	}
	if n.MaxBytes > 0 && bytes > 0 && n.Bytes+bytes > n.MaxBytes {
		return Errorf(CodeQuotaExceeded, "the namespace may have %d bytes of keys and values and has %d; the write adds %d",
			n.MaxBytes, n.Bytes, bytes)
	}
	return nil
}

// Holds tells whether a compare is true of a key whose live entry has this
// version, or that has none. The value is asked for only where it counts.
func (c *Compare) Holds(live bool, version Version, value func() ([]byte, error)) (bool, error) {
	switch c.Target {
	case TargetExists:
		return (live == c.Exists) == (c.Is == RelationEqual), nil
	case TargetVersion:
		if !live {
			version = 0
		}
		return c.Is.holds(cmp.Compare(version, c.Version)), nil
	case TargetValue:
		if !live {
			return c.Is == RelationNotEqual, nil
		}
		v, err := value()
		if err != nil {
			return false, err
		}
		return c.Is.holds(bytes.Compare(v, c.Value)), nil
	}
	return false, Invalid("compare", "the target has to be version, value or exists")
}

// holds tells whether two operands in this order, as of [cmp.Compare], are so
// related.
func (r Relation) holds(order int) bool {
	switch r {
	case RelationEqual:
		return order == 0
	case RelationNotEqual:
		return order != 0
	case RelationGreater:
		return order > 0
	case RelationLess:
		return order < 0
	}
	return false
}

// Run runs a transaction by a store's own way to compare and to apply. An error
// names the part that it is about.
func (t *Txn) Run(holds func(*Compare) (bool, error), apply func(*Operation) (Result, error)) (TxnResult, error) {
	result := TxnResult{Succeeded: true}
	for i := range t.Compare {
		ok, err := holds(&t.Compare[i])
		if err != nil {
			return TxnResult{}, inPart(err, "compare", i)
		}
		if !ok {
			result.Succeeded = false
			break
		}
	}
	branch, name := t.Success, "success"
	if !result.Succeeded {
		branch, name = t.Failure, "failure"
	}
	result.Results = make([]Result, len(branch))
	for i := range branch {
		var err error
		if result.Results[i], err = apply(&branch[i]); err != nil {
			return TxnResult{}, inPart(err, name, i)
		}
	}
	return result, nil
}

// inPart names the part of a transaction that an error is about.
func inPart(err error, part string, i int) error {
	e := *AsError(err)
	e.Field = fmt.Sprintf("%s[%d]", part, i)
	return &e
}

// Replay gives recorded results as the answer to a repeated write.
func Replay(results []Result) []Result {
	replayed := slices.Clone(results)
	for i := range replayed {
		replayed[i].Replayed = true
	}
	return replayed
}

// Recorded tells whether a refusal is recorded under a write's id: a failure of
// the store is no refusal, and what is not deferred has a caller to see it.
func (id Identity) Recorded(refusal error) bool {
	switch CodeOf(refusal) {
	case CodeInternal, CodeUnavailable, CodeIdempotencyMismatch:
		return false
	default:
		return id.Deferred
	}
}
