package aws

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/ecr"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/route53"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/servicequotas"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// nameServers asks DNS who answers for a domain.
type nameServers func(ctx context.Context, domain string) ([]*net.NS, error)

// lookUpNameServers asks the machine's own resolver.
var lookUpNameServers nameServers = net.DefaultResolver.LookupNS

// dnsTimeout is how long the preflight waits for DNS, of which it takes no
// answer for an answer.
const dnsTimeout = 3 * time.Second

// Preflight implements platform.Cloud. Everything that it asks for is free, and
// asked for at once or not at all: a deployment that fails costs twenty minutes.
func (c *cloud) Preflight(ctx *pulumi.Context, spec platform.Spec) error {
	begun, err := c.begin(ctx, spec)
	if err != nil {
		return err
	}
	var found []error
	for _, check := range []func(*session, platform.Spec) []error{
		checkShape, checkDatabase, checkZones, checkAccess, c.checkDomain, checkQuotas, checkThreats, checkImages,
	} {
		found = append(found, check(begun, spec)...)
	}
	return errors.Join(found...)
}

// ask is how the preflight's questions are put.
func (s *session) ask() pulumi.InvokeOption { return pulumi.Provider(s.providers.Home) }

// checkShape finds what the tiers would refuse one after the other, when the
// first of them are there already.
func checkShape(_ *session, spec platform.Spec) []error {
	var found []error
	note := func(err error) {
		if err != nil {
			found = append(found, err)
		}
	}
	if _, err := planSubnets(spec.Network.CIDR, subnetZones(spec)); err != nil {
		note(err)
	} else {
		note(checkServiceCIDR(spec.Network.CIDR))
	}
	note(checkVersion(spec.Cluster.Version))
	for _, pool := range []struct {
		name string
		spec platform.NodeGroup
	}{{systemPool, spec.Cluster.System}, {workloadPool, spec.Cluster.Workload}} {
		if _, err := imageType(pool.spec.InstanceTypes); err != nil {
			note(fmt.Errorf("cluster.%s.instanceTypes: %w", pool.name, err))
		}
	}
	if spec.Edge.CDN {
		note(checkCDN(spec.Edge))
	}
	return found
}

// checkZones wants as many zones as the network has subnets in.
func checkZones(begun *session, spec platform.Spec) []error {
	if want := subnetZones(spec); len(begun.zones) < want {
		return []error{fmt.Errorf("region %s has %d zones that EKS can use, want %d: choose another region, or fewer network.zones",
			spec.Region, len(begun.zones), want)}
	}
	return nil
}

// checkAccess refuses a cluster that nobody could enter, and one that this very
// deployment could not put its workloads on. Roles of other accounts are left
// alone: who deploys may take them on later.
func checkAccess(begun *session, spec platform.Spec) []error {
	if len(spec.Cluster.AdminRoles) == 0 {
		return []error{errors.New("cluster.adminRoles is empty: nobody could enter the cluster, as whoever makes it is nobody special")}
	}
	caller := assumedRole(begun.account.Caller)
	if len(spec.Images) == 0 || caller == "" {
		return nil
	}
	own := slices.DeleteFunc(slices.Clone(spec.Cluster.AdminRoles), func(role string) bool {
		return !strings.Contains(role, ":"+begun.account.ID+":")
	})
	if len(own) == 0 || slices.ContainsFunc(own, func(role string) bool { return path.Base(role) == caller }) {
		return nil
	}
	return []error{fmt.Errorf("this deployment runs as role %s, which could not enter the cluster that it makes: add it to cluster.adminRoles", caller)}
}

// assumedRole is the name of the role that a session is of; empty for a user.
func assumedRole(arn string) string {
	_, role, found := strings.Cut(arn, ":assumed-role/")
	if !found {
		return ""
	}
	name, _, _ := strings.Cut(role, "/")
	return name
}

// checkDomain wants a public zone that the domain is in, and that DNS knows of:
// certificates are issued to whoever answers for the name, and waiting for that
// fails after an hour and a quarter.
func (c *cloud) checkDomain(begun *session, spec platform.Spec) []error {
	zone, err := route53.LookupZone(begun.ctx, &route53.LookupZoneArgs{ZoneId: pulumi.StringRef(spec.Edge.ZoneID)}, begun.ask())
	if err != nil {
		return []error{fmt.Errorf("edge.zoneID %q: %w", spec.Edge.ZoneID, err)}
	}
	name := strings.TrimSuffix(zone.Name, ".")
	switch {
	case zone.PrivateZone != nil && *zone.PrivateZone:
		return []error{fmt.Errorf("edge.zoneID %s is a private zone: nobody outside could resolve %s", spec.Edge.ZoneID, spec.Domain)}
	case spec.Domain != name && !strings.HasSuffix(spec.Domain, "."+name):
		return []error{fmt.Errorf("edge.zoneID %s is the zone of %s, and domain %s is not in it", spec.Edge.ZoneID, name, spec.Domain)}
	case documented(name):
		return nil
	}
	limited, cancel := context.WithTimeout(begun.ctx.Context(), dnsTimeout)
	defer cancel()
	_, err = c.lookUp(limited, name)
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.IsNotFound {
		return []error{fmt.Errorf("zone %s is not delegated: add NS records for it to the zone above, naming %s",
			name, strings.Join(zone.NameServers, ", "))}
	}
	return nil // no answer is none: a runner may not reach DNS outside
}

// documented tells whether a name is one of those that are kept for examples
// and tests. They cannot be delegated, and only a rehearsal uses them.
func documented(name string) bool {
	for _, reserved := range []string{"example.com", "example.net", "example.org", "example", "test", "invalid"} {
		if name == reserved || strings.HasSuffix(name, "."+reserved) {
			return true
		}
	}
	return false
}

// checkImages wants the images that come from the stack's own repositories to be
// in there. Before the first deployment there are no repositories to push to.
func checkImages(begun *session, spec platform.Spec) []error {
	var found []error
	for _, service := range slices.Sorted(maps.Keys(spec.Images)) {
		digest := spec.Images[service]
		image, own := imagesOf[service]
		if !own || !strings.HasPrefix(digest, "sha256:") {
			continue
		}
		repository := repositoryOf(spec, image)
		if _, err := ecr.GetImage(begun.ctx, &ecr.GetImageArgs{
			RepositoryName: repository,
			ImageDigest:    pulumi.StringRef(digest),
		}, begun.ask()); err != nil {
			found = append(found, fmt.Errorf("image %s of service %s is not in repository %s: push it, after a first deployment with layer: cloud: %w",
				digest, service, repository, err))
		}
	}
	return found
}

// checkQuotas compares what the stack may grow to with what the account is
// allowed to have. A new account may have 5 processors.
func checkQuotas(begun *session, spec platform.Spec) []error {
	var found []error
	for _, quota := range quotas(spec) {
		if quota.want == 0 {
			continue
		}
		answer, err := servicequotas.LookupServiceQuota(begun.ctx, &servicequotas.LookupServiceQuotaArgs{
			ServiceCode: "ec2",
			QuotaCode:   pulumi.StringRef(quota.code),
		}, begun.ask())
		if err != nil {
			found = append(found, fmt.Errorf("ask for the quota of %s (ec2 %s): %w", quota.of, quota.code, err))
			continue
		}
		if answer.Value < float64(quota.want) {
			found = append(found, fmt.Errorf("the account may have %.0f %s, and the stack may need %d: ask AWS for more of quota ec2 %s",
				answer.Value, quota.of, quota.want, quota.code))
		}
	}
	return found
}

// A quota is what an account may have of something.
type quota struct {
	code string // in Service Quotas, of service ec2
	of   string
	want int
}

// quotas are those that the stack comes near to.
func quotas(spec platform.Spec) []quota {
	processors := map[bool]int{} // by whether they are spot
	for _, group := range []platform.NodeGroup{spec.Cluster.System, spec.Cluster.Workload} {
		most := 0
		for _, instance := range group.InstanceTypes {
			most = max(most, processorsOf(instance))
		}
		processors[group.Spot] += group.Max * most
	}
	addresses := 1
	if spec.Network.NATPerZone {
		addresses = spec.Network.Zones
	}
	return []quota{
		{"L-1216C47A", "processors on demand", processors[false]},
		{"L-34B43A08", "processors on spot", processors[true]},
		{"L-0263D0A3", "elastic addresses", addresses},
	}
}
