package guardrails

import (
	"slices"

	"github.com/trivetkv/trivet/infra/graph"
)

// The zone itself exists before the stack, which puts its records there.
const recordType = "aws:route53/record:Record"

var dnsRules = []Rule{
	{
		Name:       "dns-signed",
		Reason:     "a forged answer would send clients with their tokens elsewhere",
		IDs:        []string{"CKV2_AWS_38", "SEC09-BP03"},
		Fix:        "add a HostedZoneDnsSec for the zone, with signingStatus SIGNING",
		Production: true,
		Check: whole(inEachZone("aws:route53/hostedZoneDnsSec:HostedZoneDnsSec", "hostedZoneId",
			oneOf("signingStatus", "", "SIGNING"))),
	},
	{
		Name:       "dns-key-active",
		Reason:     "a zone is signed with an active key, or not at all",
		IDs:        []string{"CKV2_AWS_38"},
		Fix:        "set status of the zone's KeySigningKey to ACTIVE",
		Production: true,
		Check: whole(inEachZone("aws:route53/keySigningKey:KeySigningKey", "hostedZoneId",
			oneOf("status", "", "ACTIVE"))),
	},
	{
		Name:       "dns-query-logs",
		Reason:     "names that malware looks up would leave no trace",
		IDs:        []string{"CKV2_AWS_39", "Route53.2"},
		Fix:        "add a QueryLog for the zone",
		Production: true,
		Check:      whole(inEachZone("aws:route53/queryLog:QueryLog", "zoneId", given("cloudwatchLogGroupArn"))),
	},
}

// inEachZone wants a resource for every zone in which the stack has records.
func inEachZone(kind, zoneInput string, tests ...Test) func(graph.Graph) []Finding {
	passes := all(tests...)
	return func(g graph.Graph) []Finding {
		var findings []Finding
		var seen []string
		for _, record := range g.Of(recordType) {
			zone := record.Input("zoneId").Text()
			if slices.Contains(seen, zone) {
				continue
			}
			seen = append(seen, zone)
			if !slices.ContainsFunc(g.Of(kind), func(r graph.Resource) bool {
				return r.Input(zoneInput).Is(zone) && passes(r) == ""
			}) {
				findings = append(findings, Finding{record.URN, "zone " + zone + " has no " + short(kind) + " that works"})
			}
		}
		return findings
	}
}
