package stack

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Problem is what is wrong with one setting.
type Problem struct {
	Setting string // as in the stack file: network.zones; empty for the stack itself
	Problem string // what is wrong and what would be right
}

// Error is everything that is wrong with a stack's configuration, in the
// order of the settings' names.
type Error struct {
	Stack    string
	Problems []Problem
}

func (e *Error) Error() string {
	var text strings.Builder
	fmt.Fprintf(&text, "the configuration of stack %s cannot be used:", e.Stack)
	for _, p := range e.Problems {
		if p.Setting == "" {
			fmt.Fprintf(&text, "\n  %s", p.Problem)
			continue
		}
		fmt.Fprintf(&text, "\n  trivet:%s: %s", p.Setting, p.Problem)
	}
	return text.String()
}

// problems collects what is wrong.
type problems []Problem

func (p *problems) add(setting, format string, args ...any) {
	*p = append(*p, Problem{Setting: setting, Problem: fmt.Sprintf(format, args...)})
}

// failure gives the problems as an Error, nil when there are none.
func (p problems) failure(stack string) error {
	if len(p) == 0 {
		return nil
	}
	slices.SortStableFunc(p, func(a, b Problem) int { return cmp.Compare(a.Setting, b.Setting) })
	return &Error{Stack: stack, Problems: p}
}
