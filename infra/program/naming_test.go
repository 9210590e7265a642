package program

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/workspace"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/aws"
	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// nameLimits are how many characters AWS takes, of the types that Pulumi makes
// names for and that take less than a hundred.
var nameLimits = map[string]int{
	"aws:lb/loadBalancer:LoadBalancer":                  32,
	"aws:lb/targetGroup:TargetGroup":                    32,
	"aws:elasticache/replicationGroup:ReplicationGroup": 40,
	"aws:mq/broker:Broker":                              50,
	"aws:backup/vault:Vault":                            50,
	"aws:rds/clusterInstance:ClusterInstance":           63,
	"aws:eks/nodeGroup:NodeGroup":                       63,
	"aws:s3/bucketV2:BucketV2":                          63,
	"aws:iam/role:Role":                                 64,
}

// onAWS answers what the program asks AWS, and names what it registers there.
type onAWS struct {
	engine
	answers map[string]map[string]any // by token
}

// Call implements pulumi.MockResourceMonitor.
func (o *onAWS) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	answer, ok := o.answers[args.Token]
	if !ok {
		return nil, fmt.Errorf("unexpected question %s", args.Token)
	}
	return resource.NewPropertyMapFromMap(answer), nil
}

var account = map[string]map[string]any{
	"aws:index/getCallerIdentity:getCallerIdentity":       {"accountId": "111122223333", "arn": "arn:aws:sts::111122223333:assumed-role/deployer/ci"},
	"aws:index/getPartition:getPartition":                 {"partition": "aws", "dnsSuffix": "amazonaws.com"},
	"aws:index/getAvailabilityZones:getAvailabilityZones": {"names": []any{"us-east-1a", "us-east-1b", "us-east-1c"}},
	"aws:ec2/getManagedPrefixList:getManagedPrefixList":   {"id": "pl-cdn"},
	"aws:route53/getZone:getZone":                         {"name": "kv.example.com.", "privateZone": false, "nameServers": []any{"ns-1.example.net"}},
	"aws:servicequotas/getServiceQuota:getServiceQuota":   {"value": 1000.0},
}

// autonames gives the longest name that the project file makes of a logical
// one.
func autonames(t *testing.T) func(kind, name string) string {
	t.Helper()
	project, err := workspace.LoadProject("../../Pulumi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	type patterns map[string]any
	of := func(v any, key string) any { return v.(map[string]any)[key] }
	named := of(of(project.Config["pulumi:autonaming"].Value, "providers"), "aws")
	overrides := patterns(of(named, "resources").(map[string]any))
	random := regexp.MustCompile(`\$\{hex\((\d+)\)\}`)
	return func(kind, name string) string {
		pattern := of(named, "pattern").(string)
		if override, ok := overrides[kind]; ok {
			pattern = of(override, "pattern").(string)
		}
		pattern = strings.NewReplacer("${name}", name, "${stack}", strings.Repeat("s", stack.MaxName)).Replace(pattern)
		return random.ReplaceAllStringFunc(pattern, func(match string) string {
			n, err := strconv.Atoi(random.FindStringSubmatch(match)[1])
			if err != nil {
				t.Fatal(err)
			}
			return strings.Repeat("0", n)
		})
	}
}

// A name that is too long fails at the cloud, in the midst of a deployment.
func TestNamesFitIntoTheCloudsLimits(t *testing.T) {
	t.Parallel()
	autoname := autonames(t)
	e := &onAWS{engine: engine{unknown: true}, answers: account}
	config := map[string]string{}
	for name, value := range layer(stack.LayerCloud) {
		config["trivet:"+name] = value
	}
	err := pulumi.RunErr(func(ctx *pulumi.Context) error {
		_, err := Program{Clouds: []platform.Cloud{aws.New()}, Watch: watchNothing}.deploy(ctx)
		return err
	}, pulumi.WithMocks("trivet", strings.Repeat("s", stack.MaxName), e), func(info *pulumi.RunInfo) { info.Config, info.DryRun = config, true })
	if err != nil {
		t.Fatal(err)
	}
	unseen := maps.Clone(nameLimits)
	for _, registered := range e.names() {
		kind, name, _ := strings.Cut(registered, " ")
		delete(unseen, kind)
		if limit, limited := nameLimits[kind]; limited && len(autoname(kind, name)) > limit {
			t.Errorf("%s would be called %s, which has %d characters of %d", registered, autoname(kind, name), len(autoname(kind, name)), limit)
		}
	}
	if len(unseen) > 0 {
		t.Errorf("none of these was registered: %v", unseen)
	}
}
