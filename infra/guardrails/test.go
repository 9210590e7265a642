package guardrails

import (
	"fmt"
	"slices"
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

// input is the value at a path with dots, such as vpcConfig.subnetIds.
func input(r graph.Resource, path string) graph.Value {
	return r.Input(strings.Split(path, ".")...)
}

// all passes when every test does.
func all(tests ...Test) Test {
	return func(r graph.Resource) string {
		for _, test := range tests {
			if detail := test(r); detail != "" {
				return detail
			}
		}
		return ""
	}
}

// either passes when one test does.
func either(tests ...Test) Test {
	return func(r graph.Resource) string {
		var details []string
		for _, test := range tests {
			detail := test(r)
			if detail == "" {
				return ""
			}
			details = append(details, detail)
		}
		return strings.Join(details, ", and ")
	}
}

// is wants a bool, string or number.
func is(path string, want any) Test {
	return func(r graph.Resource) string {
		if got := input(r, path); !got.Is(want) {
			return fmt.Sprintf("%s is %s, want %v", path, shown(got), want)
		}
		return ""
	}
}

// off wants false, or nothing, which providers take for false.
func off(path string) Test {
	return func(r graph.Resource) string {
		if got := input(r, path); got.Raw() != nil && !got.Is(false) {
			return fmt.Sprintf("%s is %s, want false", path, shown(got))
		}
		return ""
	}
}

// given wants any value.
func given(path string) Test {
	return func(r graph.Resource) string {
		if !input(r, path).Set() {
			return path + " is not set"
		}
		return ""
	}
}

// absent wants no value.
func absent(path string) Test {
	return func(r graph.Resource) string {
		if input(r, path).Set() {
			return path + " is set"
		}
		return ""
	}
}

// atLeast wants a number from least on.
func atLeast(path string, least float64) Test {
	return func(r graph.Resource) string {
		if got := input(r, path); !got.AtLeast(least) {
			return fmt.Sprintf("%s is %s, want %v or more", path, shown(got), least)
		}
		return ""
	}
}

// oneOf wants one of some strings.
func oneOf(path string, want ...string) Test {
	return func(r graph.Resource) string {
		if got := input(r, path); !got.Hidden() && !slices.Contains(want, got.Text()) {
			return fmt.Sprintf("%s is %s, want %s", path, shown(got), strings.Join(want, " or "))
		}
		return ""
	}
}

// includes wants a list that has all of some strings.
func includes(path string, want ...string) Test {
	return func(r graph.Resource) string {
		list := input(r, path)
		for _, element := range want {
			if !has(list, element) {
				return fmt.Sprintf("%s lacks %s", path, element)
			}
		}
		return ""
	}
}

// has tells whether a list may have a string: what is hidden may be it.
func has(list graph.Value, want string) bool {
	return slices.ContainsFunc(list.List(), func(element graph.Value) bool { return element.Is(want) })
}

// shown writes a value for people.
func shown(v graph.Value) string {
	if v.Raw() == nil {
		return "not set"
	}
	return fmt.Sprintf("%v", v.Raw())
}

// companion wants, for every resource of a type, one of another type that
// refers to it by an input and passes the tests.
func companion(of, kind, by string, tests ...Test) Condition {
	return beside(of, kind, tests, func(r, other graph.Resource) bool { return other.RefersTo(r, by) })
}

// uses wants every resource of a type to refer by an input to one of another
// type that passes the tests.
func uses(of, by, kind string, tests ...Test) Condition {
	return beside(of, kind, tests, func(r, other graph.Resource) bool { return r.RefersTo(other, by) })
}

// beside wants, for every resource of a type, one of another type that belongs
// to it and passes the tests.
func beside(of, kind string, tests []Test, belongs func(r, other graph.Resource) bool) Condition {
	passes := all(tests...)
	return whole(func(g graph.Graph) []Finding {
		var findings []Finding
		for _, r := range g.Of(of) {
			detail := "there is no " + short(kind) + " for it"
			for _, other := range g.Of(kind) {
				if !belongs(r, other) {
					continue
				}
				if detail = passes(other); detail == "" {
					break
				}
			}
			if detail != "" {
				findings = append(findings, Finding{r.URN, detail})
			}
		}
		return findings
	})
}

// some wants a resource of a type that passes the tests, wherever there is a
// network of the cloud to look after.
func some(kind string, tests ...Test) Condition {
	passes := all(tests...)
	return whole(func(g graph.Graph) []Finding {
		if len(g.Of(vpcType)) == 0 {
			return nil
		}
		finding := Finding{Detail: "there is no " + short(kind)}
		for _, r := range g.Of(kind) {
			detail := passes(r)
			if detail == "" {
				return nil
			}
			finding = Finding{r.URN, detail}
		}
		return []Finding{finding}
	})
}

// short is a type's last name: FlowLog for aws:ec2/flowLog:FlowLog.
func short(kind string) string { return kind[strings.LastIndex(kind, ":")+1:] }
