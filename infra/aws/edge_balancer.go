package aws

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/autoscaling"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/lb"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// originPort is where the balancer expects the CDN, and nobody else. Its own
// port lets its own security group guard it.
const originPort = 8443

// tlsPolicy is TLS 1.3, and 1.2 with ciphers that keep what was said secret
// even when the key is lost.
const tlsPolicy = "ELBSecurityPolicy-TLS13-1-2-2021-06"

// originHeader carries the secret by which the balancer knows this stack's CDN
// from those of others, who have the same addresses.
const originHeader = "X-Trivet-Origin"

// balancer is the load balancer and what the CDN and firewalls need of it.
type balancer struct {
	*lb.LoadBalancer
	originSecret pulumi.StringOutput // the zero value without a CDN
}

// address is what names stand for that lead to the balancer.
func (b *balancer) address() aliasTarget {
	return aliasTarget{name: b.DnsName, zoneID: b.ZoneId}
}

// addBalancer makes the balancer, the way from it to the pods, and its firewall.
func (e *Edge) addBalancer(ctx *pulumi.Context, name string, args EdgeArgs, certificates certificates, logs bucket) (*balancer, error) {
	groups, err := e.addBalancerGroups(ctx, name, args)
	if err != nil {
		return nil, err
	}
	made, err := lb.NewLoadBalancer(ctx, name, &lb.LoadBalancerArgs{
		LoadBalancerType:         pulumi.String("application"),
		Internal:                 pulumi.Bool(false),
		Subnets:                  args.Network.PublicSubnetIDs,
		SecurityGroups:           groups,
		DropInvalidHeaderFields:  pulumi.Bool(true), // CKV_AWS_131
		DesyncMitigationMode:     pulumi.String("defensive"),
		EnableDeletionProtection: pulumi.Bool(args.Spec.Production()), // CKV_AWS_150
		EnableHttp2:              pulumi.Bool(true),
		EnableZonalShift:         pulumi.Bool(args.Network.Spread > 1),
		IdleTimeout:              pulumi.Int(60), // event streams send a heartbeat every 15 seconds
		AccessLogs: &lb.LoadBalancerAccessLogsArgs{ // CKV_AWS_91
			Enabled: pulumi.Bool(true),
			Bucket:  logs.Bucket,
			Prefix:  pulumi.String(balancerLogs),
		},
		Tags: named(physicalName(args.Spec)),
	}, pulumi.Parent(e),
		// AWS writes a test file before it makes a balancer, and makes none in a subnet without a way in.
		pulumi.DependsOn(slices.Concat(logs.ready, args.Network.Routes)))
	if err != nil {
		return nil, fmt.Errorf("balancer: %w", err)
	}
	e.BalancerSuffix = made.ArnSuffix
	b := &balancer{LoadBalancer: made}

	api, err := e.addTargets(ctx, edgeName(name, "api"), apiNodePort, args)
	if err != nil {
		return nil, err
	}
	static, err := e.addTargets(ctx, edgeName(name, "static"), staticNodePort, args)
	if err != nil {
		return nil, err
	}
	e.APITargetsSuffix, e.StaticTargetsSuffix = api.ArnSuffix, static.ArnSuffix

	if err := e.addRedirect(ctx, edgeName(name, "http"), b); err != nil {
		return nil, err
	}
	public, err := e.addListener(ctx, edgeName(name, "https"), b, 443, certificates.balancer)
	if err != nil {
		return nil, err
	}
	if err := e.addForward(ctx, edgeName(name, "api"), public, api, 10, hosts(e.Endpoint.APIHost)); err != nil {
		return nil, err
	}
	if args.Spec.Edge.CDN {
		err = e.addOrigin(ctx, name, b, certificates, static)
	} else {
		err = e.addForward(ctx, edgeName(name, "static"), public, static, 20, hosts(e.staticHosts()...))
	}
	if err != nil {
		return nil, err
	}
	return b, e.addBalancerFirewall(ctx, name, args, b)
}

// addTargets makes a group of targets: a port of every node of the cluster,
// behind which Kubernetes knows the pods. Nodes come and go with the groups that
// scale them, so that nothing has to watch the cluster and tell the balancer.
func (e *Edge) addTargets(ctx *pulumi.Context, name string, port int, args EdgeArgs) (*lb.TargetGroup, error) {
	targets, err := lb.NewTargetGroup(ctx, name, &lb.TargetGroupArgs{
		VpcId:      args.Network.VPCID,
		TargetType: pulumi.String("instance"),
		Port:       pulumi.Int(port),
		Protocol:   pulumi.String("HTTPS"), // what the balancer has decrypted is encrypted again, to the pod
		// What is under way on a node that leaves may take as long as the longest request.
		DeregistrationDelay: pulumi.Int(60),
		HealthCheck: &lb.TargetGroupHealthCheckArgs{
			Protocol:           pulumi.String("HTTPS"),
			Path:               pulumi.String("/ready"),
			Matcher:            pulumi.String("200"),
			Interval:           pulumi.Int(10),
			Timeout:            pulumi.Int(5),
			HealthyThreshold:   pulumi.Int(2),
			UnhealthyThreshold: pulumi.Int(3), // one pod that is draining does not take its node out
		},
	}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("targets %s: %w", name, err)
	}
	for i, group := range args.Cluster.NodeGroupASGNames {
		if _, err := autoscaling.NewAttachment(ctx, fmt.Sprintf("%s-%d", name, i+1), &autoscaling.AttachmentArgs{
			AutoscalingGroupName: group,
			LbTargetGroupArn:     targets.Arn,
		}, pulumi.Parent(e)); err != nil {
			return nil, fmt.Errorf("nodes as targets %s: %w", name, err)
		}
	}
	return targets, nil
}

// addRedirect sends whoever comes without TLS to where there is.
func (e *Edge) addRedirect(ctx *pulumi.Context, name string, b *balancer) error {
	_, err := lb.NewListener(ctx, name, &lb.ListenerArgs{
		LoadBalancerArn: b.Arn,
		Port:            pulumi.Int(80),
		Protocol:        pulumi.String("HTTP"),
		DefaultActions: lb.ListenerDefaultActionArray{&lb.ListenerDefaultActionArgs{ // CKV2_AWS_20
			Type: pulumi.String("redirect"),
			Redirect: &lb.ListenerDefaultActionRedirectArgs{
				Protocol:   pulumi.String("HTTPS"),
				Port:       pulumi.String("443"),
				StatusCode: pulumi.String("HTTP_301"),
			},
		}},
	}, pulumi.Parent(e))
	if err != nil {
		return fmt.Errorf("redirect to TLS: %w", err)
	}
	return nil
}

// addListener makes a port with TLS where nobody gets any further until a rule
// says so.
func (e *Edge) addListener(ctx *pulumi.Context, name string, b *balancer, port int, certificate pulumi.StringInput) (*lb.Listener, error) {
	listener, err := lb.NewListener(ctx, name, &lb.ListenerArgs{
		LoadBalancerArn: b.Arn,
		Port:            pulumi.Int(port),
		Protocol:        pulumi.String("HTTPS"),
		SslPolicy:       pulumi.String(tlsPolicy), // CKV_AWS_103
		CertificateArn:  certificate,
		DefaultActions: lb.ListenerDefaultActionArray{&lb.ListenerDefaultActionArgs{
			Type: pulumi.String("fixed-response"),
			FixedResponse: &lb.ListenerDefaultActionFixedResponseArgs{
				ContentType: pulumi.String("text/plain"),
				MessageBody: pulumi.String("There is nothing by this name."),
				StatusCode:  pulumi.String("404"),
			},
		}},
	}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("port %s: %w", strconv.Itoa(port), err)
	}
	return listener, nil
}

// addOrigin makes the port of the CDN. Its security group lets in every CDN of
// AWS, of whomever; the rule asks for the secret that this one alone sends.
func (e *Edge) addOrigin(ctx *pulumi.Context, name string, b *balancer, certificates certificates, static *lb.TargetGroup) error {
	secret, err := random.NewRandomPassword(ctx, edgeName(name, "origin"), &random.RandomPasswordArgs{
		Length:  pulumi.Int(48),
		Special: pulumi.Bool(false), // in a condition of a rule, * and ? would stand for others
	}, pulumi.Parent(e))
	if err != nil {
		return fmt.Errorf("secret of the origin: %w", err)
	}
	b.originSecret = pulumi.ToSecret(secret.Result).(pulumi.StringOutput)
	listener, err := e.addListener(ctx, edgeName(name, "origin"), b, originPort, certificates.balancer)
	if err != nil {
		return err
	}
	return e.addForward(ctx, edgeName(name, "static"), listener, static, 10, hosts(e.staticHosts()...), &lb.ListenerRuleConditionArgs{
		HttpHeader: &lb.ListenerRuleConditionHttpHeaderArgs{
			HttpHeaderName: pulumi.String(originHeader),
			Values:         pulumi.StringArray{b.originSecret},
		},
	})
}

// addForward lets requests that meet all conditions through to targets.
func (e *Edge) addForward(ctx *pulumi.Context, name string, listener *lb.Listener, to *lb.TargetGroup, priority int, conditions ...lb.ListenerRuleConditionInput) error {
	if _, err := lb.NewListenerRule(ctx, name, &lb.ListenerRuleArgs{
		ListenerArn: listener.Arn,
		Priority:    pulumi.Int(priority),
		Conditions:  lb.ListenerRuleConditionArray(conditions),
		Actions: lb.ListenerRuleActionArray{&lb.ListenerRuleActionArgs{
			Type:           pulumi.String("forward"),
			TargetGroupArn: to.Arn,
		}},
	}, pulumi.Parent(e)); err != nil {
		return fmt.Errorf("rule %s: %w", name, err)
	}
	return nil
}

// hosts is met by requests for any of the names.
func hosts(names ...string) lb.ListenerRuleConditionInput {
	return &lb.ListenerRuleConditionArgs{HostHeader: &lb.ListenerRuleConditionHostHeaderArgs{Values: pulumi.ToStringArray(names)}}
}
