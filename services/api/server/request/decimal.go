package request

import (
	"errors"
	"math"
	"strconv"
)

// parseDecimal reads digits alone: no sign, no space, no separator.
func parseDecimal(text string) (int64, error) {
	n, err := strconv.ParseUint(text, 10, 63)
	return int64(n), err
}

// saturatingDecimal reads digits alone, and takes a number that does not fit
// for the largest one that does.
func saturatingDecimal(text string) (n int64, ok bool) {
	n, err := parseDecimal(text)
	if errors.Is(err, strconv.ErrRange) {
		return math.MaxInt64, true
	}
	return n, err == nil
}
