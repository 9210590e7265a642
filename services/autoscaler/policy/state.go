package policy

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/trivetkv/trivet/services/autoscaler/forecast"
)

// state is what a policy has learned, as it is stored.
type state struct {
	Version  int                   `json:"version"`
	Capacity capacity              `json:"capacity"`
	Lead     leadTime              `json:"lead"`
	History  forecast.HistoryState `json:"history"`
	Costs    []float64             `json:"costs"` // by stance
	Seconds  float64               `json:"seconds"`
	Chosen   int                   `json:"chosen"`
}

// stateVersion changes with the meaning of what is stored, stances included.
const stateVersion = 1

// State gives what has been learned, to be stored.
func (p *Policy) State() ([]byte, error) {
	return json.Marshal(state{
		Version: stateVersion, Capacity: p.capacity, Lead: p.lead, History: p.history.State(),
		Costs: p.tuner.costs, Seconds: p.tuner.seconds, Chosen: p.tuner.chosen,
	})
}

// Restore takes what was stored. What cannot be read is refused as a whole, and
// the policy goes on with what it knows.
func (p *Policy) Restore(stored []byte) error {
	var s state
	if err := json.Unmarshal(stored, &s); err != nil {
		return fmt.Errorf("the stored state: %w", err)
	}
	if s.Version != stateVersion || len(s.Costs) != len(stances) || s.Chosen < 0 || s.Chosen >= len(stances) {
		return errors.New("the stored state is of another version")
	}
	if err := p.history.Restore(s.History); err != nil {
		return err
	}
	p.capacity, p.lead = s.Capacity, s.Lead
	p.capacity.Rate = min(max(p.capacity.Rate, p.cfg.LeastRate), p.cfg.MostRate)
	p.capacity.Efficiency = min(max(p.capacity.Efficiency, leastEfficiency), 1)
	p.lead.sort()
	p.tuner.costs, p.tuner.seconds, p.tuner.chosen = s.Costs, s.Seconds, s.Chosen
	p.replan()
	return nil
}
