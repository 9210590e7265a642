package cost

import (
	"strings"

	"github.com/trivetkv/trivet/infra/graph"
)

// The types that usage is charged for, too.
const (
	balancerType = "aws:lb/loadBalancer:LoadBalancer"
	cdnType      = "aws:cloudfront/distribution:Distribution"
	firewallType = "aws:wafv2/webAcl:WebAcl"
	databaseType = "aws:rds/cluster:Cluster"
	endpointType = "aws:ec2/vpcEndpoint:VpcEndpoint"
	nodesType    = "aws:eks/nodeGroup:NodeGroup"
	templateType = "aws:ec2/launchTemplate:LaunchTemplate"
	natType      = "aws:ec2/natGateway:NatGateway"
	vaultType    = "aws:backup/vault:Vault"
	planType     = "aws:backup/plan:Plan"
	featureType  = "aws:guardduty/detectorFeature:DetectorFeature"
	instanceType = "aws:rds/clusterInstance:ClusterInstance"
)

// charges are what a resource of each type costs by being there.
var charges = map[string]func(*estimate, graph.Resource){
	"aws:eks/cluster:Cluster": func(e *estimate, r graph.Resource) { e.fixed(r, "eks", "cluster", 1) },
	nodesType:                 chargeNodes,

	natType:                            func(e *estimate, r graph.Resource) { e.fixed(r, "vpc", "nat gateway", 1) },
	"aws:ec2/eip:Eip":                  func(e *estimate, r graph.Resource) { e.fixed(r, "vpc", "public address", 1) },
	endpointType:                       chargeEndpoint,
	balancerType:                       chargeBalancer,
	firewallType:                       chargeFirewall,
	"aws:route53/zone:Zone":            func(e *estimate, r graph.Resource) { e.fixed(r, "route53", "zone", 1) },
	"aws:kms/key:Key":                  func(e *estimate, r graph.Resource) { e.fixed(r, "kms", "key", 1) },
	"aws:secretsmanager/secret:Secret": func(e *estimate, r graph.Resource) { e.fixed(r, "secrets", "secret", 1) },

	"aws:elasticache/replicationGroup:ReplicationGroup": chargeCache,
	databaseType: chargeDatabase,
	instanceType: func(e *estimate, r graph.Resource) {
		e.fixed(r, "aurora", r.Input("instanceClass").Text(), 1)
	},
	"aws:mq/broker:Broker": chargeBroker,
	featureType:            chargeFeature,
	vaultType:              func(e *estimate, r graph.Resource) { e.fixed(r, "backup", "aurora", float64(e.BackupGB)) },

	"aws:cloudwatch/metricAlarm:MetricAlarm": func(e *estimate, r graph.Resource) {
		// An alarm over several metrics is charged for each.
		e.fixed(r, "cloudwatch", "alarm", float64(max(1, metricsOf(r))))
	},
	"aws:cloudwatch/compositeAlarm:CompositeAlarm": func(e *estimate, r graph.Resource) { e.fixed(r, "cloudwatch", "composite alarm", 1) },
	"aws:cloudwatch/dashboard:Dashboard":           func(e *estimate, r graph.Resource) { e.fixed(r, "cloudwatch", "dashboard", 1) },
}

// chargeNodes counts the machines that are always there, and their disks. Spot
// machines are counted at the price on demand, which they never exceed.
func chargeNodes(e *estimate, r graph.Resource) {
	count := r.Input("scalingConfig", "minSize").Number()
	types := r.Input("instanceTypes").List()
	if len(types) == 0 {
		e.unpriced(r.Type + ": " + r.Name + " names no instance type")
		return
	}
	e.fixed(r, "ec2", types[0].Text(), count)
	for _, template := range e.graph.Of(templateType) {
		if !r.RefersTo(template, "launchTemplate") {
			continue
		}
		for _, disk := range template.Input("blockDeviceMappings").List() {
			e.fixed(r, "ebs", disk.Field("ebs", "volumeType").Text(), count*disk.Field("ebs", "volumeSize").Number())
		}
	}
}

// chargeEndpoint counts an interface in each subnet; gateways are free.
func chargeEndpoint(e *estimate, r graph.Resource) {
	if isInterface(r) {
		e.fixed(r, "endpoint", "interface", float64(len(r.Input("subnetIds").List())))
	}
}

// chargeBalancer counts a public address in each subnet, too.
func chargeBalancer(e *estimate, r graph.Resource) {
	e.fixed(r, "alb", "balancer", 1)
	if inside := r.Input("internal"); inside.Raw() == nil || inside.Is(false) {
		e.fixed(r, "vpc", "public address", float64(len(r.Input("subnets").List())))
	}
}

func chargeFirewall(e *estimate, r graph.Resource) {
	e.fixed(r, "waf", "web acl", 1)
	e.fixed(r, "waf", "rule", float64(len(r.Input("rules").List())))
}

func chargeCache(e *estimate, r graph.Resource) {
	engine := r.Input("engine").Text()
	if engine == "" {
		engine = "redis"
	}
	nodes := max(r.Input("numCacheClusters").Number(), r.Input("numNodeGroups").Number()*(1+r.Input("replicasPerNodeGroup").Number()))
	e.fixed(r, "elasticache", engine+" "+r.Input("nodeType").Text(), nodes)
}

// chargeDatabase counts what is stored and the administrator's password, which
// AWS keeps as a secret of its own. Instances are resources of their own.
func chargeDatabase(e *estimate, r graph.Resource) {
	e.fixed(r, "aurora", "storage", float64(e.DatabaseGB))
	if r.Input("manageMasterUserPassword").Is(true) {
		e.fixed(r, "secrets", "secret", 1)
	}
}

func chargeBroker(e *estimate, r graph.Resource) {
	nodes := 1.0
	if r.Input("deploymentMode").Text() == "CLUSTER_MULTI_AZ" {
		nodes = 3
	}
	e.fixed(r, "mq", strings.ToLower(r.Input("engineType").Text())+" "+r.Input("hostInstanceType").Text(), nodes)
}

// chargeFeature counts the processors of databases whose logins are watched.
// The other features are charged by what they look at.
func chargeFeature(e *estimate, r graph.Resource) {
	if r.Input("name").Text() != "RDS_LOGIN_EVENTS" {
		return
	}
	processors := 0
	for _, instance := range e.graph.Of(instanceType) {
		class := instance.Input("instanceClass").Text()
		count, known := processorsOf[class[strings.LastIndex(class, ".")+1:]]
		if !known {
			e.unpriced(r.Name + ": unknown processors of " + class)
		}
		processors += count
	}
	e.fixed(r, "guardduty", "database vCPU", float64(processors))
}

// processorsOf is how many there are in an instance of a size.
var processorsOf = map[string]int{"medium": 2, "large": 2, "xlarge": 4, "2xlarge": 8, "4xlarge": 16}

// metricsOf is how many metrics an alarm computes with.
func metricsOf(alarm graph.Resource) int {
	count := 0
	for _, query := range alarm.Input("metricQueries").List() {
		if query.Field("metric").Set() {
			count++
		}
	}
	return count
}
