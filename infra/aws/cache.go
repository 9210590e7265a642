package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/elasticache"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

const (
	cachePort    = 6379
	cacheVersion = "7.1"
	cacheFamily  = "redis7"
	cacheUser    = "trivet"

	// cacheRights are what the services use: data, scripts, transactions, the
	// clock, and what INFO tells, by which a failover is noticed. Nobody who
	// steals the password can list keys, empty the cache or configure it.
	cacheRights = "on ~* -@all +@connection +@read +@write +@scripting +@transaction -@dangerous +info +time"
)

// Cache is the shared cache: ElastiCache for Redis, one shard.
type Cache struct {
	pulumi.ResourceState

	Endpoint  platform.CacheEndpoint
	SecretARN pulumi.StringOutput // of the login, for the policies of those who read it
	NodeIDs   pulumi.StringArray  // as CloudWatch calls the nodes
}

// CacheArgs are what the cache depends on.
type CacheArgs struct {
	Spec                  platform.Spec
	Network               *Network
	Keys                  *Keys
	ClientSecurityGroupID pulumi.StringInput // of the pods, which alone may connect
}

// NewCache registers the cache.
func NewCache(ctx *pulumi.Context, name string, args CacheArgs, opts ...pulumi.ResourceOption) (*Cache, error) {
	cache := &Cache{}
	if err := ctx.RegisterComponentResource(componentType("Cache"), name, cache, opts...); err != nil {
		return nil, err
	}
	spec := args.Spec.Cache

	group, err := newDataSecurityGroup(ctx, name, dataSecurityGroupArgs{
		Spec: args.Spec, Network: args.Network, Clients: args.ClientSecurityGroupID, Ports: []int{cachePort}, Description: "Redis, for pods",
	}, cache)
	if err != nil {
		return nil, err
	}
	subnets, err := elasticache.NewSubnetGroup(ctx, name, &elasticache.SubnetGroupArgs{
		Description: pulumi.String("Data subnets of " + physicalName(args.Spec)),
		SubnetIds:   args.Network.DataSubnetIDs[:args.Network.Spread],
	}, attached(args.Spec, cache))
	if err != nil {
		return nil, fmt.Errorf("subnet group of the cache: %w", err)
	}
	parameters, err := elasticache.NewParameterGroup(ctx, name, &elasticache.ParameterGroupArgs{
		Family:      pulumi.String(cacheFamily),
		Description: pulumi.String("Redis as Trivet wants it"),
		Parameters: elasticache.ParameterGroupParameterArray{
			// A full cache forgets what was not used for longest, rather than refuse writes.
			elasticache.ParameterGroupParameterArgs{Name: pulumi.String("maxmemory-policy"), Value: pulumi.String("allkeys-lru")},
		},
	}, attached(args.Spec, cache))
	if err != nil {
		return nil, fmt.Errorf("parameters of the cache: %w", err)
	}
	login, err := newLogin(ctx, name, loginArgs{Spec: args.Spec, Key: args.Keys.Data, User: cacheUser, Description: "Login of services at the cache"}, cache)
	if err != nil {
		return nil, err
	}
	cache.SecretARN = login.ARN
	users, err := newCacheUsers(ctx, name, args.Spec, login.Password, cache)
	if err != nil {
		return nil, err
	}
	logs, err := newCacheLogs(ctx, name, args, cache)
	if err != nil {
		return nil, err
	}

	nodes := 1 + spec.Replicas
	redis, err := elasticache.NewReplicationGroup(ctx, name, &elasticache.ReplicationGroupArgs{
		Description:              pulumi.String("Cache of " + physicalName(args.Spec)),
		Engine:                   pulumi.String("redis"),
		EngineVersion:            pulumi.String(cacheVersion),
		NodeType:                 pulumi.String(spec.NodeType),
		NumCacheClusters:         pulumi.Int(nodes),
		AutomaticFailoverEnabled: pulumi.Bool(nodes > 1), // CKV2_AWS_50
		MultiAzEnabled:           pulumi.Bool(nodes > 1),
		Port:                     pulumi.Int(cachePort),
		ParameterGroupName:       parameters.Name,
		SubnetGroupName:          subnets.Name,
		SecurityGroupIds:         pulumi.StringArray{group},
		TransitEncryptionEnabled: pulumi.Bool(true), // CKV_AWS_30: values and the password cross the network
		TransitEncryptionMode:    pulumi.String("required"),
		UserGroupIds:             pulumi.StringArray{users}, // CKV_AWS_31
		AtRestEncryptionEnabled:  pulumi.Bool(true),         // CKV_AWS_29: snapshots hold values
		KmsKeyId:                 args.Keys.Data.Arn,        // CKV_AWS_191
		SnapshotRetentionLimit:   pulumi.Int(spec.SnapshotDays),
		SnapshotWindow:           pulumi.String("03:00-04:00"), // UTC; before the maintenance window
		MaintenanceWindow:        pulumi.String("sun:05:00-sun:06:00"),
		AutoMinorVersionUpgrade:  pulumi.Bool(true),
		ApplyImmediately:         pulumi.Bool(!args.Spec.Production()), // in production, within the maintenance window
		LogDeliveryConfigurations: elasticache.ReplicationGroupLogDeliveryConfigurationArray{
			logs("slow-log"), logs("engine-log"),
		},
	}, stateful(args.Spec, cache))
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}

	for i := range nodes {
		cache.NodeIDs = append(cache.NodeIDs, pulumi.Sprintf("%s-%03d", redis.ID(), i+1))
	}
	cache.Endpoint = platform.CacheEndpoint{
		URL:      pulumi.Sprintf("rediss://%s:%d", redis.PrimaryEndpointAddress, cachePort),
		User:     cacheUser,
		Password: login.field("password"),
		Port:     cachePort,
		CIDRs:    args.Network.DataCIDRs[:args.Network.Spread],
	}
	return cache, ctx.RegisterResourceOutputs(cache, pulumi.Map{
		"url":       cache.Endpoint.URL,
		"secretArn": cache.SecretARN,
	})
}

// newCacheUsers makes the services' user and gives the group's id. Redis' own
// default user has to be in the group, and can do nothing.
func newCacheUsers(ctx *pulumi.Context, name string, spec platform.Spec, password pulumi.StringInput, parent pulumi.Resource) (pulumi.StringInput, error) {
	nobody, err := elasticache.NewUser(ctx, name+"-default", &elasticache.UserArgs{
		Engine:             pulumi.String("redis"),
		UserId:             pulumi.String(physicalName(spec) + "-default"),
		UserName:           pulumi.String("default"),
		AccessString:       pulumi.String("off ~* -@all"),
		AuthenticationMode: elasticache.UserAuthenticationModeArgs{Type: pulumi.String("no-password-required")},
	}, attached(spec, parent))
	if err != nil {
		return nil, fmt.Errorf("default user of the cache: %w", err)
	}
	services, err := elasticache.NewUser(ctx, name, &elasticache.UserArgs{
		Engine:       pulumi.String("redis"),
		UserId:       pulumi.String(physicalName(spec)),
		UserName:     pulumi.String(cacheUser),
		AccessString: pulumi.String(cacheRights),
		AuthenticationMode: elasticache.UserAuthenticationModeArgs{
			Type:      pulumi.String("password"),
			Passwords: pulumi.StringArray{password},
		},
	}, attached(spec, parent))
	if err != nil {
		return nil, fmt.Errorf("user of the cache: %w", err)
	}
	group, err := elasticache.NewUserGroup(ctx, name, &elasticache.UserGroupArgs{
		Engine:      pulumi.String("redis"),
		UserGroupId: pulumi.String(physicalName(spec)),
		UserIds:     pulumi.StringArray{nobody.UserId, services.UserId},
	}, attached(spec, parent))
	if err != nil {
		return nil, fmt.Errorf("user group of the cache: %w", err)
	}
	return group.UserGroupId, nil
}

// newCacheLogs makes the log groups and gives how a kind of log gets into its
// own.
func newCacheLogs(ctx *pulumi.Context, name string, args CacheArgs, parent pulumi.Resource) (func(kind string) elasticache.ReplicationGroupLogDeliveryConfigurationArgs, error) {
	groups := map[string]pulumi.StringInput{}
	for _, kind := range []string{"slow-log", "engine-log"} {
		group, err := cloudwatch.NewLogGroup(ctx, name+"-"+kind, &cloudwatch.LogGroupArgs{
			RetentionInDays: pulumi.Int(args.Spec.Observability.LogDays),
			KmsKeyId:        args.Keys.Logs.Arn,
		}, pulumi.Parent(parent))
		if err != nil {
			return nil, fmt.Errorf("log group of the cache's %s: %w", kind, err)
		}
		groups[kind] = group.Name
	}
	return func(kind string) elasticache.ReplicationGroupLogDeliveryConfigurationArgs {
		return elasticache.ReplicationGroupLogDeliveryConfigurationArgs{
			DestinationType: pulumi.String("cloudwatch-logs"),
			Destination:     groups[kind],
			LogFormat:       pulumi.String("json"),
			LogType:         pulumi.String(kind),
		}
	}, nil
}
