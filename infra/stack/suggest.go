package stack

import (
	"slices"
	"strings"
)

// suggestion names the setting that was probably meant, or all that there are
// when none resembles it.
func suggestion(name string, known []string) string {
	slices.Sort(known)
	best, distance := "", len(name)/2+1
	for _, candidate := range known {
		if d := edits(strings.ToLower(name), strings.ToLower(candidate)); d < distance {
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

// edits is the Levenshtein distance: how many letters have to be added, taken
// away or replaced to make one text of the other.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			substitute := diagonal
			if a[i] != b[j] {
				substitute++
			}
			diagonal = row[j+1]
			row[j+1] = min(substitute, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}
