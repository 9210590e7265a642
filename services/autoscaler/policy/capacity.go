package policy

import "math"

// capacity learns how many requests per second one pod serves.
type capacity struct {
	Rate float64 `json:"rate"`
	// Efficiency is below 1 while latency misses the objective at a load that
	// the pods should have served.
	Efficiency float64 `json:"efficiency"`
	// Seen is the weight of what was measured, in observations at full load.
	Seen float64 `json:"seen"`

	slow int // observations in a row that were too slow
}

// Observations at lower utilisation say little about what a pod can serve:
// constant work, such as collecting garbage, is a large part of it.
const leastUtilisation = 0.2

// leastEfficiency is the least that slow answers make of a pod.
const leastEfficiency = 0.5

func (c *capacity) observe(o *Observation, cfg *Config, limit func(pods int) float64) {
	if o.Scraped > 0 && o.Utilisation >= leastUtilisation && o.Served > 0 {
		const memory = 300
		measured := o.Served / (float64(o.Scraped) * math.Min(1, o.Utilisation))
		c.Seen = math.Min(c.Seen+o.Utilisation, memory)
		c.Rate += o.Utilisation / c.Seen * (measured - c.Rate)
		c.Rate = min(max(c.Rate, cfg.LeastRate), cfg.MostRate)
	}
	c.observeLatency(o, cfg, limit)
}

// observeLatency believes what users see over what CPU says: a pod that waits
// for a slow disk is not faster for having idle processors.
func (c *capacity) observeLatency(o *Observation, cfg *Config, limit func(pods int) float64) {
	const patience, step, recovery = 15, 0.98, 1.0005
	tooSlow := o.P99 > cfg.Objective.Seconds() && o.Complete() && o.Starting == 0 &&
		o.Utilisation < 0.9 && o.Offered > 0 && o.Offered < 0.9*limit(o.Ready)
	if !tooSlow {
		c.slow = 0
		if o.P99 >= 0 {
			c.Efficiency = min(1, c.Efficiency*recovery)
		}
		return
	}
	c.slow++
	if c.slow >= patience {
		c.Efficiency = max(leastEfficiency, c.Efficiency*step)
	}
}

// effective is the rate to plan with, in steps of 1 % so that plans stay.
func (c *capacity) effective() float64 {
	const step = 1.01
	return math.Pow(step, math.Round(math.Log(c.Rate*c.Efficiency)/math.Log(step)))
}
