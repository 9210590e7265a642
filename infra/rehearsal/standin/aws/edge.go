package aws

import "github.com/trivetkv/trivet/infra/rehearsal/standin"

var edge = map[string]standin.Kind{
	"aws:route53/zone:Zone": {
		ID: "Z{upper:20}", Replace: []string{"name", "delegationSetId"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:route53:::hostedzone/{id}", "zoneId": "{id}", "comment": "Managed by Pulumi",
			"nameServers": []any{"ns-1.awsdns-01.org", "ns-2.awsdns-02.co.uk", "ns-3.awsdns-03.com", "ns-4.awsdns-04.net"}, "primaryNameServer": "ns-1.awsdns-01.org",
		},
	},
	"aws:route53/record:Record": {
		ID: "{.zoneId}_{.name}_{.type}", Replace: []string{"name", "setIdentifier", "type", "zoneId"},
		Outputs: map[string]any{"fqdn": "{.name}"},
	},
	"aws:route53/queryLog:QueryLog": {
		ID: "{uuid}", Replace: []string{"cloudwatchLogGroupArn", "zoneId"}, Outputs: map[string]any{"arn": "arn:{partition}:route53:::queryloggingconfig/{id}"},
	},
	"aws:route53/keySigningKey:KeySigningKey": {
		ID: "{.hostedZoneId},{.name}", Replace: []string{"hostedZoneId", "keyManagementServiceArn", "name"},
		Outputs: map[string]any{
			"dsRecord": "1234 13 2 {upper:32}", "digestValue": "{upper:32}", "digestAlgorithmMnemonic": "SHA-256", "digestAlgorithmType": 2,
			"signingAlgorithmMnemonic": "ECDSAP256SHA256", "signingAlgorithmType": 13, "keyTag": 1234, "flag": 257,
		},
	},
	"aws:route53/hostedZoneDnsSec:HostedZoneDnsSec": {ID: "{.hostedZoneId}", Replace: []string{"hostedZoneId"}},
	"aws:route53/healthCheck:HealthCheck": {
		ID: "{uuid}", Replace: []string{"type", "requestInterval", "measureLatency", "referenceName"}, Outputs: map[string]any{"arn": "arn:{partition}:route53:::healthcheck/{id}"},
	},
	"aws:acm/certificate:Certificate": {
		ID:      "arn:{partition}:acm:{region}:{account}:certificate/{uuid}",
		Replace: []string{"domainName", "subjectAlternativeNames", "validationMethod", "keyAlgorithm", "certificateAuthorityArn", "validationOptions"},
		Outputs: map[string]any{"arn": "{id}", "status": "PENDING_VALIDATION", "type": "AMAZON_ISSUED", "keyAlgorithm": "RSA_2048", "renewalEligibility": "INELIGIBLE"},
		Refine:  validations,
	},
	"aws:acm/certificateValidation:CertificateValidation": {ID: "2026-01-01 00:00:00 +0000 UTC {hex:8}", Replace: []string{"certificateArn", "validationRecordFqdns"}},
	"aws:lb/loadBalancer:LoadBalancer": {
		ID: "arn:{partition}:elasticloadbalancing:{region}:{account}:loadbalancer/app/{name}/{hex:16}", Naming: named(32),
		Replace: []string{"internal", "loadBalancerType", "namePrefix", "customerOwnedIpv4Pool"},
		Outputs: map[string]any{
			"arn": "{id}", "arnSuffix": "app/{name}/{hex:16}", "dnsName": "{name}-{hex:10}.{region}.elb.{suffix}", "zoneId": "Z{upper:13:zone}",
			"vpcId": "", "ipAddressType": "ipv4",
		},
		Refine: twoZones,
	},
	"aws:lb/targetGroup:TargetGroup": {
		ID: "arn:{partition}:elasticloadbalancing:{region}:{account}:targetgroup/{name}/{hex:16}", Naming: named(32),
		Replace: []string{"namePrefix", "port", "protocol", "protocolVersion", "targetType", "vpcId", "ipAddressType"},
		Outputs: map[string]any{"arn": "{id}", "arnSuffix": "targetgroup/{name}/{hex:16}", "protocolVersion": "HTTP1", "ipAddressType": "ipv4"},
	},
	"aws:lb/listener:Listener": {
		ID: "arn:{partition}:elasticloadbalancing:{region}:{account}:listener/app/{hex:8:balancer}/{hex:16:balancer}/{hex:16}", Replace: []string{"loadBalancerArn"},
		Outputs: map[string]any{"arn": "{id}", "protocol": "HTTP", "sslPolicy": ""},
	},
	"aws:lb/listenerRule:ListenerRule": {
		ID: "arn:{partition}:elasticloadbalancing:{region}:{account}:listener-rule/app/{hex:8:balancer}/{hex:16:balancer}/{hex:16}", Replace: []string{"listenerArn"},
		Outputs: map[string]any{"arn": "{id}", "priority": 1},
	},
	"aws:lb/listenerCertificate:ListenerCertificate":     {ID: "{.listenerArn}_{.certificateArn}", Replace: []string{"listenerArn", "certificateArn"}},
	"aws:lb/targetGroupAttachment:TargetGroupAttachment": {ID: "{.targetGroupArn}-{hex:26}", Replace: []string{"targetGroupArn", "targetId", "port", "availabilityZone"}},
	"aws:wafv2/webAcl:WebAcl": {
		ID: "{uuid}", Naming: named(128), Replace: []string{"scope", "namePrefix"},
		Outputs: map[string]any{ //nolint:gosec // a lock's token opens nothing
			"arn": "arn:{partition}:wafv2:{region}:{account}:regional/webacl/{name}/{id}", "capacity": 900, "lockToken": "{uuid:lock}", "applicationIntegrationUrl": "",
		},
		Refine: globalFirewall,
	},
	"aws:wafv2/ipSet:IpSet": {
		ID: "{uuid}", Naming: named(128), Replace: []string{"ipAddressVersion", "scope"},
		Outputs: map[string]any{"arn": "arn:{partition}:wafv2:{region}:{account}:regional/ipset/{name}/{id}", "lockToken": "{uuid:lock}"}, //nolint:gosec // a lock's token opens nothing
	},
	"aws:wafv2/webAclAssociation:WebAclAssociation":                   {ID: "{.webAclArn},{.resourceArn}", Replace: []string{"resourceArn", "webAclArn"}},
	"aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration": {ID: "{.resourceArn}", Replace: []string{"resourceArn"}},
	"aws:cloudfront/distribution:Distribution": {
		ID: "E{upper:13}",
		Outputs: map[string]any{
			"arn": "arn:{partition}:cloudfront::{account}:distribution/{id}", "domainName": "d{hex:13}.cloudfront.net", "hostedZoneId": "Z2FDTNDATAQYW2",
			"status": "Deployed", "etag": "E{upper:12:etag}", "callerReference": "terraform-{hex:20}", "lastModifiedTime": "2026-01-01 00:00:00 +0000 UTC",
		},
	},
	"aws:cloudfront/originAccessControl:OriginAccessControl": {
		ID: "E{upper:13}", Naming: named(64), Outputs: map[string]any{"etag": "E{upper:12:etag}", "arn": "arn:{partition}:cloudfront::{account}:origin-access-control/{id}"},
	},
	"aws:cloudfront/vpcOrigin:VpcOrigin": {
		ID: "vo_{hex:20}", Outputs: map[string]any{"arn": "arn:{partition}:cloudfront::{account}:vpcorigin/{id}", "etag": "E{upper:12:etag}"},
	},
	"aws:cloudfront/cachePolicy:CachePolicy":                     {ID: "{uuid}", Naming: named(128), Outputs: map[string]any{"etag": "E{upper:12:etag}"}},
	"aws:cloudfront/originRequestPolicy:OriginRequestPolicy":     {ID: "{uuid}", Naming: named(128), Outputs: map[string]any{"etag": "E{upper:12:etag}"}},
	"aws:cloudfront/responseHeadersPolicy:ResponseHeadersPolicy": {ID: "{uuid}", Naming: named(128), Outputs: map[string]any{"etag": "E{upper:12:etag}"}},
	"aws:cloudfront/function:Function": {
		Naming: named(64), Outputs: map[string]any{"arn": "arn:{partition}:cloudfront::{account}:function/{name}", "status": "UNASSOCIATED", "etag": "E{upper:12:etag}", "liveStageEtag": "E{upper:12:etag}"},
	},
}
