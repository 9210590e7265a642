package cost

import (
	"math"

	"github.com/trivetkv/trivet/infra/graph"
)

// The types whose every charge is for usage.
const (
	logGroupType   = "aws:cloudwatch/logGroup:LogGroup"
	flowLogType    = "aws:ec2/flowLog:FlowLog"
	detectorType   = "aws:guardduty/detector:Detector"
	bucketType     = "aws:s3/bucketV2:BucketV2"
	repositoryType = "aws:ecr/repository:Repository"
	queryLogType   = "aws:route53/queryLog:QueryLog"
)

var meteredTypes = map[string]bool{
	logGroupType: true, flowLogType: true, detectorType: true, bucketType: true, repositoryType: true, queryLogType: true, cdnType: true,
}

// What a load does to the platform beyond what the stack file says of it.
const (
	secondsPerMonth = hoursPerMonth * 3600
	bytesPerGB      = 1 << 30

	// A request or answer has some 400 bytes of headers around the value.
	overheadBytes = 400
	// Reads that the shared cache does not answer.
	missedReads = 0.1
	// A write to Aurora is an entry, its row of the log and their indices; with
	// group commit they share blocks of 4 KB of the log that is shipped.
	requestsPerWrite = 1.0
	// A read that misses the cache mostly finds its page in memory.
	requestsPerMiss = 0.1
	// A connection of a client is used for a hundred requests.
	requestsPerConnection = 100
	// Of traffic between pods and data tiers in three zones, two thirds cross;
	// both sides are charged.
	crossingZones = 2.0 / 3 * 2

	consoleViews   = 1e6 // requests for console, docs and status in a month
	consoleGB      = 50  // sent for them
	blockedShare   = 0.001
	logLineBytes   = 1000
	accessLogBytes = 60 // of a request in the balancer's log, compressed

	logGBPerNode      = 5.0  // of pods and the system, in a month
	metricGBPerNode   = 1.5  // events of Container Insights
	metricsPerCluster = 30.0 // Container Insights, without enhanced observability
	metricsPerNode    = 10.0
	metricsPerService = 15.0 // of its pods together
	controlPlaneGB    = 10.0 // logs of the control plane
	databaseLogGB     = 2.0  // slow statements, and figures of the operating system
	flowLogGBPerNode  = 3.0  // connections, which clients and pools keep open
	natGBPerGateway   = 20.0 // images and calls of services without an endpoint
	endpointGB        = 10.0 // through each interface endpoint
	imagesGB          = 2.0  // the versions that are kept of one service
	auditEvents       = 2.0  // millions of calls to AWS
	clusterEvents     = 10.0 // millions of calls to the API server
	bucketEvents      = 1.0  // millions of requests to buckets
	keyRequests       = 1e6
)

// addUsage adds what the load costs.
func (e *estimate) addUsage() {
	reads, writes := float64(e.Load.ReadsPerSecond), float64(e.Load.WritesPerSecond)
	nodes := e.nodes()
	if len(e.graph.Of(balancerType)) > 0 {
		e.addRequests(reads, writes)
	}
	if n := len(e.graph.Of(cdnType)); n > 0 {
		e.usage("CDN requests", "cloudfront", "requests", consoleViews/1e4)
		e.usage("CDN transfer", "cloudfront", "transfer", consoleGB)
	}
	for _, database := range e.graph.Of(databaseType) {
		if database.Input("storageType").Text() != "aurora-iopt1" {
			requests := writes*requestsPerWrite + reads*missedReads*requestsPerMiss
			e.usage("database I/O", "aurora", "requests", requests*secondsPerMonth/1e6)
		}
		e.usage("database logs", "cloudwatch", "log data", databaseLogGB)
	}
	if nodes > 0 {
		dataBytes := reads*e.answerBytes() + writes*2*e.answerBytes() // a write goes to the database and into the cache
		e.usage("transfer between zones", "transfer", "between zones", gigabytes(dataBytes)*crossingZones)
		services := float64(len(e.graph.Of("kubernetes:apps/v1:Deployment")))
		e.usage("metrics of the cluster", "cloudwatch", "custom metric", metricsPerCluster+nodes*metricsPerNode+services*metricsPerService)
		e.usage("logs of the cluster", "cloudwatch", "log data", controlPlaneGB+nodes*(logGBPerNode+metricGBPerNode))
	}
	if len(e.graph.Of(flowLogType)) > 0 {
		e.usage("flow logs", "cloudwatch", "log data", nodes*flowLogGBPerNode)
	}
	e.usage("NAT data", "vpc", "nat data", float64(len(e.graph.Of(natType)))*natGBPerGateway)
	e.usage("endpoint data", "endpoint", "data", e.interfaces()*endpointGB)
	e.addThreatDetection(nodes)
	e.usage("images", "ecr", "storage", float64(len(e.graph.Of(repositoryType)))*imagesGB)
	if len(e.graph.Of("aws:kms/key:Key")) > 0 {
		e.usage("key requests", "kms", "requests", keyRequests/1e4)
	}
	e.addCopies()
}

// addThreatDetection adds what GuardDuty looks at. Disks are only looked at,
// and charged, when there is a finding.
func (e *estimate) addThreatDetection(nodes float64) {
	if len(e.graph.Of(detectorType)) == 0 {
		return
	}
	e.usage("threat detection, flows and names", "guardduty", "logs", nodes*flowLogGBPerNode)
	e.usage("threat detection, calls to AWS", "guardduty", "events", auditEvents)
	for _, feature := range e.graph.Of(featureType) {
		switch feature.Input("name").Text() {
		case "EKS_AUDIT_LOGS":
			e.usage("threat detection, calls to the cluster", "guardduty", "cluster audit events", clusterEvents)
		case "S3_DATA_EVENTS":
			e.usage("threat detection, buckets", "guardduty", "bucket events", bucketEvents)
		}
	}
}

// addRequests adds what clients' requests cost at the edge.
func (e *estimate) addRequests(reads, writes float64) {
	requests := (reads + writes) * secondsPerMonth
	e.usage("balancer capacity", "alb", "capacity unit", e.capacityUnits(reads, writes))
	e.usage("transfer to the internet", "transfer", "to the internet", float64(e.Load.EgressGB))
	e.usage("access logs", "s3", "standard", requests*accessLogBytes/bytesPerGB)
	for _, firewall := range e.graph.Of(firewallType) {
		// What is in front of the CDN sees its requests alone.
		inspected, what := requests, "firewall of the balancer"
		if firewall.Input("scope").Text() == "CLOUDFRONT" {
			inspected, what = consoleViews, "firewall of the CDN"
		}
		e.usage(what, "waf", "requests", inspected/1e6)
		e.usage(what+", logs", "cloudwatch", "log data", inspected*blockedShare*logLineBytes/bytesPerGB)
	}
}

// capacityUnits is the greatest of what a balancer's capacity is measured by:
// 25 new connections a second, 3000 open ones, 1 GB an hour.
func (e *estimate) capacityUnits(reads, writes float64) float64 {
	connections := (reads + writes) / requestsPerConnection
	const openSeconds = 60
	hourlyGB := (reads + writes) * e.answerBytes() * 3600 / bytesPerGB
	return math.Max(math.Max(connections/25, connections*openSeconds/3000), hourlyGB)
}

// addCopies adds what it costs to send backups to another region: the vault
// there is a resource of its own.
func (e *estimate) addCopies() {
	for _, plan := range e.graph.Of(planType) {
		for _, rule := range plan.Input("rules").List() {
			if rule.Field("copyActions").Set() {
				e.usage("copies of backups", "transfer", "to another region", float64(e.BackupGB))
				break
			}
		}
	}
}

// answerBytes is a value with what is around it.
func (e *estimate) answerBytes() float64 { return float64(e.Load.ValueBytes) + overheadBytes }

// gigabytes is what a rate of bytes a second comes to in a month.
func gigabytes(bytesPerSecond float64) float64 { return bytesPerSecond * secondsPerMonth / bytesPerGB }

// nodes is how many machines are always there.
func (e *estimate) nodes() float64 {
	count := 0.0
	for _, group := range e.graph.Of(nodesType) {
		count += group.Input("scalingConfig", "minSize").Number()
	}
	return count
}

func (e *estimate) interfaces() float64 {
	count := 0.0
	for _, endpoint := range e.graph.Of(endpointType) {
		if isInterface(endpoint) {
			count++
		}
	}
	return count
}

func isInterface(r graph.Resource) bool { return r.Input("vpcEndpointType").Text() == "Interface" }
