package stack

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/trivetkv/trivet/infra/platform"
)

// validate adds everything that is wrong with a configuration: each setting by
// itself, settings that do not go together, and what production does not allow.
func validate(cfg Config, wrong *problems) {
	checkName(cfg.Spec.Stack, cfg.Layer, wrong)
	checkLimits(cfg, wrong)
	checkTags(cfg.Spec.Tags, wrong)
	checkServices(cfg, wrong)
	checkWaivers(cfg.Waivers, wrong)
	if cfg.Spec.Production() {
		checkProductionServices(cfg.Services, wrong)
	}
	if cfg.Layer == LayerWorkloads {
		// Everything else is the other stack's business.
		if cfg.CloudStack == "" {
			wrong.add("cloudStack", "it is missing: layer workloads stands on the stack that made the cloud, ORGANIZATION/PROJECT/STACK")
		}
		return
	}
	if cfg.CloudStack != "" {
		wrong.add("cloudStack", "only layer workloads stands on another stack; this one has layer %s", cfg.Layer)
	}
	checkNetwork(cfg.Spec.Network, wrong)
	checkCluster(cfg.Spec.Cluster, cfg.Layer, wrong)
	checkNodes("cluster.system", cfg.Spec.Cluster.System, wrong)
	checkNodes("cluster.workload", cfg.Spec.Cluster.Workload, wrong)
	checkData(cfg.Spec, wrong)
	checkEdge(cfg.Spec, wrong)
	checkRecords(cfg.Spec, wrong)
	if cfg.Profile == ProfileLean && cfg.Spec.Tier != platform.Prod {
		wrong.add("profile", "lean is a form of production; dev and staging are small as they are")
	}
	if cfg.Spec.Production() {
		checkProduction(cfg.Spec, wrong)
	}
}

// MaxName is how many characters the name of a stack that makes the cloud may
// have. It is part of the names of everything in the account, of which some
// take 40 characters.
const MaxName = 20

var stackName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

func checkName(name string, layer Layer, wrong *problems) {
	if layer.HasCloud() && (len(name) > MaxName || !stackName.MatchString(name)) {
		wrong.add("", "the stack's name is part of names in the cloud: up to %d small letters, digits and hyphens, not %q", MaxName, name)
	}
}

// maxTags is what AWS allows on one resource, less those that every resource
// has of its own.
const maxTags = 40

func checkTags(tags map[string]string, wrong *problems) {
	if len(tags) > maxTags {
		wrong.add("tags", "there are %d, and a resource takes %d beside those that it has anyway", len(tags), maxTags)
	}
	for _, name := range slices.Sorted(maps.Keys(tags)) {
		switch {
		case strings.HasPrefix(strings.ToLower(name), "aws:"):
			wrong.add(join("tags", name), "names with aws: are the cloud's own")
		case slices.Contains([]string{"owner", "env", "cost-centre", "stack"}, name):
			wrong.add(join("tags", name), "this tag is set from the stack's other settings")
		case len(name) > 128 || !tagText.MatchString(name):
			wrong.add(join("tags", name), "a tag's name has up to 128 letters, digits, spaces and _.:/=+-@")
		}
	}
}

// private are the ranges of addresses that no host on the internet has.
var private = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
}

func checkNetwork(network platform.Network, wrong *problems) {
	const setting = "network.cidr"
	if network.CIDR == "" {
		return
	}
	cidr, err := netip.ParsePrefix(network.CIDR)
	switch {
	case err != nil || !cidr.Addr().Is4():
		wrong.add(setting, "it has to be a range of IPv4 addresses such as 10.20.0.0/16, not %q", network.CIDR)
	case cidr != cidr.Masked():
		wrong.add(setting, "%s is within a range and does not begin it; write %s", cidr, cidr.Masked())
	case cidr.Bits() < 16 || cidr.Bits() > 20:
		wrong.add(setting, "it has to be from /16, the largest that a network may be, to /20, below which pods run out of addresses; it is /%d", cidr.Bits())
	case !slices.ContainsFunc(private, func(p netip.Prefix) bool { return p.Contains(cidr.Addr()) }):
		wrong.add(setting, "%s are addresses on the internet; take a range of 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16", cidr)
	}
	if name := repeated(network.PrivateEndpoints); name != "" {
		wrong.add("network.privateEndpoints", "%s is listed twice", name)
	}
}

// minVersion is the oldest Kubernetes that the manifests are written for.
const minVersion = "1.33"

func checkCluster(cluster platform.Cluster, layer Layer, wrong *problems) {
	if cluster.Version != "" && cluster.Version < minVersion {
		wrong.add("cluster.version", "%s is too old; the workloads need %s or newer", cluster.Version, minVersion)
	}
	checkCIDRs("cluster.endpointCIDRs", cluster.EndpointCIDRs, wrong)
	switch {
	case cluster.PublicEndpoint && len(cluster.EndpointCIDRs) == 0:
		wrong.add("cluster.endpointCIDRs", "a public endpoint needs the ranges of addresses that may reach it, such as 203.0.113.0/24")
	case !cluster.PublicEndpoint && len(cluster.EndpointCIDRs) > 0:
		wrong.add("cluster.endpointCIDRs", "they are for a public endpoint, and cluster.publicEndpoint is false")
	case !cluster.PublicEndpoint && !cluster.RunnerInside && layer.HasWorkloads():
		wrong.add("cluster.runnerInside", "the cluster's endpoint is private, and this deployment runs outside of its network, so it could not deploy workloads: "+
			"run it inside and say runnerInside: true, allow its addresses with publicEndpoint and endpointCIDRs, or make the cloud alone with layer: cloud")
	}
	if len(cluster.AdminRoles) == 0 {
		wrong.add("cluster.adminRoles", "it is missing: whoever makes the cluster has no rights in it, so one role at least has to be its administrator, that of the deployment too")
	}
	if name := repeated(cluster.AdminRoles); name != "" {
		wrong.add("cluster.adminRoles", "%s is listed twice", name)
	}
	for _, role := range cluster.DeployRoles {
		if slices.Contains(cluster.AdminRoles, role) {
			wrong.add("cluster.deployRoles", "%s is an administrator already", role)
		}
	}
}

func checkNodes(setting string, nodes platform.NodeGroup, wrong *problems) {
	if nodes.Min > nodes.Max {
		wrong.add(setting+".min", "it is %d, more than max, which is %d", nodes.Min, nodes.Max)
	}
	if len(nodes.InstanceTypes) == 0 {
		wrong.add(setting+".instanceTypes", "it is missing: one instance type at least, such as m5.large")
		return
	}
	first := nodes.InstanceTypes[0]
	for _, other := range nodes.InstanceTypes[1:] {
		if arm64(other) != arm64(first) {
			wrong.add(setting+".instanceTypes", "%s and %s have different processors; a group's machines all start the same image", first, other)
		}
	}
	if name := repeated(nodes.InstanceTypes); name != "" {
		wrong.add(setting+".instanceTypes", "%s is listed twice", name)
	}
}

// arm64 tells whether an instance type has AWS' own processors, as in m7g or
// c6gn; in g5 the letter is the family.
func arm64(instanceType string) bool {
	family, _, _ := strings.Cut(instanceType, ".")
	generation := strings.IndexAny(family, "0123456789")
	return generation >= 0 && strings.Contains(family[generation:], "g")
}

func checkData(spec platform.Spec, wrong *problems) {
	if spec.Cache.Replicas > 0 && spec.Network.Zones == 1 {
		wrong.add("cache.replicas", "a replica stands in another zone, and network.zones is 1")
	}
	if spec.Database.Readers > 0 && spec.Network.Zones == 1 {
		wrong.add("database.readers", "a reader stands in another zone, and network.zones is 1")
	}
	if spec.Broker.Kind != platform.BrokerRabbitMQ {
		return
	}
	if spec.Broker.Cluster && spec.Network.Zones < 3 {
		wrong.add("broker.cluster", "a cluster of brokers stands in three zones, and network.zones is %d", spec.Network.Zones)
	}
	if spec.Broker.Cluster && strings.HasPrefix(spec.Broker.InstanceType, "mq.t") {
		wrong.add("broker.instanceType", "%s cannot be in a cluster; take mq.m5.large or larger", spec.Broker.InstanceType)
	}
}

func checkEdge(spec platform.Spec, wrong *problems) {
	if spec.Domain == "" {
		wrong.add("domain", "it is missing: all names are below it, api., console. and status.")
	}
	if spec.Edge.ZoneID == "" {
		wrong.add("edge.zoneID", "it is missing: the public DNS zone of the domain has to exist and be delegated, or the certificates would wait for their validation in vain")
	}
	checkCIDRs("edge.allowCIDRs", spec.Edge.AllowCIDRs, wrong)
}

func checkRecords(spec platform.Spec, wrong *problems) {
	if spec.Backup.CopyRegion != "" && spec.Backup.CopyRegion == spec.Region {
		wrong.add("backup.copyRegion", "%s is the region that the copies are to survive", spec.Region)
	}
	if spec.Audit.LockDays > spec.Audit.LogDays {
		wrong.add("audit.lockDays", "records are locked for %d days and deleted after %d", spec.Audit.LockDays, spec.Audit.LogDays)
	}
}

func checkCIDRs(setting string, ranges []string, wrong *problems) {
	for _, text := range ranges {
		cidr, err := netip.ParsePrefix(text)
		switch {
		case err != nil:
			wrong.add(setting, "%q is no range of addresses; write it as 203.0.113.0/24, one address as 203.0.113.7/32", text)
		case cidr != cidr.Masked():
			wrong.add(setting, "%s is within a range and does not begin it; write %s", cidr, cidr.Masked())
		}
	}
	if name := repeated(ranges); name != "" {
		wrong.add(setting, "%s is listed twice", name)
	}
}

func checkWaivers(waivers []Waiver, wrong *problems) {
	for i, waiver := range waivers {
		setting := fmt.Sprintf("waivers[%d]", i)
		if waiver.Expires != "" {
			if _, err := time.Parse(time.DateOnly, waiver.Expires); err != nil {
				wrong.add(setting+".expires", "%s is no day of the calendar", waiver.Expires)
			}
		}
		if strings.Trim(waiver.Resource, "*") == "" && waiver.Resource != "" {
			wrong.add(setting+".resource", "a waiver names what it is for; it cannot waive a rule for everything")
		}
	}
}

// repeated gives an element that is there more than once, or "".
func repeated(list []string) string {
	seen := make(map[string]bool, len(list))
	for _, element := range list {
		if seen[element] {
			return element
		}
		seen[element] = true
	}
	return ""
}
