package main

import (
	"strings"
	"testing"
)

func TestRehearseRefusesWhatItCannotDo(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		args []string
		want string
	}{
		"no stack":            {nil, "--stack has to name a stack"},
		"an unknown form":     {[]string{"-s", "prod-aws", "-o", "yaml"}, "--output has to be text or json"},
		"outside the project": {[]string{"-s", "prod-aws"}, "is in no checkout of Trivet"},
	} {
		if r := trivet(t, "", nil, append([]string{"rehearse"}, c.args...)...); r.code != exitUsage || !strings.Contains(r.err, c.want) {
			t.Errorf("%s: exit %d: %s", name, r.code, r.err)
		}
	}
}
