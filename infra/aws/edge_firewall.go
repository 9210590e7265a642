package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/wafv2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// firewallLogPrefix is how the name of a log group has to begin that a firewall
// writes to.
const firewallLogPrefix = "aws-waf-logs-"

// opaque are the rules, by managed group, that look into what clients of the
// API store. Keys are any bytes and values are too, up to 8 MiB: nothing
// interprets them, so that a stored script is no attack, and a refusal would be
// an error that its owner cannot explain. They are counted.
var opaque = map[string][]string{
	"AWSManagedRulesCommonRuleSet": {
		"SizeRestrictions_BODY", "SizeRestrictions_URIPATH", "EC2MetaDataSSRF_BODY", "EC2MetaDataSSRF_URIPATH",
		"GenericLFI_BODY", "GenericLFI_URIPATH", "GenericRFI_BODY", "GenericRFI_URIPATH", "RestrictedExtensions_URIPATH",
		"CrossSiteScripting_BODY", "CrossSiteScripting_URIPATH", "NoUserAgent_HEADER",
		// A list asks for a prefix of keys.
		"CrossSiteScripting_QUERYARGUMENTS", "EC2MetaDataSSRF_QUERYARGUMENTS", "GenericLFI_QUERYARGUMENTS",
		"GenericRFI_QUERYARGUMENTS", "RestrictedExtensions_QUERYARGUMENTS",
	},
	"AWSManagedRulesKnownBadInputsRuleSet": {
		"Log4JRCE_BODY", "Log4JRCE_URIPATH", "JavaDeserializationRCE_BODY", "JavaDeserializationRCE_URIPATH",
		"ExploitablePaths_URIPATH", "ReactJSRCE_BODY",
	},
}

// firewallArgs are what differs between the balancer's firewall and the CDN's.
type firewallArgs struct {
	Spec     platform.Spec
	Scope    string // REGIONAL or CLOUDFRONT
	Provider *aws.Provider
	Logs     *cloudwatch.LogGroup
	Counted  map[string][]string // rules by managed group that count and let through
	RateHost string              // whose requests the rate rule counts; empty for all
	Allowed  []string            // networks that requests may come from; none for all
}

// addBalancerFirewall guards the balancer, where the spec wants it.
func (e *Edge) addBalancerFirewall(ctx *pulumi.Context, name string, args EdgeArgs, b *balancer) error {
	if args.Spec.Edge.WAF != platform.WAFAll {
		return nil
	}
	name = edgeName(name, "balancer")
	logs, err := cloudwatch.NewLogGroup(ctx, edgeName(name, "firewall"), &cloudwatch.LogGroupArgs{
		Name:            pulumi.String(firewallLogPrefix + physicalName(args.Spec) + "-balancer"),
		RetentionInDays: pulumi.Int(args.Spec.Observability.LogDays),
		KmsKeyId:        args.Keys.Logs.Arn,
	}, pulumi.Parent(e))
	if err != nil {
		return fmt.Errorf("log group of the balancer's firewall: %w", err)
	}
	firewall, err := e.addFirewall(ctx, name, firewallArgs{
		Spec: args.Spec, Scope: "REGIONAL", Provider: args.Providers.Home, Logs: logs, Counted: opaque,
		// Behind the CDN's addresses are all its clients; its own firewall counts those.
		RateHost: e.Endpoint.APIHost,
	})
	if err != nil {
		return err
	}
	e.BalancerFirewallName = firewall.VisibilityConfig.MetricName()
	if _, err := wafv2.NewWebAclAssociation(ctx, name, &wafv2.WebAclAssociationArgs{
		ResourceArn: b.Arn,
		WebAclArn:   firewall.Arn,
	}, pulumi.Parent(e)); err != nil {
		return fmt.Errorf("firewall in front of the balancer: %w", err)
	}
	return nil
}

// addFirewall makes a firewall that logs what it refuses. What it lets through
// is in the access logs already, and every record is charged for.
func (e *Edge) addFirewall(ctx *pulumi.Context, name string, args firewallArgs) (*wafv2.WebAcl, error) {
	rules := wafv2.WebAclRuleArray{rateRule(args.Spec.Edge.RateLimit, args.RateHost)}
	for i, group := range []string{
		"AWSManagedRulesAmazonIpReputationList",
		"AWSManagedRulesKnownBadInputsRuleSet", // CKV_AWS_192
		"AWSManagedRulesCommonRuleSet",
	} {
		rules = append(rules, managedRules(group, i+1, args.Counted[group]))
	}
	if len(args.Allowed) > 0 {
		others, err := e.addOthersRule(ctx, name, args)
		if err != nil {
			return nil, err
		}
		rules = append(rules, others)
	}
	firewall, err := wafv2.NewWebAcl(ctx, name, &wafv2.WebAclArgs{
		Scope:         pulumi.String(args.Scope),
		Description:   pulumi.String("In front of " + physicalName(args.Spec)),
		DefaultAction: &wafv2.WebAclDefaultActionArgs{Allow: &wafv2.WebAclDefaultActionAllowArgs{}},
		Rules:         rules,
		VisibilityConfig: &wafv2.WebAclVisibilityConfigArgs{
			MetricName:               pulumi.String(name),
			CloudwatchMetricsEnabled: pulumi.Bool(true),
			SampledRequestsEnabled:   pulumi.Bool(true),
		},
	}, pulumi.Parent(e), pulumi.Provider(args.Provider))
	if err != nil {
		return nil, fmt.Errorf("firewall %s: %w", name, err)
	}
	if _, err := wafv2.NewWebAclLoggingConfiguration(ctx, name, &wafv2.WebAclLoggingConfigurationArgs{ // CKV2_AWS_31
		ResourceArn:           firewall.Arn,
		LogDestinationConfigs: pulumi.StringArray{args.Logs.Arn},
		RedactedFields:        redacted("authorization", "cookie"),
		LoggingFilter: &wafv2.WebAclLoggingConfigurationLoggingFilterArgs{
			DefaultBehavior: pulumi.String("DROP"),
			Filters: wafv2.WebAclLoggingConfigurationLoggingFilterFilterArray{
				&wafv2.WebAclLoggingConfigurationLoggingFilterFilterArgs{
					Behavior:    pulumi.String("KEEP"),
					Requirement: pulumi.String("MEETS_ANY"),
					Conditions: wafv2.WebAclLoggingConfigurationLoggingFilterFilterConditionArray{
						&wafv2.WebAclLoggingConfigurationLoggingFilterFilterConditionArgs{
							ActionCondition: &wafv2.WebAclLoggingConfigurationLoggingFilterFilterConditionActionConditionArgs{
								Action: pulumi.String("BLOCK"),
							},
						},
					},
				},
			},
		},
	}, pulumi.Parent(e), pulumi.Provider(args.Provider)); err != nil {
		return nil, fmt.Errorf("log of firewall %s: %w", name, err)
	}
	return firewall, nil
}

// redacted keeps headers that carry credentials out of the log.
func redacted(headers ...string) wafv2.WebAclLoggingConfigurationRedactedFieldArray {
	var fields wafv2.WebAclLoggingConfigurationRedactedFieldArray
	for _, header := range headers {
		fields = append(fields, &wafv2.WebAclLoggingConfigurationRedactedFieldArgs{
			SingleHeader: &wafv2.WebAclLoggingConfigurationRedactedFieldSingleHeaderArgs{Name: pulumi.String(header)},
		})
	}
	return fields
}

// managedRules is a group of rules that AWS keeps up to date.
func managedRules(group string, priority int, counted []string) wafv2.WebAclRuleArgs {
	var overrides wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArray
	for _, rule := range counted {
		overrides = append(overrides, &wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideArgs{
			Name: pulumi.String(rule),
			ActionToUse: &wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseArgs{
				Count: &wafv2.WebAclRuleStatementManagedRuleGroupStatementRuleActionOverrideActionToUseCountArgs{},
			},
		})
	}
	return wafv2.WebAclRuleArgs{
		Name:           pulumi.String(group),
		Priority:       pulumi.Int(priority),
		OverrideAction: &wafv2.WebAclRuleOverrideActionArgs{None: &wafv2.WebAclRuleOverrideActionNoneArgs{}},
		Statement: &wafv2.WebAclRuleStatementArgs{
			ManagedRuleGroupStatement: &wafv2.WebAclRuleStatementManagedRuleGroupStatementArgs{
				VendorName:          pulumi.String("AWS"),
				Name:                pulumi.String(group),
				RuleActionOverrides: overrides,
			},
		},
		VisibilityConfig: seen(group),
	}
}

// rateRule refuses an address that asks too often within five minutes.
func rateRule(limit int, host string) wafv2.WebAclRuleArgs {
	rate := &wafv2.WebAclRuleStatementRateBasedStatementArgs{
		AggregateKeyType: pulumi.String("IP"),
		Limit:            pulumi.Int(limit),
	}
	if host != "" {
		rate.ScopeDownStatement = requestsFor(host)
	}
	return wafv2.WebAclRuleArgs{
		Name:             pulumi.String("rate"),
		Priority:         pulumi.Int(0), // first: what is refused here is not looked at any further
		Action:           &wafv2.WebAclRuleActionArgs{Block: &wafv2.WebAclRuleActionBlockArgs{}},
		Statement:        &wafv2.WebAclRuleStatementArgs{RateBasedStatement: rate},
		VisibilityConfig: seen("rate"),
	}
}

// addOthersRule refuses requests from elsewhere than the networks that are
// allowed.
func (e *Edge) addOthersRule(ctx *pulumi.Context, name string, args firewallArgs) (wafv2.WebAclRuleArgs, error) {
	allowed, err := wafv2.NewIpSet(ctx, edgeName(name, "allowed"), &wafv2.IpSetArgs{
		Scope:            pulumi.String(args.Scope),
		IpAddressVersion: pulumi.String("IPV4"),
		Addresses:        pulumi.ToStringArray(args.Allowed),
	}, pulumi.Parent(e), pulumi.Provider(args.Provider))
	if err != nil {
		return wafv2.WebAclRuleArgs{}, fmt.Errorf("networks that may ask %s: %w", name, err)
	}
	return wafv2.WebAclRuleArgs{
		Name:     pulumi.String("others"),
		Priority: pulumi.Int(10),
		Action:   &wafv2.WebAclRuleActionArgs{Block: &wafv2.WebAclRuleActionBlockArgs{}},
		Statement: &wafv2.WebAclRuleStatementArgs{NotStatement: &wafv2.WebAclRuleStatementNotStatementArgs{
			Statements: wafv2.WebAclRuleStatementArray{&wafv2.WebAclRuleStatementArgs{
				IpSetReferenceStatement: &wafv2.WebAclRuleStatementIpSetReferenceStatementArgs{Arn: allowed.Arn},
			}},
		}},
		VisibilityConfig: seen("others"),
	}, nil
}

// requestsFor is met by requests for a name.
func requestsFor(host string) *wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementArgs {
	return &wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementArgs{
		ByteMatchStatement: &wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementByteMatchStatementArgs{
			FieldToMatch: &wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementByteMatchStatementFieldToMatchArgs{
				SingleHeader: &wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementByteMatchStatementFieldToMatchSingleHeaderArgs{
					Name: pulumi.String("host"),
				},
			},
			PositionalConstraint: pulumi.String("EXACTLY"),
			SearchString:         pulumi.String(host),
			TextTransformations: wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementByteMatchStatementTextTransformationArray{
				&wafv2.WebAclRuleStatementRateBasedStatementScopeDownStatementByteMatchStatementTextTransformationArgs{
					Priority: pulumi.Int(0),
					Type:     pulumi.String("LOWERCASE"),
				},
			},
		},
	}
}

// seen lets a rule have metrics and examples under its own name.
func seen(rule string) *wafv2.WebAclRuleVisibilityConfigArgs {
	return &wafv2.WebAclRuleVisibilityConfigArgs{
		MetricName:               pulumi.String(rule),
		CloudwatchMetricsEnabled: pulumi.Bool(true),
		SampledRequestsEnabled:   pulumi.Bool(true),
	}
}
