package aws

import (
	"encoding/binary"
	"fmt"
	"net/netip"
)

// maxZones is how many zones the address plan has room for.
const maxZones = 3

// A subnetPlan is the address ranges of each kind of subnet, one per zone.
type subnetPlan struct {
	Public  []string // balancer and NAT
	Private []string // nodes and pods
	Data    []string // database, cache, broker
}

// planSubnets divides a network for the given number of zones. The ranges of a
// zone depend on its place alone, so that a stack that grows from one zone to
// three keeps the subnets that it has. A quarter of the network is each zone's
// private subnet, since every pod has an address of its own; the last quarter
// is cut into sixteen, for the small ones.
//
// The network has to be between /16, the largest that a VPC may be, and /20,
// below which a balancer's subnet would be too small.
func planSubnets(cidr string, zones int) (subnetPlan, error) {
	network, err := netip.ParsePrefix(cidr)
	if err != nil {
		return subnetPlan{}, fmt.Errorf("network %q: %w", cidr, err)
	}
	if network != network.Masked() || !network.Addr().Is4() || network.Bits() < 16 || network.Bits() > 20 {
		return subnetPlan{}, fmt.Errorf("network %s: want the first address of an IPv4 range from /16 to /20", cidr)
	}
	if zones < 1 || zones > maxZones {
		return subnetPlan{}, fmt.Errorf("network %s: %d zones, want 1 to %d", cidr, zones, maxZones)
	}
	last := part(network, 2, maxZones)
	var plan subnetPlan
	for zone := range zones {
		plan.Private = append(plan.Private, part(network, 2, zone).String())
		plan.Public = append(plan.Public, part(last, 4, zone).String())
		plan.Data = append(plan.Data, part(last, 4, 4+zone).String())
	}
	return plan, nil
}

// part is the index-th of the 2^bits equal parts of a range.
func part(of netip.Prefix, bits, index int) netip.Prefix {
	length := of.Bits() + bits
	first := of.Addr().As4()
	var address [4]byte
	binary.BigEndian.PutUint32(address[:], binary.BigEndian.Uint32(first[:])+uint32(index)<<(32-length)) //nolint:gosec // an index below sixteen
	return netip.PrefixFrom(netip.AddrFrom4(address), length)
}
