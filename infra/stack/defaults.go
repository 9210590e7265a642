package stack

import "github.com/trivetkv/trivet/infra/platform"

// Defaults gives the configuration of a tier before its stack file is read.
func Defaults(tier platform.Tier, profile Profile) Config {
	cfg := Config{
		Layer:       LayerAll,
		Profile:     ProfileStandard,
		Autoscaling: AutoscalingTrivet,
		Load:        Traffic{ReadsPerSecond: 2000, WritesPerSecond: 500, ValueBytes: 1024, EgressGB: 5000},
	}
	cfg.Spec.Tier = tier
	if profile != "" {
		cfg.Profile = profile
	}
	return cfg
}
