package cost

import (
	"bytes"
	"encoding/json"
	"math"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/stack"
)

type in = map[string]any

type list = []any

var assume = Assumptions{
	Region: "us-east-1", DatabaseGB: 100, BackupGB: 500,
	Load: stack.Traffic{ReadsPerSecond: 2000, WritesPerSecond: 500, ValueBytes: 1024, EgressGB: 5000},
}

// of makes a resource within a component.
func of(kind, name string, inputs in) graph.Resource {
	return graph.Resource{URN: "urn:pulumi:s::p::trivet:aws:Tier$" + kind + "::" + name, Type: kind, Name: name, Parent: tier.URN, Inputs: inputs}
}

var tier = graph.Resource{URN: "urn:pulumi:s::p::trivet:aws:Tier::tier", Type: "trivet:aws:Tier", Name: "tier"}

func TestWhatRunsIsCharged(t *testing.T) {
	t.Parallel()
	template := of(templateType, "template", in{"blockDeviceMappings": list{in{"ebs": in{"volumeType": "gp3", "volumeSize": 50.0}}}})
	nodes := of(nodesType, "nodes", in{"scalingConfig": in{"minSize": 3.0, "maxSize": 10.0}, "instanceTypes": list{"m5.large", "m6i.large"}})
	nodes.References = map[string][]string{"launchTemplate": {template.URN}}
	for name, c := range map[string]struct {
		graph graph.Graph
		want  float64
	}{
		"a control plane":          {graph.Graph{of("aws:eks/cluster:Cluster", "c", nil)}, 0.10 * 730},
		"nodes and their disks":    {graph.Graph{template, nodes}, 3*0.096*730 + 3*50*0.08},
		"a NAT":                    {graph.Graph{of(natType, "n", nil)}, 0.045 * 730},
		"an address":               {graph.Graph{of("aws:ec2/eip:Eip", "e", nil)}, 0.005 * 730},
		"an endpoint in two zones": {graph.Graph{of(endpointType, "e", in{"vpcEndpointType": "Interface", "subnetIds": list{graph.Unknown{}, graph.Unknown{}}})}, 2 * 0.01 * 730},
		"a gateway":                {graph.Graph{of(endpointType, "e", in{"vpcEndpointType": "Gateway"})}, 0},
		"a balancer's addresses":   {graph.Graph{of(balancerType, "b", in{"internal": false, "subnets": list{"a", "b", "c"}})}, (0.0225 + 3*0.005) * 730},
		"a balancer inside":        {graph.Graph{of(balancerType, "b", in{"internal": true, "subnets": list{"a", "b", "c"}})}, 0.0225 * 730},
		"a firewall's rules":       {graph.Graph{of(firewallType, "f", in{"rules": list{in{}, in{}}})}, 5 + 2},
		"a cache's nodes":          {graph.Graph{of("aws:elasticache/replicationGroup:ReplicationGroup", "c", in{"engine": "redis", "nodeType": "cache.m5.large", "numCacheClusters": 3.0})}, 3 * 0.156 * 730},
		"a cache's shards":         {graph.Graph{of("aws:elasticache/replicationGroup:ReplicationGroup", "c", in{"nodeType": "cache.m5.large", "numNodeGroups": 2.0, "replicasPerNodeGroup": 1.0})}, 4 * 0.156 * 730},
		"a database's storage":     {graph.Graph{of(databaseType, "d", in{"manageMasterUserPassword": true})}, 100*0.10 + 0.40},
		"a database's instance":    {graph.Graph{of("aws:rds/clusterInstance:ClusterInstance", "i", in{"instanceClass": "db.r5.large"})}, 0.29 * 730},
		"a broker":                 {graph.Graph{of("aws:mq/broker:Broker", "b", in{"engineType": "RabbitMQ", "hostInstanceType": "mq.m5.large", "deploymentMode": "SINGLE_INSTANCE"})}, 0.288 * 730},
		"a broker's cluster":       {graph.Graph{of("aws:mq/broker:Broker", "b", in{"engineType": "RabbitMQ", "hostInstanceType": "mq.m5.large", "deploymentMode": "CLUSTER_MULTI_AZ"})}, 3 * 0.288 * 730},
		"a vault":                  {graph.Graph{of(vaultType, "v", nil)}, 500 * 0.021},
		"logins that are watched": {graph.Graph{
			of(instanceType, "i", in{"instanceClass": "db.r5.large"}), of(featureType, "f", in{"name": "RDS_LOGIN_EVENTS"}), of(featureType, "g", in{"name": "S3_DATA_EVENTS"}),
		}, 0.29*730 + 2*1},
		"an alarm of two metrics": {graph.Graph{of("aws:cloudwatch/metricAlarm:MetricAlarm", "a", in{"metricQueries": list{
			in{"metric": in{"metricName": "a"}}, in{"metric": in{"metricName": "b"}}, in{"expression": "a/b"},
		}})}, 0.20},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			report := Estimate(append(graph.Graph{tier}, c.graph...), assume)
			if math.Abs(report.MonthlyUSD-c.want) > 0.011 || math.Abs(report.Tiers["Tier"]-c.want) > 0.011 {
				t.Errorf("%.2f, by tier %v, want %.2f", report.MonthlyUSD, report.Tiers, c.want)
			}
			if len(report.Unpriced) > 0 {
				t.Errorf("not priced: %v", report.Unpriced)
			}
		})
	}
}

func TestWhatHasNoPriceIsListed(t *testing.T) {
	t.Parallel()
	report := Estimate(graph.Graph{
		of("aws:sagemaker/notebookInstance:NotebookInstance", "n", nil),
		of("aws:rds/clusterInstance:ClusterInstance", "big", in{"instanceClass": "db.x2g.16xlarge"}),
		of(nodesType, "nodes", nil),
		of("aws:ec2/vpc:Vpc", "vpc", nil),
	}, assume)
	want := []string{
		"aws:eks/nodeGroup:NodeGroup: nodes names no instance type",
		"aws:sagemaker/notebookInstance:NotebookInstance",
		"big: no price of db.x2g.16xlarge in us-east-1",
	}
	if !slices.Equal(report.Unpriced, want) {
		t.Errorf("not priced: %q, want %q", report.Unpriced, want)
	}
	if report.MonthlyUSD != 0 || len(report.Free) != 1 || report.Free[0].Reason == "" {
		t.Errorf("got %v, free %v", report.MonthlyUSD, report.Free)
	}
}

func TestARegionWithoutPricesIsToldForEach(t *testing.T) {
	t.Parallel()
	elsewhere := assume
	elsewhere.Region = "ap-south-2"
	report := Estimate(graph.Graph{of(natType, "nat", nil)}, elsewhere)
	if !slices.Contains(report.Unpriced, "nat: no price of nat gateway in ap-south-2") {
		t.Errorf("not priced: %q", report.Unpriced)
	}
}

func TestUsageGrowsWithTheLoad(t *testing.T) {
	t.Parallel()
	g := graph.Graph{
		of(balancerType, "b", nil), of(databaseType, "d", nil), of(cdnType, "c", nil),
		of(firewallType, "f", in{"scope": "REGIONAL"}), of(firewallType, "g", in{"scope": "CLOUDFRONT"}),
		of(nodesType, "n", in{"scalingConfig": in{"minSize": 3.0}, "instanceTypes": list{"m5.large"}}),
		of(planType, "p", in{"rules": list{in{"copyActions": list{in{}}}, in{"copyActions": list{in{}}}}}),
	}
	usage := Estimate(g, assume).Usage
	const requests = 2500 * 730 * 3600
	for item, want := range map[string]float64{
		"firewall of the balancer": requests / 1e6 * 0.60,
		"firewall of the CDN":      1 * 0.60,
		"transfer to the internet": 5000 * 0.09,
		"copies of backups":        500 * 0.02,
		"balancer capacity":        2500 * 1424 * 3600 / float64(1<<30) * 0.008 * 730,
		"database I/O":             (500 + 2000*0.1*0.1) * 730 * 3600 / 1e6 * 0.20,
	} {
		if math.Abs(usage[item]-want) > 0.011 {
			t.Errorf("%s costs %.2f, want %.2f", item, usage[item], want)
		}
	}
	idle := assume
	idle.Load = stack.Traffic{}
	if nothing := Estimate(g, idle); nothing.Usage["transfer to the internet"] != 0 || nothing.MonthlyUSD != Estimate(g, assume).MonthlyUSD {
		t.Errorf("without load, usage is %v", nothing.Usage)
	}
}

func TestSumsAreThoseOfTheLines(t *testing.T) {
	t.Parallel()
	report := Estimate(graph.Graph{of(natType, "n", nil), of("aws:kms/key:Key", "k", nil), of(balancerType, "b", nil)}, assume)
	var fixed, usage float64
	for _, line := range report.Lines {
		if line.Usage {
			usage += line.USD
		} else {
			fixed += line.USD
		}
	}
	if math.Abs(fixed-report.MonthlyUSD) > 0.02 || math.Abs(usage-report.UsageUSD) > 0.05 {
		t.Errorf("lines %.2f and %.2f, sums %.2f and %.2f", fixed, usage, report.MonthlyUSD, report.UsageUSD)
	}
}

func TestEveryPriceHasItsDateAndSource(t *testing.T) {
	t.Parallel()
	seen := map[[3]string]bool{}
	for _, p := range Prices() {
		key := [3]string{p.Region, p.Service, p.Item}
		if seen[key] {
			t.Errorf("%v has two prices", key)
		}
		seen[key] = true
		if _, err := time.Parse(time.DateOnly, p.Date); err != nil || p.USD <= 0 || p.Unit == "" {
			t.Errorf("%v: %+v", key, p)
		}
		if source, err := url.Parse(p.Source); err != nil || source.Host != "aws.amazon.com" {
			t.Errorf("%v comes from %q", key, p.Source)
		}
	}
	if len(seen) < 150 {
		t.Errorf("%d prices", len(seen))
	}
	if _, err := parse([]byte("region,service,item,unit,usd,date,source\na,b,c,d,free,2025-07-01,e\n")); err == nil {
		t.Error("a price that is no number was taken")
	}
}

func TestReportsAreReadByProgramsAndPeople(t *testing.T) {
	t.Parallel()
	report := Estimate(graph.Graph{tier, of(natType, "nat", nil), of("aws:new/thing:Thing", "t", nil)}, assume)
	document, err := json.Marshal(report)
	if err != nil {
		t.Fatal(err)
	}
	var decoded struct {
		MonthlyUSD float64            `json:"monthly_usd"`
		Tiers      map[string]float64 `json:"tiers"`
		Usage      map[string]float64 `json:"usage"`
		Unpriced   []string           `json:"unpriced"`
	}
	if err := json.Unmarshal(document, &decoded); err != nil || decoded.MonthlyUSD != 32.85 || decoded.Tiers["Tier"] != 32.85 {
		t.Errorf("%v: %s", err, document)
	}
	var text bytes.Buffer
	if err := report.Write(&text, "prod"); err != nil {
		t.Fatal(err)
	}
	comparison := Compare("lean", report, "big", Estimate(graph.Graph{of(natType, "a", nil), of(natType, "b", nil)}, assume))
	if err := comparison.Write(&text); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"32.85 fixed", "Not counted, for want of a price: aws:new/thing:Thing", "Fixed charges of lean are 0.50 of those of big"} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %q in\n%s", want, text.String())
		}
	}
}
