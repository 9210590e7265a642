package stack

import "github.com/trivetkv/trivet/infra/platform"

// Defaults gives the configuration of a tier before its stack file is read.
// Another tier's name has the defaults of dev, so that everything else that is
// wrong with such a file can be told, too.
func Defaults(tier platform.Tier, profile Profile) Config {
	var cfg Config
	switch {
	case tier == platform.Staging:
		cfg = staging()
	case tier == platform.Prod && profile == ProfileLean:
		cfg = lean()
	case tier == platform.Prod:
		cfg = prod()
	default:
		cfg = dev()
	}
	cfg.Cloud = "aws"
	cfg.Layer = LayerAll
	cfg.Profile = ProfileStandard
	if profile != "" {
		cfg.Profile = profile
	}
	cfg.Load = Traffic{ReadsPerSecond: 2000, WritesPerSecond: 500, ValueBytes: 1024, EgressGB: 5000}
	cfg.Spec.Tier = tier
	cfg.Spec.Region = "us-east-1"
	cfg.Spec.Network.CIDR = "10.20.0.0/16"
	cfg.Spec.Cluster.Version = "1.35"
	cfg.Spec.Cluster.NodeAutoscaler = "cluster-autoscaler"
	cfg.Spec.Database.Version = "16.8" // supported for years, as only some minor versions are
	cfg.Spec.Broker.Version = "3.13"
	cfg.Spec.Observability.RunbookURL = "https://github.com/trivetkv/trivet/blob/main/docs/runbooks"
	return cfg
}

// dev is small and cheap: one zone, nothing twice, no broker.
func dev() Config {
	return Config{
		Autoscaling: AutoscalingNone,
		Spec: platform.Spec{
			Network: platform.Network{Zones: 1},
			Cluster: platform.Cluster{
				System:   platform.NodeGroup{InstanceTypes: []string{"t3.medium"}, Min: 1, Max: 2, DiskGB: 30},
				Workload: platform.NodeGroup{InstanceTypes: []string{"t3.large"}, Min: 1, Max: 3, DiskGB: 30, Spot: true},
			},
			Cache:         platform.Cache{NodeType: "cache.t4g.micro", SnapshotDays: 1},
			Database:      platform.Database{InstanceType: "db.t4g.medium", BackupDays: 7, StorageGB: 10},
			Broker:        platform.Broker{Kind: platform.BrokerNone, InstanceType: "mq.t3.micro"},
			Edge:          platform.Edge{WAF: platform.WAFOff, RateLimit: 100_000, AccessLogsDays: 14},
			Observability: platform.Observability{LogDays: 7},
			Audit:         platform.Audit{LogDays: 90},
			Backup:        platform.Backup{Days: 7, BucketDays: 7, SizeGB: 10},
			Budget:        platform.Budget{MonthlyUSD: 500},
		},
		Services: map[string]Service{
			"api":             {Min: 1, Max: 2, CPU: "250m", Memory: "512Mi"},
			"consumer":        {Min: 1, Max: 2, CPU: "100m", Memory: "256Mi"},
			"autoscaler":      {Min: 1, Max: 1, CPU: "50m", Memory: "128Mi"},
			"healthcheck":     {Min: 1, Max: 1, CPU: "50m", Memory: "64Mi"},
			"migrate":         {Min: 1, Max: 1, CPU: "100m", Memory: "128Mi"},
			"node-autoscaler": {Min: 1, Max: 1, CPU: "50m", Memory: "256Mi"},
		},
	}
}

// staging is built as production is, over two zones and smaller, so that what
// is promoted has met every part that production has.
func staging() Config {
	return Config{
		Autoscaling: AutoscalingTrivet,
		Spec: platform.Spec{
			Network: platform.Network{Zones: 2, FlowLogs: true},
			Cluster: platform.Cluster{
				System:   platform.NodeGroup{InstanceTypes: []string{"t3.medium"}, Min: 2, Max: 3, DiskGB: 30},
				Workload: platform.NodeGroup{InstanceTypes: []string{"m5.large"}, Min: 2, Max: 6, DiskGB: 50},
			},
			Cache:         platform.Cache{NodeType: "cache.t4g.small", Replicas: 1, SnapshotDays: 3},
			Database:      platform.Database{InstanceType: "db.t4g.medium", Readers: 1, BackupDays: 7, DeletionProtection: true, StorageGB: 50},
			Broker:        platform.Broker{Kind: platform.BrokerRabbitMQ, InstanceType: "mq.m5.large"},
			Edge:          platform.Edge{WAF: platform.WAFEdge, RateLimit: 100_000, CDN: true, AccessLogsDays: 30},
			Observability: platform.Observability{LogDays: 30, ThreatDetect: true},
			Audit:         platform.Audit{Trail: true, LogDays: 365},
			Backup:        platform.Backup{Days: 14, BucketDays: 30, SizeGB: 50},
			Budget:        platform.Budget{MonthlyUSD: 1500},
		},
		Services: map[string]Service{
			"api":             {Min: 2, Max: 4, CPU: "500m", Memory: "512Mi"},
			"consumer":        {Min: 2, Max: 4, CPU: "250m", Memory: "256Mi"},
			"autoscaler":      {Min: 1, Max: 1, CPU: "100m", Memory: "256Mi"},
			"healthcheck":     {Min: 1, Max: 1, CPU: "50m", Memory: "128Mi"},
			"migrate":         {Min: 1, Max: 1, CPU: "250m", Memory: "256Mi"},
			"node-autoscaler": {Min: 1, Max: 1, CPU: "100m", Memory: "512Mi"},
		},
	}
}

// prod is the full form: three zones, everything in each of them or ready to
// be, reachable from inside alone.
func prod() Config {
	return Config{
		Autoscaling: AutoscalingTrivet,
		Spec: platform.Spec{
			Network: platform.Network{
				Zones: 3, NATPerZone: true, FlowLogs: true,
				PrivateEndpoints: []string{"ecr.api", "ecr.dkr", "sts", "logs", "monitoring", "secretsmanager", "kms", "ec2", "eks-auth", "elasticloadbalancing", "autoscaling"},
			},
			Cluster: platform.Cluster{
				System:   platform.NodeGroup{InstanceTypes: []string{"m5.large"}, Min: 3, Max: 6, DiskGB: 50},
				Workload: platform.NodeGroup{InstanceTypes: []string{"m5.xlarge"}, Min: 3, Max: 10, DiskGB: 100},
			},
			Cache:         platform.Cache{NodeType: "cache.r7g.large", Replicas: 2, SnapshotDays: 14},
			Database:      platform.Database{InstanceType: "db.r6g.xlarge", Readers: 2, BackupDays: 35, DeletionProtection: true, StorageGB: 200},
			Broker:        platform.Broker{Kind: platform.BrokerRabbitMQ, InstanceType: "mq.m5.large", Cluster: true},
			Edge:          platform.Edge{WAF: platform.WAFAll, RateLimit: 100_000, CDN: true, AccessLogsDays: 90},
			Observability: platform.Observability{LogDays: 90, ThreatDetect: true},
			Audit:         platform.Audit{Trail: true, LogDays: 400, LockDays: 90},
			Backup:        platform.Backup{Days: 35, CopyRegion: "us-west-2", BucketDays: 90, SizeGB: 500},
			Budget:        platform.Budget{MonthlyUSD: 6000},
		},
		Services: map[string]Service{
			"api":             {Min: 3, Max: 12, CPU: "1", Memory: "1Gi"},
			"consumer":        {Min: 3, Max: 9, CPU: "500m", Memory: "512Mi"},
			"autoscaler":      {Min: 3, Max: 3, CPU: "250m", Memory: "512Mi"},
			"healthcheck":     {Min: 3, Max: 3, CPU: "100m", Memory: "128Mi"},
			"migrate":         {Min: 1, Max: 1, CPU: "500m", Memory: "512Mi"},
			"node-autoscaler": {Min: 3, Max: 3, CPU: "100m", Memory: "512Mi"},
		},
	}
}

// lean is the least that production's rules allow: still three zones with one
// of them to spare, each part as small as it comes, and no broker, so that
// asynchronous writes are answered as synchronous ones.
func lean() Config {
	cfg := prod()
	spec := &cfg.Spec
	spec.Network.PrivateEndpoints = nil // through NAT, which three zones have anyway
	spec.Cluster.System = platform.NodeGroup{InstanceTypes: []string{"t3.small"}, Min: 3, Max: 4, DiskGB: 20}
	spec.Cluster.Workload = platform.NodeGroup{InstanceTypes: []string{"t3.medium"}, Min: 3, Max: 10, DiskGB: 20}
	spec.Cache = platform.Cache{NodeType: "cache.t4g.micro", Replicas: 1, SnapshotDays: 7}
	spec.Database.InstanceType, spec.Database.Readers = "db.t4g.medium", 1
	spec.Database.BackupDays, spec.Database.StorageGB = 14, 20
	spec.Broker = platform.Broker{Kind: platform.BrokerNone, InstanceType: "mq.m5.large", Cluster: true}
	spec.Edge.WAF = platform.WAFEdge
	spec.Backup.Days, spec.Backup.BucketDays, spec.Backup.SizeGB = 14, 30, 20
	spec.Budget.MonthlyUSD = 1000
	cfg.Services["api"] = Service{Min: 3, Max: 9, CPU: "250m", Memory: "512Mi"}
	cfg.Services["consumer"] = Service{Min: 3, Max: 3, CPU: "100m", Memory: "256Mi"}
	cfg.Services["autoscaler"] = Service{Min: 3, Max: 3, CPU: "50m", Memory: "128Mi"}
	cfg.Services["healthcheck"] = Service{Min: 3, Max: 3, CPU: "50m", Memory: "64Mi"}
	cfg.Services["node-autoscaler"] = Service{Min: 3, Max: 3, CPU: "50m", Memory: "256Mi"}
	return cfg
}
