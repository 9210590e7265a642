package stack

// validate adds everything that is wrong with a configuration.
func validate(cfg Config, wrong *problems) {
	if cfg.Spec.Tier == "" {
		wrong.add("tier", "it is missing: dev, staging or prod")
	}
}
