package stack

import (
	"net/netip"
	"slices"

	"github.com/trivetkv/trivet/infra/platform"
)

// What production keeps at least, in days.
const (
	minDatabaseBackupDays = 14
	minSnapshotDays       = 7
	minBackupDays         = 14
	minLogDays            = 90
	minAuditDays          = 365
	minAccessLogDays      = 90
)

// productionZones lets one zone fail and the other two still agree.
const productionZones = 3

// refusal gives what adds a problem where production's demands are broken.
func refusal(wrong *problems) func(broken bool, setting, format string, args ...any) {
	return func(broken bool, setting, format string, args ...any) {
		if broken {
			wrong.add(setting, "production "+format, args...)
		}
	}
}

// checkProduction adds what production does not allow. The guardrails judge
// the resources that come of it; this says so in the words of the stack file,
// before there are any.
func checkProduction(spec platform.Spec, wrong *problems) {
	refuse := refusal(wrong)
	network := spec.Network
	refuse(network.Zones < productionZones, "network.zones", "runs in %d zones, so that it survives the loss of one; this is %d", productionZones, network.Zones)
	refuse(!network.NATPerZone, "network.natPerZone", "has its own way out in each zone; with one for all, the loss of its zone cuts the others off")
	refuse(!network.FlowLogs, "network.flowLogs", "records who talked to whom")

	checkProductionCluster(spec.Cluster, network.Zones, refuse)
	checkProductionData(spec, refuse)

	refuse(spec.Observability.LogDays < minLogDays, "observability.logDays", "keeps logs for %d days or longer, not %d", minLogDays, spec.Observability.LogDays)
	refuse(!spec.Observability.ThreatDetect, "observability.threatDetection", "looks for intruders")
	refuse(!spec.Audit.Trail, "audit.trail", "records what is done to the account")
	refuse(spec.Audit.LogDays < minAuditDays, "audit.logDays", "keeps these records for %d days or longer, not %d", minAuditDays, spec.Audit.LogDays)
	refuse(spec.Edge.AccessLogsDays < minAccessLogDays, "edge.accessLogsDays", "keeps them for %d days or longer, not %d", minAccessLogDays, spec.Edge.AccessLogsDays)
	refuse(slices.ContainsFunc(spec.Edge.AllowCIDRs, wildcard), "edge.allowCIDRs", "does not allow the whole internet by a list; leave the list out to be public")
}

// checkProductionServices adds what production does not allow of the services,
// whichever stack made the cloud that they run on.
func checkProductionServices(services map[string]Service, wrong *problems) {
	refuse := refusal(wrong)
	for _, name := range ServiceNames {
		service, setting := services[name], join("services", name)
		refuse(service.Image != "" && !service.Pinned(), setting+".image", "runs images by their digest, and %s may be another one tomorrow; add @sha256:…", service.Image)
		refuse(name != "migrate" && service.Min < productionZones, setting+".min", "has a replica in each of %d zones; this is %d", productionZones, service.Min)
	}
}

func checkProductionCluster(cluster platform.Cluster, zones int, refuse func(bool, string, string, ...any)) {
	refuse(cluster.PublicEndpoint && slices.ContainsFunc(cluster.EndpointCIDRs, wildcard),
		"cluster.endpointCIDRs", "does not open the cluster's endpoint to the whole internet; list the addresses that deploy")
	refuse(cluster.System.Spot, "cluster.system.spot", "runs what the cluster itself needs on machines that are not taken away")
	refuse(cluster.System.Min < zones, "cluster.system.min", "has a node in each of the %d zones; this is %d", zones, cluster.System.Min)
	refuse(cluster.Workload.Min < zones, "cluster.workload.min", "has a node in each of the %d zones; this is %d", zones, cluster.Workload.Min)
	refuse(cluster.Workload.Max <= cluster.Workload.Min, "cluster.workload.max", "has room to grow beyond the %d nodes that it begins with", cluster.Workload.Min)
}

func checkProductionData(spec platform.Spec, refuse func(bool, string, string, ...any)) {
	database := spec.Database
	refuse(database.Public, "database.public", "never has a database that the internet can reach")
	refuse(database.Readers < 1, "database.readers", "has a standby in another zone, one at least")
	refuse(database.BackupDays < minDatabaseBackupDays, "database.backupDays", "can go back %d days or longer, not %d", minDatabaseBackupDays, database.BackupDays)
	refuse(!database.DeletionProtection, "database.deletionProtection", "has a database that is not deleted by mistake")
	refuse(spec.Cache.Replicas < 1, "cache.replicas", "has a replica in another zone, one at least")
	refuse(spec.Cache.SnapshotDays < minSnapshotDays, "cache.snapshotDays", "keeps snapshots for %d days or longer, not %d", minSnapshotDays, spec.Cache.SnapshotDays)
	refuse(spec.Broker.Kind == platform.BrokerRabbitMQ && !spec.Broker.Cluster, "broker.cluster", "has a broker in every zone, or none")
	refuse(spec.Backup.CopyRegion == "", "backup.copyRegion", "has copies that survive the loss of its region")
	refuse(spec.Backup.Days < minBackupDays, "backup.days", "keeps backups for %d days or longer, not %d", minBackupDays, spec.Backup.Days)
}

// wildcard tells whether a range is all addresses there are, or so many that
// it comes to the same: the internet may be listed as two halves, too.
func wildcard(text string) bool {
	cidr, err := netip.ParsePrefix(text)
	return err == nil && cidr.Bits() < 8 && !cidr.Addr().IsPrivate()
}
