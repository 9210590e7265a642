package aws

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/platform"
)

const (
	listener = "aws:lb/listener:Listener"
	rule     = "aws:lb/listenerRule:ListenerRule"
	record   = "aws:route53/record:Record"
	firewall = "aws:wafv2/webAcl:WebAcl"
	cdn      = "aws:cloudfront/distribution:Distribution"
)

func TestTheBalancerSpeaksTLSOnly(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	made.the(t, "aws:lb/loadBalancer:LoadBalancer", "trivet-edge").want(t, map[string]any{
		"internal": false, "dropInvalidHeaderFields": true, "enableDeletionProtection": true, "accessLogs.enabled": true,
		"accessLogs.bucket": "trivet-edge-logs", "accessLogs.prefix": "balancer",
		"subnets": []string{"trivet-network-public-1-id", "trivet-network-public-2-id", "trivet-network-public-3-id"},
	})
	made.the(t, listener, "trivet-edge-http").want(t, map[string]any{
		"port": 80, "protocol": "HTTP", "defaultActions[0].type": "redirect",
		"defaultActions[0].redirect.protocol": "HTTPS", "defaultActions[0].redirect.statusCode": "HTTP_301",
	})
	for name, port := range map[string]int{"trivet-edge-https": 443, "trivet-edge-origin": 8443} {
		made.the(t, listener, name).want(t, map[string]any{
			"port": port, "protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06",
			"defaultActions[0].type": "fixed-response", "defaultActions[0].fixedResponse.statusCode": "404",
		})
	}
	deploy(t, devSpec()).the(t, "aws:lb/loadBalancer:LoadBalancer", "trivet-edge").want(t, map[string]any{"enableDeletionProtection": false})
}

// TestTheWayToThePodsIsComplete follows a request from the balancer: rule,
// targets, groups of nodes, security groups, port.
func TestTheWayToThePodsIsComplete(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	made.the(t, rule, "trivet-edge-api").want(t, map[string]any{
		"conditions[0].hostHeader.values": []string{"api.kv.example.com"}, "conditions[1]": nil,
		"actions[0].targetGroupArn": "arn:aws:aws:lb/targetGroup:TargetGroup:trivet-edge-api",
	})
	for name, port := range map[string]int{"api": made.platform.Edge.NodePort, "static": made.platform.Edge.StaticPort} {
		made.the(t, "aws:lb/targetGroup:TargetGroup", "trivet-edge-"+name).want(t, map[string]any{
			"targetType": "instance", "protocol": "HTTPS", "port": port, "healthCheck.path": "/ready", "healthCheck.protocol": "HTTPS",
		})
		for i, pool := range []string{"system", "workload"} {
			made.the(t, "aws:autoscaling/attachment:Attachment", fmt.Sprintf("trivet-edge-%s-%d", name, i+1)).want(t, map[string]any{
				"autoscalingGroupName": "asg/trivet-cluster-" + pool, "lbTargetGroupArn": "arn:aws:aws:lb/targetGroup:TargetGroup:trivet-edge-" + name,
			})
		}
		made.the(t, "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule", fmt.Sprintf("trivet-edge-nodes-%d", port)).want(t, map[string]any{
			"securityGroupId": "trivet-cluster-nodes-id", "referencedSecurityGroupId": "trivet-edge-balancer-id", "fromPort": port, "toPort": port,
		})
		made.the(t, "aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", fmt.Sprintf("trivet-edge-nodes-%d", port)).want(t, map[string]any{
			"securityGroupId": "trivet-edge-balancer-id", "referencedSecurityGroupId": "trivet-cluster-nodes-id", "fromPort": port, "toPort": port,
		})
	}
	// Any node passes a request on to any pod, so that it may come from a node.
	for _, cidr := range []string{"10.20.0.0/18", "10.20.192.0/22"} {
		if !slices.Contains(made.platform.Edge.SourceCIDRs, cidr) {
			t.Errorf("requests come from %v, and not from %s", made.platform.Edge.SourceCIDRs, cidr)
		}
	}
}

// TestTheOriginIsReachedThroughTheCDNAlone: by AWS's list of addresses, which
// everybody's CDN has, and by a secret, which this one has.
func TestTheOriginIsReachedThroughTheCDNAlone(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	var in []registered
	for _, r := range made.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
		if r.input("fromPort") == 8443.0 {
			in = append(in, r)
		}
	}
	if len(in) != 1 {
		t.Fatalf("%v lead to the origin's port", names(in))
	}
	// The list counts as 55 of a group's 60 rules.
	in[0].want(t, map[string]any{"prefixListId": "pl-cdn", "cidrIpv4": nil, "securityGroupId": "trivet-edge-origin-id"})

	forward := made.the(t, rule, "trivet-edge-static")
	forward.want(t, map[string]any{
		"listenerArn":                             "arn:aws:aws:lb/listener:Listener:trivet-edge-origin",
		"conditions[0].hostHeader.values":         []string{"console.kv.example.com", "status.kv.example.com"},
		"conditions[1].httpHeader.httpHeaderName": "X-Trivet-Origin", "conditions[1].httpHeader.values[0]": "made-up-trivet-edge-origin",
	})
	if !forward.secret("conditions[1].httpHeader.values[0]") {
		t.Error("the rule shows the origin's secret")
	}
	front := made.the(t, cdn, "trivet-edge-cdn")
	front.want(t, map[string]any{
		"origins[0].domainName": "origin.kv.example.com", "origins[0].customHeaders[0].name": "X-Trivet-Origin",
		"origins[0].customHeaders[0].value": "made-up-trivet-edge-origin", "origins[0].customOriginConfig.httpsPort": 8443,
		"origins[0].customOriginConfig.originProtocolPolicy": "https-only", "origins[0].customOriginConfig.originSslProtocols": []string{"TLSv1.2"},
	})
	if !front.secret("origins[0].customHeaders[0].value") {
		t.Error("the CDN shows the origin's secret")
	}
}

func TestTheCDNCachesWhatDoesNotChange(t *testing.T) {
	t.Parallel()
	front := deploy(t, prodSpec()).the(t, cdn, "trivet-edge-cdn")
	front.want(t, map[string]any{
		"aliases": []string{"console.kv.example.com", "status.kv.example.com"}, "webAclId": "arn:aws:aws:wafv2/webAcl:WebAcl:trivet-edge-cdn",
		"viewerCertificate.minimumProtocolVersion": "TLSv1.2_2021", "viewerCertificate.acmCertificateArn": "arn:aws:aws:acm/certificate:Certificate:trivet-edge-cdn",
		"loggingConfig.bucket": "trivet-edge-logs.s3.example.net", "defaultCacheBehavior.viewerProtocolPolicy": "redirect-to-https",
		"defaultCacheBehavior.cachePolicyId": cachingDisabled, "defaultCacheBehavior.responseHeadersPolicyId": securityHeaders,
	})
	for i := range staticPaths {
		front.want(t, map[string]any{
			fmt.Sprintf("orderedCacheBehaviors[%d].cachePolicyId", i):        "trivet-edge-cdn-id",
			fmt.Sprintf("orderedCacheBehaviors[%d].viewerProtocolPolicy", i): "redirect-to-https",
		})
	}
	deploy(t, prodSpec()).the(t, "aws:cloudfront/cachePolicy:CachePolicy", "trivet-edge-cdn").want(t, map[string]any{
		"parametersInCacheKeyAndForwardedToOrigin.headersConfig.headers.items": []string{"Host"},
	})
}

// TestWithoutACDNTheBalancerServesPages gives the names to the balancer.
func TestWithoutACDNTheBalancerServesPages(t *testing.T) {
	t.Parallel()
	made := deploy(t, devSpec())
	for _, kind := range []string{cdn, firewall, "random:index/randomPassword:RandomPassword"} {
		for _, r := range made.of(kind) {
			if strings.HasPrefix(r.name, "trivet-edge") {
				t.Errorf("there is %s", r.urn())
			}
		}
	}
	made.the(t, rule, "trivet-edge-static").want(t, map[string]any{
		"listenerArn": "arn:aws:aws:lb/listener:Listener:trivet-edge-https", "conditions[1]": nil,
	})
	made.the(t, record, "trivet-edge-console-A").want(t, map[string]any{"name": "console.kv.example.com", "aliases[0].name": "trivet-edge.example.net"})
}

func TestNamesLeadWhereTheyShould(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for name, target := range map[string]string{
		"api-A": "trivet-edge.example.net", "origin-A": "trivet-edge.example.net",
		"console-A": "trivet-edge-cdn.example.net", "console-AAAA": "trivet-edge-cdn.example.net",
		"status-A": "trivet-edge-cdn.example.net", "status-AAAA": "trivet-edge-cdn.example.net",
	} {
		host, _, _ := strings.Cut(name, "-")
		made.the(t, record, "trivet-edge-"+name).want(t, map[string]any{
			"zoneId": "Z0123456789EXAMPLE", "name": host + ".kv.example.com", "aliases[0].name": target,
		})
	}
}

// TestCertificatesShareTheirProof: ACM asks for the same record in each region.
func TestCertificatesShareTheirProof(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	made.the(t, record, "trivet-edge-validation").want(t, map[string]any{
		"name": "_proof.kv.example.com.", "type": "CNAME", "records": []string{"_proof.acm-validations.aws."},
	})
	for name, provider := range map[string]string{"trivet-edge-balancer": "trivet-aws", "trivet-edge-cdn": "trivet-aws-global"} {
		for _, kind := range []string{"aws:acm/certificate:Certificate", "aws:acm/certificateValidation:CertificateValidation"} {
			if r := made.the(t, kind, name); !strings.Contains(r.provider, "::"+provider+"::") {
				t.Errorf("%s is made by %s", r.urn(), r.provider)
			}
		}
		made.the(t, "aws:acm/certificateValidation:CertificateValidation", name).want(t, map[string]any{
			"certificateArn": "arn:aws:aws:acm/certificate:Certificate:" + name, "validationRecordFqdns": []string{"trivet-edge-validation.example.com"},
		})
	}
	if options, err := validationRecord(nil); err == nil {
		t.Errorf("no proof is %v", options)
	}
}

func TestProductionsZoneIsSignedAndWatched(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	key := made.the(t, "aws:kms/key:Key", "trivet-edge-dnssec")
	key.want(t, map[string]any{"customerMasterKeySpec": "ECC_NIST_P256", "keyUsage": "SIGN_VERIFY"})
	if !strings.Contains(key.provider, "::trivet-aws-global::") {
		t.Errorf("Route 53 looks for the key in us-east-1, and it is made by %s", key.provider)
	}
	made.the(t, "aws:route53/keySigningKey:KeySigningKey", "trivet-edge-dnssec").want(t, map[string]any{
		"hostedZoneId": "Z0123456789EXAMPLE", "keyManagementServiceArn": "arn:aws:aws:kms/key:Key:trivet-edge-dnssec",
	})
	made.the(t, "aws:route53/hostedZoneDnsSec:HostedZoneDnsSec", "trivet-edge-dnssec").want(t, map[string]any{"signingStatus": "SIGNING"})
	made.the(t, "aws:route53/queryLog:QueryLog", "trivet-edge-queries").want(t, map[string]any{"zoneId": "Z0123456789EXAMPLE"})
	logs := made.the(t, logGroupType, "trivet-edge-queries")
	logs.want(t, map[string]any{"name": "/aws/route53/kv.example.com", "kmsKeyId": "arn:aws:aws:kms/key:Key:trivet-edge-logs"})
	if !strings.Contains(logs.provider, "::trivet-aws-global::") {
		t.Errorf("Route 53 logs to us-east-1, and the group is made by %s", logs.provider)
	}
	if signed := deploy(t, stagingSpec()).of("aws:route53/hostedZoneDnsSec:HostedZoneDnsSec"); len(signed) > 0 {
		t.Error("a stack that comes and goes signs its zone")
	}
}

// TestTheFirstRegionNeedsNoSecondKey: where the stack is in us-east-1 itself, its
// own key is there already.
func TestTheFirstRegionNeedsNoSecondKey(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	spec.Region = "us-east-1"
	made := deploy(t, spec)
	made.the(t, logGroupType, "trivet-edge-queries").want(t, map[string]any{"kmsKeyId": "arn:aws:aws:kms/key:Key:trivet-keys-logs"})
	if slices.Contains(names(made.of("aws:kms/key:Key")), "trivet-edge-logs") {
		t.Error("there is a second key")
	}
}

func TestFirewallsStandWhereTheyAreWanted(t *testing.T) {
	t.Parallel()
	for waf, want := range map[platform.WAF][]string{
		platform.WAFAll: {"trivet-edge-balancer", "trivet-edge-cdn"}, platform.WAFEdge: {"trivet-edge-cdn"}, platform.WAFOff: nil,
	} {
		spec := prodSpec()
		spec.Edge.WAF = waf
		made := deploy(t, spec)
		for _, kind := range []string{firewall, "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration"} {
			if got := names(made.of(kind)); !slices.Equal(got, want) {
				t.Errorf("waf %s: there are %s %v, want %v", waf, kind, got, want)
			}
		}
		if attached := len(made.of("aws:wafv2/webAclAssociation:WebAclAssociation")); attached != map[platform.WAF]int{platform.WAFAll: 1}[waf] {
			t.Errorf("waf %s: %d firewalls are in front of the balancer", waf, attached)
		}
	}
}

func TestFirewallsBlockWhatIsKnownToBeBad(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for name, scope := range map[string]string{"trivet-edge-balancer": "REGIONAL", "trivet-edge-cdn": "CLOUDFRONT"} {
		wall := made.the(t, firewall, name)
		wall.want(t, map[string]any{
			"scope": scope, "rules[0].statement.rateBasedStatement.limit": 100_000, "rules[0].action.block": map[string]any{},
			"rules[1].statement.managedRuleGroupStatement.name": "AWSManagedRulesAmazonIpReputationList",
			"rules[2].statement.managedRuleGroupStatement.name": "AWSManagedRulesKnownBadInputsRuleSet",
			"rules[3].statement.managedRuleGroupStatement.name": "AWSManagedRulesCommonRuleSet",
			"rules[2].overrideAction.none":                      map[string]any{}, "rules[2].overrideAction.count": nil,
		})
		if global := strings.Contains(wall.provider, "::trivet-aws-global::"); global != (scope == "CLOUDFRONT") {
			t.Errorf("%s is made by %s", wall.urn(), wall.provider)
		}
	}
	// The log keeps what was refused, without the tokens.
	made.the(t, "aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration", "trivet-edge-balancer").want(t, map[string]any{
		"logDestinationConfigs":               []string{"arn:aws:aws:cloudwatch/logGroup:LogGroup:trivet-edge-balancer-firewall"},
		"redactedFields[0].singleHeader.name": "authorization", "loggingFilter.defaultBehavior": "DROP",
		"loggingFilter.filters[0].conditions[0].actionCondition.action": "BLOCK",
	})
	made.the(t, logGroupType, "trivet-edge-balancer-firewall").want(t, map[string]any{"name": "aws-waf-logs-trivet-prod-aws-balancer"})
}

// TestValuesAreNotJudged: what clients of the API store may look like an attack
// on something else.
func TestValuesAreNotJudged(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	counted := func(wall registered, group int) (all []string) {
		for i := range 40 {
			at := fmt.Sprintf("rules[%d].statement.managedRuleGroupStatement.ruleActionOverrides[%d]", group, i)
			if name, ok := wall.input(at + ".name").(string); ok && fmt.Sprint(wall.input(at+".actionToUse.count")) == "map[]" {
				all = append(all, name)
			}
		}
		return all
	}
	balancer := made.the(t, firewall, "trivet-edge-balancer")
	for group, rules := range map[int][]string{2: {"Log4JRCE_BODY"}, 3: {"SizeRestrictions_BODY", "GenericLFI_URIPATH", "CrossSiteScripting_BODY"}} {
		for _, rule := range rules {
			if got := counted(balancer, group); !slices.Contains(got, rule) {
				t.Errorf("%s refuses what clients store; counted are %v", rule, got)
			}
		}
	}
	for _, rule := range counted(balancer, 2) {
		if strings.HasSuffix(rule, "_HEADER") || strings.HasSuffix(rule, "_QUERYSTRING") {
			t.Errorf("%s is about what servers interpret, and only counts", rule)
		}
	}
	if got := counted(made.the(t, firewall, "trivet-edge-cdn"), 3); len(got) > 0 {
		t.Errorf("nothing is stored through the CDN, and %v only count", got)
	}
}

// TestTheRateRuleSparesTheCDN: to the balancer, all clients of the CDN have its
// addresses.
func TestTheRateRuleSparesTheCDN(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	const scope = "rules[0].statement.rateBasedStatement.scopeDownStatement"
	made.the(t, firewall, "trivet-edge-balancer").want(t, map[string]any{
		scope + ".byteMatchStatement.searchString": "api.kv.example.com", scope + ".byteMatchStatement.positionalConstraint": "EXACTLY",
	})
	made.the(t, firewall, "trivet-edge-cdn").want(t, map[string]any{scope: nil})
}

func TestClientsCanBeLimitedToNetworks(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	spec.Edge.AllowCIDRs = []string{"203.0.113.0/24", "198.51.100.0/24"}
	made := deploy(t, spec)
	var sources []string
	for _, r := range made.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
		if strings.HasPrefix(r.name, "trivet-edge-balancer-") {
			sources = append(sources, fmt.Sprint(r.input("cidrIpv4"), ":", r.input("fromPort")))
		}
	}
	slices.Sort(sources)
	if !slices.Equal(sources, []string{"198.51.100.0/24:443", "198.51.100.0/24:80", "203.0.113.0/24:443", "203.0.113.0/24:80"}) {
		t.Errorf("the balancer takes requests from %v", sources)
	}
}

// TestOthersAreKeptFromTheCDNToo: a security group cannot, as the CDN is not
// within the network.
func TestOthersAreKeptFromTheCDNToo(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	spec.Edge.AllowCIDRs = []string{"203.0.113.0/24"}
	made := deploy(t, spec)
	made.the(t, "aws:wafv2/ipSet:IpSet", "trivet-edge-cdn-allowed").want(t, map[string]any{"scope": "CLOUDFRONT", "addresses": []string{"203.0.113.0/24"}})
	made.the(t, firewall, "trivet-edge-cdn").want(t, map[string]any{
		"rules[4].action.block": map[string]any{},
		"rules[4].statement.notStatement.statements[0].ipSetReferenceStatement.arn": "arn:aws:aws:wafv2/ipSet:IpSet:trivet-edge-cdn-allowed",
	})
	made.the(t, cdn, "trivet-edge-cdn").want(t, map[string]any{"isIpv6Enabled": false})
	made.the(t, firewall, "trivet-edge-balancer").want(t, map[string]any{"rules[4]": nil}) // its security group does it

	spec.Edge.WAF = platform.WAFOff
	if err := run(spec, &account{}, false, provision).err; err == nil || !strings.Contains(err.Error(), "edge.allowCIDRs") {
		t.Errorf("a CDN open to everybody, where it should not be: %v", err)
	}
	spec.Edge.CDN = false
	deploy(t, spec)
}

func TestAccessLogsAreTakenFromAWSAlone(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	var writers []string
	for _, statement := range made.the(t, "aws:s3/bucketPolicy:BucketPolicy", "trivet-edge-logs").policy(t, "policy") {
		if statement.Effect == allow {
			writers = append(writers, statement.Principal["Service"]...)
		}
	}
	if !slices.Equal(writers, []string{"logdelivery.elasticloadbalancing.amazonaws.com"}) {
		t.Errorf("%v may write", writers)
	}
	// The balancer writes with S3's own key alone, the CDN with an access list.
	made.the(t, "aws:s3/bucketOwnershipControls:BucketOwnershipControls", "trivet-edge-logs").want(t, map[string]any{"rule.objectOwnership": "BucketOwnerPreferred"})
	deploy(t, devSpec()).the(t, "aws:s3/bucketOwnershipControls:BucketOwnershipControls", "trivet-edge-logs").want(t, map[string]any{
		"rule.objectOwnership": "BucketOwnerEnforced",
	})
}
