package rehearsal

import (
	"strings"
	"time"

	"github.com/trivetkv/trivet/infra/cost"
	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/guardrails"
	"github.com/trivetkv/trivet/infra/stack"
)

// Judge judges a stack of this repository's program by the guardrails and the
// prices, with the settings that it was deployed with.
func Judge(name string, now func() time.Time) func(map[string]string, graph.Graph) (Verdict, error) {
	return func(settings map[string]string, g graph.Graph) (Verdict, error) {
		values := map[string]string{}
		for key, value := range settings {
			if short, ours := strings.CutPrefix(key, "trivet:"); ours {
				values[short] = value
			}
		}
		cfg, err := stack.Parse(values, name)
		if err != nil {
			return Verdict{}, err
		}
		return Verdict{
			Guardrails: guardrails.Check(g, cfg.Spec.Tier, cfg.Waivers, now()),
			Cost:       cost.Estimate(g, cost.Assume(cfg)),
		}, nil
	}
}
