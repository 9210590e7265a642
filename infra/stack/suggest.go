package stack

import (
	"slices"
	"strings"

	"github.com/trivetkv/trivet/pkg/spelling"
)

// suggestion names the setting that was probably meant, or all that there are
// when none resembles it.
func suggestion(name string, known []string) string {
	slices.Sort(known)
	best, distance := "", len(name)/2+1
	for _, candidate := range known {
		if d := spelling.Distance(strings.ToLower(name), strings.ToLower(candidate)); d < distance {
			best, distance = candidate, d
		}
	}
	switch {
	case best != "":
		return "; did you mean " + best + "?"
	case len(known) == 0:
		return ""
	default:
		return "; there are " + strings.Join(known, ", ")
	}
}
