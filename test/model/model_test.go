//go:build unix

// Package model has Spin check the model of the cache protocol, docs/model.
package model

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/testserver"
)

var programs = []testserver.Program{
	{
		Name: "Spin", Binary: "spin", Packages: []string{"spin"},
		Others: "macOS: brew install spin.",
	},
	{
		Name: "a C compiler", Binary: "gcc", Packages: []string{"gcc", "libc6-dev"},
		Others: "Fedora: sudo dnf install gcc. macOS: xcode-select --install.",
	},
}

// Within these bounds a check takes some seconds; docs/model/README.md has the
// results within wider ones.
const bounds = "-DRD=1"

func TestCacheProtocol(t *testing.T) {
	t.Parallel()
	for _, p := range programs {
		if _, err := p.Find(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	const atomic = " -DATOMIC -DNOFORGET"
	for variant, want := range map[string]string{
		"":     "holds",
		atomic: "holds",

		"-DBUG_NO_FLOOR":              "violated",
		"-DBUG_STORE_WITHOUT_MARK":    "violated",
		"-DBUG_ACK_BEFORE_FINISH":     "violated",
		"-DBUG_FILL_WITHOUT_LEASE":    "violated",
		"-DBUG_LEASE_SURVIVES_FINISH": "violated",
		"-DBUG_JOIN_ANY_READ":         "violated",
		// It takes a reader who reads twice to see it.
		"-DRD=2 -DBUG_LEASE_SURVIVES_BEGIN" + atomic: "violated",
		"-DBUG_ENTRY_SURVIVES_BEGIN" + atomic:        "violated",
		"-DBUG_IGNORE_OTHER_MARKS" + atomic:          "violated",
		"-DBUG_EXPIRED_MARK_IGNORED" + atomic:        "violated",
	} {
		// One after another: each takes up to half a GB.
		t.Run("variant "+variant, func(t *testing.T) {
			args := append([]string{"cache"}, strings.Fields(variant)...)
			if !strings.Contains(variant, "-DRD=") {
				args = append(args, bounds)
			}
			out, err := exec.CommandContext(t.Context(), "../../docs/model/check", args...).CombinedOutput()
			if err != nil {
				t.Fatalf("check: %v\n%s", err, out)
			}
			if got, _, _ := strings.Cut(strings.TrimSpace(string(out)), " "); got != want {
				t.Errorf("the property is %s; want %s", out, want)
			}
		})
	}
}
