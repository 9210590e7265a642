// Package kubescore holds the workloads' manifests against kube-score. It is a
// module of its own: kube-score wants other versions of Kubernetes' libraries
// than the rest.
package kubescore

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/zegl/kube-score/config"
	"github.com/zegl/kube-score/domain"
	"github.com/zegl/kube-score/parser"
	"github.com/zegl/kube-score/score"
	"github.com/zegl/kube-score/score/checks"
	"github.com/zegl/kube-score/scorecard"
)

// manifests are what infra/workloads registers, as its own test writes it.
const manifests = "../../infra/workloads/testdata"

// justified are the checks that an annotation of the manifests skips. Beside the
// annotation stands the reason.
var justified = map[string]bool{
	"container-image-pull-policy":                                  true,
	"deployment-targeted-by-hpa-does-not-have-replicas-configured": true,
}

// file is a manifest to be read.
type file struct{ *os.File }

func (f file) Name() string { return f.File.Name() }

var _ domain.NamedReader = file{}

func judge(t *testing.T, path string) *scorecard.Scorecard {
	t.Helper()
	opened, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = opened.Close() }()
	p, err := parser.New(&parser.Config{})
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := p.ParseFiles([]domain.NamedReader{file{opened}})
	if err != nil {
		t.Fatal(err)
	}
	run := &config.RunConfiguration{
		KubernetesVersion: config.Semver{Major: 1, Minor: 34}, UseIgnoreChecksAnnotation: true,
		MinReplicasDeployment: 2, MinReplicasHPA: 2,
	}
	card, err := score.Score(parsed, score.RegisterAllChecks(parsed, &checks.Config{}, run), run)
	if err != nil {
		t.Fatal(err)
	}
	return card
}

// ignored tells a check that an annotation skips from one that does not apply.
func ignored(check scorecard.TestScore) bool {
	return !check.Check.Optional && len(check.Comments) == 1 && strings.HasSuffix(check.Comments[0].Summary, " is ignored")
}

func TestNothingIsCritical(t *testing.T) {
	t.Parallel()
	paths, err := filepath.Glob(filepath.Join(manifests, "*.yaml"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no manifests in %s: %v", manifests, err)
	}
	for _, path := range paths {
		t.Run(filepath.Base(path), func(t *testing.T) {
			t.Parallel()
			judged := 0
			for _, object := range *judge(t, path) {
				for _, check := range object.Checks {
					judged++
					switch what := object.HumanFriendlyRef() + ": " + check.Check.ID; {
					case check.Skipped:
						if ignored(check) && !justified[check.Check.ID] {
							t.Errorf("%s is ignored", what)
						}
					case check.Grade <= scorecard.GradeCritical:
						t.Errorf("%s: %+v", what, check.Comments)
					}
				}
			}
			if judged < 100 {
				t.Errorf("%d checks", judged)
			}
		})
	}
}
