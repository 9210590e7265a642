package rehearsal

import "maps"

// Layers splits a stack into two: one with the cloud's resources, and one with
// the workloads that stands on it by a StackReference. The report is about the
// second.
func Layers(o Options) Options {
	cloud, workloads := o, o
	cloud.Stack, cloud.File = o.Stack+"-cloud", o.Stack
	cloud.Settings = with(o.Settings, "trivet:layer", "cloud")

	workloads.Stack, workloads.File = o.Stack+"-workloads", o.Stack
	workloads.Settings = with(o.Settings, "trivet:layer", "workloads")
	// The engine's own name of a stack in a backend without organizations.
	workloads.Settings["trivet:cloudStack"] = "organization/trivet/" + cloud.Stack
	workloads.Below = &cloud
	return workloads
}

func with(settings map[string]string, key, value string) map[string]string {
	copied := maps.Clone(settings)
	if copied == nil {
		copied = map[string]string{}
	}
	copied[key] = value
	return copied
}
