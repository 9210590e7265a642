package aws

import (
	"errors"
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudfront"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/wafv2"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Policies of CloudFront that AWS keeps for everybody, by their fixed ids.
const (
	cachingDisabled = "4135ea2d-6df8-44a3-9df3-4b5a84be39ad"
	allOfTheViewer  = "216adef6-5c7f-47e4-b989-5492eafa07d3" // the origin gets host, headers, cookies and query as they came
	securityHeaders = "67f7725c-6f97-4210-82d7-5512b31e9d03" // HSTS, no sniffing, no framing
)

// staticPaths are what changes with a release alone.
var staticPaths = []string{"/assets/*", "/console/assets/*", "/docs", "/docs/*", "/openapi.json"}

const balancerOrigin = "balancer"

// addCDN makes the CDN in front of console, docs and status, and its names.
func (e *Edge) addCDN(ctx *pulumi.Context, name string, args EdgeArgs, certificates certificates, logs bucket, b *balancer) error {
	if err := e.addRecords(ctx, name, args, b.address(), originHost(args.Spec)); err != nil {
		return err
	}
	cdnName := edgeName(name, "cdn")
	cache, err := e.addCachePolicy(ctx, cdnName, args.Spec)
	if err != nil {
		return err
	}
	inputs := &cloudfront.DistributionArgs{
		Comment:       pulumi.String("Console, docs and status of " + physicalName(args.Spec)),
		Enabled:       pulumi.Bool(true),
		Aliases:       pulumi.ToStringArray(e.staticHosts()),
		HttpVersion:   pulumi.String("http2and3"),
		IsIpv6Enabled: pulumi.Bool(cdnSpeaksIPv6(args.Spec)),
		PriceClass:    pulumi.String("PriceClass_100"), // people who run the store, not all the world
		ViewerCertificate: &cloudfront.DistributionViewerCertificateArgs{
			AcmCertificateArn:      certificates.cdn,
			MinimumProtocolVersion: pulumi.String("TLSv1.2_2021"), // CKV_AWS_174
			SslSupportMethod:       pulumi.String("sni-only"),
		},
		Origins: cloudfront.DistributionOriginArray{&cloudfront.DistributionOriginArgs{
			OriginId:   pulumi.String(balancerOrigin),
			DomainName: pulumi.String(originHost(args.Spec)),
			CustomOriginConfig: &cloudfront.DistributionOriginCustomOriginConfigArgs{
				HttpPort:             pulumi.Int(80),
				HttpsPort:            pulumi.Int(originPort),
				OriginProtocolPolicy: pulumi.String("https-only"), // CKV2_AWS_72
				OriginSslProtocols:   pulumi.ToStringArray([]string{"TLSv1.2"}),
			},
			CustomHeaders: cloudfront.DistributionOriginCustomHeaderArray{&cloudfront.DistributionOriginCustomHeaderArgs{
				Name:  pulumi.String(originHeader),
				Value: b.originSecret,
			}},
		}},
		DefaultCacheBehavior: &cloudfront.DistributionDefaultCacheBehaviorArgs{
			TargetOriginId:          pulumi.String(balancerOrigin),
			ViewerProtocolPolicy:    pulumi.String("redirect-to-https"), // CKV_AWS_34
			AllowedMethods:          pulumi.ToStringArray([]string{"GET", "HEAD", "OPTIONS", "PUT", "POST", "PATCH", "DELETE"}),
			CachedMethods:           pulumi.ToStringArray([]string{"GET", "HEAD"}),
			CachePolicyId:           pulumi.String(cachingDisabled),
			OriginRequestPolicyId:   pulumi.String(allOfTheViewer),
			ResponseHeadersPolicyId: pulumi.String(securityHeaders), // CKV2_AWS_32
			Compress:                pulumi.Bool(true),
		},
		OrderedCacheBehaviors: cachedPaths(cache),
		Restrictions: &cloudfront.DistributionRestrictionsArgs{
			GeoRestriction: &cloudfront.DistributionRestrictionsGeoRestrictionArgs{RestrictionType: pulumi.String("none")},
		},
		LoggingConfig: &cloudfront.DistributionLoggingConfigArgs{ // CKV_AWS_86
			Bucket:         logs.BucketDomainName,
			Prefix:         pulumi.String(cdnLogs + "/"),
			IncludeCookies: pulumi.Bool(false),
		},
		Tags: named(physicalName(args.Spec)),
	}
	firewall, err := e.addCDNFirewall(ctx, cdnName, args)
	if err != nil {
		return err
	}
	if firewall != nil {
		inputs.WebAclId = firewall.Arn // CKV_AWS_68
	}
	distribution, err := cloudfront.NewDistribution(ctx, cdnName, inputs, pulumi.Parent(e), pulumi.DependsOn(logs.ready))
	if err != nil {
		return fmt.Errorf("CDN: %w", err)
	}
	e.DistributionID = distribution.ID().ToStringOutput()
	address := aliasTarget{name: distribution.DomainName, zoneID: distribution.HostedZoneId, ipv6: cdnSpeaksIPv6(args.Spec)}
	return e.addRecords(ctx, name, args, address, e.staticHosts()...)
}

// addCachePolicy makes the policy of static paths: the origin says for how long,
// and five minutes where it says nothing. Names are kept apart, as one path is
// another page on each; cookies and queries change nothing there.
func (e *Edge) addCachePolicy(ctx *pulumi.Context, name string, spec platform.Spec) (*cloudfront.CachePolicy, error) {
	cache, err := cloudfront.NewCachePolicy(ctx, name, &cloudfront.CachePolicyArgs{
		Comment:    pulumi.String("Static paths of " + physicalName(spec)),
		MinTtl:     pulumi.Int(0),
		DefaultTtl: pulumi.Int(300),
		MaxTtl:     pulumi.Int(31_536_000),
		ParametersInCacheKeyAndForwardedToOrigin: &cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginArgs{
			EnableAcceptEncodingBrotli: pulumi.Bool(true),
			EnableAcceptEncodingGzip:   pulumi.Bool(true),
			CookiesConfig: &cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginCookiesConfigArgs{
				CookieBehavior: pulumi.String("none"),
			},
			QueryStringsConfig: &cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginQueryStringsConfigArgs{
				QueryStringBehavior: pulumi.String("none"),
			},
			HeadersConfig: &cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfigArgs{
				HeaderBehavior: pulumi.String("whitelist"),
				Headers: &cloudfront.CachePolicyParametersInCacheKeyAndForwardedToOriginHeadersConfigHeadersArgs{
					Items: pulumi.ToStringArray([]string{"Host"}),
				},
			},
		},
	}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("cache policy of the CDN: %w", err)
	}
	return cache, nil
}

// cachedPaths are the behaviours of static paths.
func cachedPaths(cache *cloudfront.CachePolicy) cloudfront.DistributionOrderedCacheBehaviorArray {
	var behaviors cloudfront.DistributionOrderedCacheBehaviorArray
	for _, path := range staticPaths {
		behaviors = append(behaviors, &cloudfront.DistributionOrderedCacheBehaviorArgs{
			PathPattern:             pulumi.String(path),
			TargetOriginId:          pulumi.String(balancerOrigin),
			ViewerProtocolPolicy:    pulumi.String("redirect-to-https"),
			AllowedMethods:          pulumi.ToStringArray([]string{"GET", "HEAD"}),
			CachedMethods:           pulumi.ToStringArray([]string{"GET", "HEAD"}),
			CachePolicyId:           cache.ID(),
			ResponseHeadersPolicyId: pulumi.String(securityHeaders),
			Compress:                pulumi.Bool(true),
		})
	}
	return behaviors
}

// cdnSpeaksIPv6 tells whether the CDN has addresses of the sixth version. Not
// where only some networks may ask: those are of the fourth, and one of their
// machines that came by the sixth would be taken for somebody else.
func cdnSpeaksIPv6(spec platform.Spec) bool { return len(spec.Edge.AllowCIDRs) == 0 }

// checkCDN refuses a CDN that everybody could reach although only some may:
// nothing but a firewall can keep anybody from it.
func checkCDN(edge platform.Edge) error {
	if edge.WAF == platform.WAFOff && len(edge.AllowCIDRs) > 0 {
		return errors.New("edge.allowCIDRs: nothing would keep others from the CDN: set waf to edge or all, or edge.cdn to false")
	}
	return nil
}

// addCDNFirewall guards the CDN, where the spec wants it; else it gives none.
func (e *Edge) addCDNFirewall(ctx *pulumi.Context, name string, args EdgeArgs) (*wafv2.WebAcl, error) {
	if args.Spec.Edge.WAF == platform.WAFOff {
		return nil, checkCDN(args.Spec.Edge)
	}
	logs, err := e.globalLogGroup(ctx, edgeName(name, "firewall"), firewallLogPrefix+physicalName(args.Spec)+"-cdn", args)
	if err != nil {
		return nil, err
	}
	firewall, err := e.addFirewall(ctx, name, firewallArgs{
		Spec: args.Spec, Scope: "CLOUDFRONT", Provider: args.Providers.Global, Logs: logs,
		Allowed: args.Spec.Edge.AllowCIDRs,
	})
	if err != nil {
		return nil, err
	}
	e.CDNFirewallName = firewall.VisibilityConfig.MetricName()
	return firewall, nil
}
