package stack

import (
	"maps"
	"slices"
)

// ServiceNames are the programs that a stack may run on its cluster.
var ServiceNames = []string{"api", "autoscaler", "consumer", "healthcheck", "migrate", "node-autoscaler"}

// needed gives the services that a stack cannot do without an image of. The
// jobs of migrate run the api's.
func needed(cfg Config) []string {
	services := []string{"api", "consumer"} // migrate is a command of the api's image, so that their versions are the same
	if cfg.Autoscaling == AutoscalingTrivet {
		services = append(services, "autoscaler")
	}
	if cfg.Spec.Cluster.NodeAutoscaler == "cluster-autoscaler" {
		services = append(services, "node-autoscaler")
	}
	return services
}

func checkServices(cfg Config, wrong *problems) {
	for _, name := range slices.Sorted(maps.Keys(cfg.Services)) {
		service := cfg.Services[name]
		if !slices.Contains(ServiceNames, name) {
			wrong.add(join("services", name), "there is no such service%s", suggestion(name, slices.Clone(ServiceNames)))
			continue
		}
		if service.Min > service.Max {
			wrong.add(join("services", name)+".min", "it is %d, more than max, which is %d", service.Min, service.Max)
		}
	}
	if !cfg.Layer.HasWorkloads() {
		return
	}
	for _, name := range needed(cfg) {
		if cfg.Services[name].Image == "" {
			wrong.add(join("services", name)+".image", "it is missing: the digest of the image in the stack's registry, or a whole reference with its digest")
		}
	}
}

// images gives the images that the workloads of a stack run, by service.
func images(cfg Config) map[string]string {
	all := make(map[string]string)
	for name, service := range cfg.Services {
		if cfg.Layer.HasWorkloads() && service.Image != "" {
			all[name] = service.Image
		}
	}
	return all
}

// Pinned tells whether the service's image can never be another one.
func (s Service) Pinned() bool { return pinned.MatchString(s.Image) }

// Reference gives the image as the cluster pulls it, from the repository of the
// platform unless the stack file says where it is.
func (s Service) Reference(repository string) string {
	if digest.MatchString(s.Image) {
		return repository + "@" + s.Image
	}
	return s.Image
}
