package aws

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// networkAlarms watch the ways out.
func networkAlarms(args ObservabilityArgs) []alarm {
	var alarms []alarm
	for i, nat := range args.Network.NATGatewayIDs {
		alarms = append(alarms, alarm{
			tier: "network", page: "nat-ports", instance: fmt.Sprint(i + 1),
			says:       "A NAT gateway has no port left for new connections, so that some of them fail",
			metric:     metric{"AWS/NATGateway", "ErrorPortAllocation", "Sum", pulumi.StringMap{"NatGatewayId": nat}},
			comparison: above, threshold: 0, period: 300, points: 2, missing: quiet,
		})
	}
	return alarms
}

// clusterAlarms watch the nodes.
func clusterAlarms(args ObservabilityArgs) []alarm {
	of := func(name, statistic string) metric {
		return metric{"ContainerInsights", name, statistic, pulumi.StringMap{"ClusterName": args.Cluster.Name}}
	}
	return []alarm{
		{
			tier: "cluster", page: "cluster-nodes",
			says:       "A node of the cluster is not ready",
			metric:     of("cluster_failed_node_count", "Maximum"),
			comparison: above, threshold: 0, period: 300, points: 2, missing: quiet,
		},
		{
			tier: "cluster", page: "cluster-memory",
			says:       "The cluster's nodes use more than 85 % of their memory, and no more were added",
			metric:     of("node_memory_utilization", "Average"),
			comparison: above, threshold: 85, period: 300, points: 3, missing: quiet,
		},
	}
}

// cacheAlarms watch each node. That a cache is full is no alarm: it forgets
// what was not used for longest.
func cacheAlarms(args ObservabilityArgs) []alarm {
	var alarms []alarm
	for i, node := range args.Cache.NodeIDs {
		of := func(name, statistic string) metric {
			return metric{"AWS/ElastiCache", name, statistic, pulumi.StringMap{"CacheClusterId": node}}
		}
		alarms = append(alarms, alarm{
			tier: "cache", page: "cache-cpu", instance: fmt.Sprint(i + 1),
			says:       "A node of the cache uses more than 80 % of the one core that Redis works on",
			metric:     of("EngineCPUUtilization", "Average"),
			comparison: above, threshold: 80, period: 300, points: 3, missing: quiet,
		})
		if len(args.Cache.NodeIDs) > 1 {
			alarms = append(alarms, alarm{
				tier: "cache", page: "cache-lag", instance: fmt.Sprint(i + 1),
				says:       "A replica of the cache is more than five seconds behind the primary",
				metric:     of("ReplicationLag", "Maximum"), // seconds; the primary has none
				comparison: above, threshold: 5, period: 60, points: 5, missing: quiet,
			})
		}
	}
	return alarms
}

// databaseAlarms watch the writer, which does all the work, and how far the
// readers that would take over from it are behind.
func databaseAlarms(args ObservabilityArgs) []alarm {
	of := func(name, statistic string) metric {
		return metric{"AWS/RDS", name, statistic, pulumi.StringMap{"DBClusterIdentifier": args.Database.ClusterID, "Role": pulumi.String("WRITER")}}
	}
	alarms := []alarm{
		{
			tier: "database", page: "database-cpu",
			says:       "The database's writer uses more than 80 % of its processors",
			metric:     of("CPUUtilization", "Average"),
			comparison: above, threshold: 80, period: 300, points: 3, missing: quiet,
		},
		{
			tier: "database", page: "database-memory",
			says:       "The database's writer has less than 5 % of its memory left",
			metric:     of("FreeableMemory", "Average"), // bytes
			comparison: below, threshold: 0.05 * float64(args.Database.memoryGiB<<30), period: 300, points: 3, missing: quiet,
		},
		{
			tier: "database", page: "database-connections",
			says:       "More than 80 % of the connections that the database lets in are in use",
			metric:     of("DatabaseConnections", "Maximum"),
			comparison: above, threshold: 0.8 * float64(args.Database.Endpoint.MaxConns), period: 60, points: 5, missing: quiet,
		},
		{
			tier: "database", page: "database-commit",
			says:       "Commits take more than 50 ms on average, and every write waits for one",
			metric:     of("CommitLatency", "Average"), // ms
			comparison: above, threshold: 50, period: 60, points: 5, missing: quiet,
		},
	}
	if args.Spec.Database.Readers > 0 {
		alarms = append(alarms, alarm{
			tier: "database", page: "database-lag",
			says:       "A standby of the database is more than two seconds behind, so that a failover would take longer",
			metric:     metric{"AWS/RDS", "AuroraReplicaLagMaximum", "Maximum", pulumi.StringMap{"DBClusterIdentifier": args.Database.ClusterID}}, // ms
			comparison: above, threshold: 2000, period: 60, points: 5, missing: quiet,
		})
	}
	return alarms
}

// brokerAlarms watch what makes RabbitMQ stop taking messages, and how many
// wait. Metrics of a cluster are sums over its nodes.
func brokerAlarms(args ObservabilityArgs) []alarm {
	if args.Broker == nil {
		return nil
	}
	of := func(name, statistic string) metric {
		return metric{"AWS/AmazonMQ", name, statistic, pulumi.StringMap{"Broker": args.Broker.Name}}
	}
	return []alarm{
		{
			tier: "broker", page: "broker-memory",
			says:       "The broker uses more than 80 % of the memory at which it stops to take messages",
			expression: "100 * used / most",
			with:       map[string]metric{"used": of("RabbitMQMemUsed", "Maximum"), "most": of("RabbitMQMemLimit", "Maximum")},
			comparison: above, threshold: 80, period: 300, points: 3, missing: quiet,
		},
		{
			tier: "broker", page: "broker-disk",
			says:       "The broker has less than twice the disk left at which it stops to take messages",
			expression: "free / least",
			with:       map[string]metric{"free": of("RabbitMQDiskFree", "Minimum"), "least": of("RabbitMQDiskFreeLimit", "Maximum")},
			comparison: below, threshold: 2, period: 300, points: 3, missing: quiet,
		},
		{
			tier: "broker", page: "broker-backlog",
			says:       "More than 100,000 asynchronous writes wait to be applied",
			metric:     of("MessageReadyCount", "Maximum"),
			comparison: above, threshold: 100_000, period: 300, points: 3, missing: quiet,
		},
	}
}

// edgeAlarms watch what clients see.
func edgeAlarms(args ObservabilityArgs) []alarm {
	balancer := pulumi.StringMap{"LoadBalancer": args.Edge.BalancerSuffix}
	targets := pulumi.StringMap{"LoadBalancer": args.Edge.BalancerSuffix, "TargetGroup": args.Edge.APITargetsSuffix}
	of := func(name, statistic string, dimensions pulumi.StringMap) metric {
		return metric{"AWS/ApplicationELB", name, statistic, dimensions}
	}
	alarms := []alarm{
		{
			tier: "edge", page: "edge-errors",
			says:       "More than one request in a hundred is answered with a server's error",
			expression: "IF(requests > 100, 100 * (FILL(services, 0) + FILL(balancer, 0)) / requests, 0)", // of fewer, one says nothing
			with: map[string]metric{
				"services": of("HTTPCode_Target_5XX_Count", "Sum", balancer),
				"balancer": of("HTTPCode_ELB_5XX_Count", "Sum", balancer),
				"requests": of("RequestCount", "Sum", balancer),
			},
			comparison: above, threshold: 1, period: 60, points: 5, missing: quiet,
		},
		{
			tier: "edge", page: "edge-latency",
			says:       "One request in a hundred waits for more than a second for its answer to begin",
			metric:     of("TargetResponseTime", "p99", targets), // seconds
			comparison: above, threshold: 1, period: 60, points: 5, missing: quiet,
		},
		{
			tier: "edge", page: "edge-targets",
			says:       "The balancer reaches the API on too few nodes, or on none",
			metric:     of("HealthyHostCount", "Minimum", targets),
			comparison: below, threshold: float64(min(2, args.Spec.Cluster.Workload.Min)), period: 60, points: 3, missing: silence,
		},
	}
	alarms = append(alarms, alarm{
		tier: "edge", page: "edge-certificate",
		says:       "The balancer's certificate ends in less than 30 days, and ACM has not renewed it",
		metric:     metric{"AWS/CertificateManager", "DaysToExpiry", "Minimum", pulumi.StringMap{"CertificateArn": args.Edge.CertificateARN}},
		comparison: below, threshold: 30, period: 86_400, points: 1, missing: quiet,
	})
	if args.Spec.Edge.WAF == platform.WAFAll {
		alarms = append(alarms, alarm{
			tier: "edge", page: "firewall-blocked",
			says: "The balancer's firewall turns away more than a hundred requests a second",
			metric: metric{"AWS/WAFV2", "BlockedRequests", "Sum", pulumi.StringMap{
				"WebACL": args.Edge.BalancerFirewallName, "Region": pulumi.String(args.Spec.Region), "Rule": pulumi.String("ALL"),
			}},
			comparison: above, threshold: 30_000, period: 300, points: 2, missing: quiet,
		})
	}
	return append(alarms, globalAlarms(args)...)
}

// globalAlarms watch what has no region: the CDN, and the zone's signature,
// with which every name would go.
func globalAlarms(args ObservabilityArgs) []alarm {
	var alarms []alarm
	if args.Spec.Edge.CDN {
		alarms = append(alarms, alarm{
			tier: "edge", page: "cdn-errors", global: true,
			says: "More than one request in twenty to console, docs and status is answered with a server's error",
			metric: metric{"AWS/CloudFront", "5xxErrorRate", "Average", pulumi.StringMap{
				"DistributionId": args.Edge.DistributionID, "Region": pulumi.String("Global"),
			}},
			comparison: above, threshold: 5, period: 300, points: 3, missing: quiet,
		})
	}
	if args.Spec.Production() {
		zone := pulumi.StringMap{"HostedZoneId": pulumi.String(args.Spec.Edge.ZoneID)}
		for _, name := range []string{"DNSSECInternalFailure", "DNSSECKeySigningKeysNeedingAction"} {
			alarms = append(alarms, alarm{
				tier: "dns", page: "dns-signing", instance: map[string]string{
					"DNSSECInternalFailure": "failure", "DNSSECKeySigningKeysNeedingAction": "key",
				}[name], global: true,
				says:       "Route 53 cannot sign the zone; once its signatures are too old, none of its names can be resolved",
				metric:     metric{"AWS/Route53", name, "Maximum", zone},
				comparison: above, threshold: 0, period: 3600, points: 1, missing: quiet,
			})
		}
	}
	return alarms
}

// backupAlarms watch the vault.
func backupAlarms(args ObservabilityArgs) []alarm {
	return []alarm{{
		tier: "backup", page: "backup-failed",
		says:       "A backup failed",
		metric:     metric{"AWS/Backup", "NumberOfBackupJobsFailed", "Sum", pulumi.StringMap{"BackupVaultName": args.Backup.Vault}},
		comparison: above, threshold: 0, period: 3600, points: 1, missing: quiet,
	}}
}

// observabilityAlarms watch the watcher: without logs and metrics from the
// cluster, its alarms could not be raised.
func observabilityAlarms(args ObservabilityArgs) []alarm {
	return []alarm{{
		tier: "observability", page: "logs-stopped",
		says:       "No log has come from the cluster for half an hour",
		metric:     metric{"AWS/Logs", "IncomingLogEvents", "Sum", pulumi.StringMap{"LogGroupName": pulumi.String(containerLogGroup(args.Spec, "application"))}},
		comparison: below, threshold: 1, period: 900, points: 2, missing: silence,
	}}
}

// sortedKeys are the keys of a map in an order that does not change.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
