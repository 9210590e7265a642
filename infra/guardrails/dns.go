package guardrails

const zoneType = "aws:route53/zone:Zone"

var dnsRules = []Rule{
	{
		Name:   "dns-signed",
		Reason: "a forged answer would send clients with their tokens elsewhere",
		IDs:    []string{"CKV2_AWS_38", "SEC09-BP03"},
		Fix:    "add a KeySigningKey and a HostedZoneDnsSec for the zone",
		Check: companion(zoneType, "aws:route53/hostedZoneDnsSec:HostedZoneDnsSec", "hostedZoneId",
			oneOf("signingStatus", "", "SIGNING")),
	},
	{
		Name:   "dns-key-active",
		Reason: "a zone is signed with an active key, or not at all",
		IDs:    []string{"CKV2_AWS_38"},
		Fix:    "set status of the zone's KeySigningKey to ACTIVE",
		Check:  companion(zoneType, "aws:route53/keySigningKey:KeySigningKey", "hostedZoneId", oneOf("status", "", "ACTIVE")),
	},
	{
		Name:   "dns-query-logs",
		Reason: "names that malware looks up would leave no trace",
		IDs:    []string{"CKV2_AWS_39", "Route53.2"},
		Fix:    "add a QueryLog for the zone",
		Check:  companion(zoneType, "aws:route53/queryLog:QueryLog", "zoneId", given("cloudwatchLogGroupArn")),
	},
}
