package rehearsal_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/rehearsal"
)

// recordings are states of stacks as released versions have left them, by
// version and stack: testdata/upgrade/VERSION/STACK.json.gz.
const recordings = "testdata/upgrade/*/*.json.gz"

// Nobody who upgrades may lose what cannot be made again. What a new version
// does replace is named, with what has to be done before, in docs/upgrade.
func TestNoUpgradeTakesAwayWhatHasState(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(recordings)
	if err != nil {
		t.Fatal(err)
	}
	if len(files) == 0 {
		t.Fatal("no recording of any version: `make record RELEASE=vX.Y.Z` writes them")
	}
	documented, err := rehearsal.Documented(filepath.Join(root, "docs", "upgrade"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		stack := strings.TrimSuffix(filepath.Base(file), ".json.gz")
		t.Run(filepath.Base(filepath.Dir(file))+"/"+stack, func(t *testing.T) {
			t.Parallel()
			recording, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			defer turn()()
			changes, err := rehearsal.Upgrade(t.Context(), ours(t, stack), recording)
			if err != nil {
				t.Fatal(err)
			}
			for _, loss := range rehearsal.Losses(changes, documented) {
				t.Errorf("%s of %s, for %v", loss.Operation, loss.URN, loss.Keys)
			}
		})
	}
}

func TestTheGateSeesWhatAnUpgradeTakesAway(t *testing.T) {
	t.Parallel()
	before, err := rehearsal.Record(t.Context(), small(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if text := unzipped(t, before); strings.Contains(text, `"plaintext"`) {
		t.Error("the recording has secrets in plain text")
	}
	cases := map[string]struct {
		settings map[string]string
		lost     string // end of a URN
	}{
		"nothing changed":      {nil, ""},
		"another range":        {map[string]string{"small:cidr": "10.0.0.0/8"}, "::vpc"},
		"another logical name": {map[string]string{"small:bucket": "store"}, "::data"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small(t, c.settings)
			changes, err := rehearsal.Upgrade(t.Context(), o, before)
			if err != nil {
				t.Fatal(err)
			}
			losses := rehearsal.Losses(changes, nil)
			found := false
			for _, loss := range losses {
				found = found || strings.HasSuffix(loss.URN, c.lost)
				if documented := rehearsal.Losses(losses, []string{loss.URN}); len(documented) != len(losses)-1 {
					t.Errorf("%s is documented, and fails all the same", loss.URN)
				}
			}
			if (c.lost != "") != found {
				t.Errorf("losses %v, want one of %q", losses, c.lost)
			}
		})
	}
}

func unzipped(t *testing.T, content []byte) string {
	t.Helper()
	reader, err := gzip.NewReader(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheDocumentationNamesURNs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	page := "# 2.0\n\nThe network is made anew: `urn:pulumi:prod-aws::trivet::trivet:aws:Network$aws:ec2/vpc:Vpc::trivet-network-vpc`.\n"
	if err := os.WriteFile(filepath.Join(dir, "2.0.md"), []byte(page), 0o600); err != nil {
		t.Fatal(err)
	}
	urns, err := rehearsal.Documented(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(urns) != 1 || !strings.HasSuffix(urns[0], "::trivet-network-vpc") {
		t.Errorf("got %q", urns)
	}
}
