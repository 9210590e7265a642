package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/cloudwatch"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/rds"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

const (
	databaseEngine = "aurora-postgresql"
	databasePort   = 5432
	databaseName   = "trivet"
	databaseAdmin  = "trivet_admin" // who makes the services' users; services themselves log in by IAM
)

// Database is Aurora PostgreSQL: a writer, and readers that take over from it.
// Nothing is ever read from a reader: its answers may be older than the last
// acknowledged write, so its endpoint is nowhere in here.
type Database struct {
	pulumi.ResourceState

	Endpoint       platform.DatabaseEndpoint
	ARN            pulumi.StringOutput
	ClusterID      pulumi.StringOutput // the cluster's identifier, as CloudWatch calls it
	ResourceID     pulumi.StringOutput // as policies call it that allow rds-db:connect
	AdminSecretARN pulumi.StringOutput // of the administrator's password, rotated by AWS

	memoryGiB int // of each instance
}

// DatabaseArgs are what the database depends on.
type DatabaseArgs struct {
	Spec                  platform.Spec
	Account               Account
	Network               *Network
	Keys                  *Keys
	ClientSecurityGroupID pulumi.StringInput // of the pods, which alone may connect
}

// databaseLogs are what goes to CloudWatch: statements that were slow or
// changed the schema, and logins by IAM that failed.
var databaseLogs = []string{"postgresql", "iam-db-auth-error"}

// NewDatabase registers the database.
func NewDatabase(ctx *pulumi.Context, name string, args DatabaseArgs, opts ...pulumi.ResourceOption) (*Database, error) {
	spec := args.Spec.Database
	memory, err := memoryGiB(spec.InstanceType)
	if err != nil {
		return nil, err
	}
	roots, err := rdsRoots(args.Account.Region)
	if err != nil {
		return nil, err
	}
	database := &Database{memoryGiB: memory}
	if err := ctx.RegisterComponentResource(componentType("Database"), name, database, opts...); err != nil {
		return nil, err
	}

	group, err := newDataSecurityGroup(ctx, name, dataSecurityGroupArgs{
		Spec: args.Spec, Network: args.Network, Clients: args.ClientSecurityGroupID, Ports: []int{databasePort}, Description: "PostgreSQL, for pods",
	}, database)
	if err != nil {
		return nil, err
	}
	subnets, err := rds.NewSubnetGroup(ctx, name, &rds.SubnetGroupArgs{
		Description: pulumi.String("Data subnets of " + physicalName(args.Spec)),
		SubnetIds:   args.Network.DataSubnetIDs,
	}, attached(args.Spec, database))
	if err != nil {
		return nil, fmt.Errorf("subnet group of the database: %w", err)
	}
	parameters, err := newDatabaseParameters(ctx, name, args.Spec, database)
	if err != nil {
		return nil, err
	}
	logs, err := database.addLogs(ctx, name, args)
	if err != nil {
		return nil, err
	}
	final, err := newFinalSnapshot(ctx, name, args.Spec, database)
	if err != nil {
		return nil, err
	}

	cluster, err := rds.NewCluster(ctx, name, &rds.ClusterArgs{
		ClusterIdentifier:        pulumi.String(physicalName(args.Spec)), // its log groups are made before it
		Engine:                   pulumi.String(databaseEngine),
		EngineVersion:            pulumi.String(spec.Version),
		AllowMajorVersionUpgrade: pulumi.Bool(true), // by a version in the stack file, which nobody writes by mistake
		DatabaseName:             pulumi.String(databaseName),
		Port:                     pulumi.Int(databasePort),

		DbSubnetGroupName:           subnets.Name,
		VpcSecurityGroupIds:         pulumi.StringArray{group},
		DbClusterParameterGroupName: parameters,

		MasterUsername:                   pulumi.String(databaseAdmin),
		ManageMasterUserPassword:         pulumi.Bool(true), // made up, kept and rotated by AWS; never in the stack's state
		MasterUserSecretKmsKeyId:         args.Keys.Data.KeyId,
		IamDatabaseAuthenticationEnabled: pulumi.Bool(true), // CKV_AWS_162: services have no password at all

		StorageEncrypted: pulumi.Bool(true),  // CKV_AWS_96
		KmsKeyId:         args.Keys.Data.Arn, // CKV_AWS_327

		BackupRetentionPeriod:   pulumi.Int(spec.BackupDays),  // to any second of these days; CKV_AWS_133
		PreferredBackupWindow:   pulumi.String("02:00-03:00"), // UTC
		CopyTagsToSnapshot:      pulumi.Bool(true),
		DeletionProtection:      pulumi.Bool(spec.DeletionProtection), // CKV_AWS_139
		DeleteAutomatedBackups:  pulumi.Bool(!args.Spec.Production()),
		SkipFinalSnapshot:       pulumi.Bool(!args.Spec.Production()),
		FinalSnapshotIdentifier: final,

		EnabledCloudwatchLogsExports: pulumi.ToStringArray(databaseLogs), // CKV2_AWS_27
		PreferredMaintenanceWindow:   pulumi.String("sun:04:00-sun:05:00"),
		ApplyImmediately:             pulumi.Bool(!args.Spec.Production()), // in production, within the maintenance window
	}, stateful(args.Spec, database), pulumi.DependsOn(logs))
	if err != nil {
		return nil, fmt.Errorf("database: %w", err)
	}
	if err := database.addInstances(ctx, name, args, cluster); err != nil {
		return nil, err
	}

	database.ARN = cluster.Arn
	database.ClusterID = cluster.ClusterIdentifier
	database.ResourceID = cluster.ClusterResourceId
	database.AdminSecretARN = cluster.MasterUserSecrets.Index(pulumi.Int(0)).SecretArn().Elem()
	database.Endpoint = platform.DatabaseEndpoint{
		Host:     cluster.Endpoint,
		Port:     databasePort,
		Name:     databaseName,
		Login:    platform.LoginAWS,
		Admin:    vaultSecret(database.AdminSecretARN, ""),
		Roots:    pulumi.String(roots).ToStringOutput(),
		MaxConns: maxConnections(memory),
		CIDRs:    args.Network.DataCIDRs,
	}
	return database, ctx.RegisterResourceOutputs(database, pulumi.Map{
		"host":           database.Endpoint.Host,
		"resourceId":     database.ResourceID,
		"adminSecretArn": database.AdminSecretARN,
	})
}

// addInstances makes the writer and its readers, one zone after another. All
// have the same class: whichever takes over has to bear the whole load.
func (d *Database) addInstances(ctx *pulumi.Context, name string, args DatabaseArgs, cluster *rds.Cluster) error {
	monitor, err := newDatabaseMonitor(ctx, name, args.Account, d)
	if err != nil {
		return err
	}
	spec := args.Spec.Database
	for i := range 1 + spec.Readers {
		instanceName := fmt.Sprintf("%s-%d", name, i+1)
		if _, err := rds.NewClusterInstance(ctx, instanceName, &rds.ClusterInstanceArgs{
			ClusterIdentifier:                  cluster.ClusterIdentifier,
			Engine:                             pulumi.String(databaseEngine),
			EngineVersion:                      cluster.EngineVersion,
			InstanceClass:                      pulumi.String(spec.InstanceType),
			AvailabilityZone:                   pulumi.String(args.Network.Zones[i%args.Network.Spread]), // CKV_AWS_157
			CaCertIdentifier:                   pulumi.String("rds-ca-rsa2048-g1"),                       // one of those in rds-roots.pem
			PromotionTier:                      pulumi.Int(min(i, 15)),
			PubliclyAccessible:                 pulumi.Bool(spec.Public), // CKV_AWS_17
			DbSubnetGroupName:                  cluster.DbSubnetGroupName,
			PerformanceInsightsEnabled:         pulumi.Bool(true), // CKV_AWS_353
			PerformanceInsightsKmsKeyId:        args.Keys.Data.Arn,
			PerformanceInsightsRetentionPeriod: pulumi.Int(7),  // days; more is charged
			MonitoringInterval:                 pulumi.Int(60), // seconds; CKV_AWS_118
			MonitoringRoleArn:                  monitor,
			CopyTagsToSnapshot:                 pulumi.Bool(true),
			AutoMinorVersionUpgrade:            pulumi.Bool(false), // the stack file names the version, and a release is tried in staging first
			ApplyImmediately:                   pulumi.Bool(!args.Spec.Production()),
		}, stateful(args.Spec, d)); err != nil {
			return fmt.Errorf("instance %s: %w", instanceName, err)
		}
	}
	return nil
}

// addLogs makes the log groups before the database would: its own would be
// kept for ever, and not be encrypted with the stack's key.
func (d *Database) addLogs(ctx *pulumi.Context, name string, args DatabaseArgs) ([]pulumi.Resource, error) {
	var groups []pulumi.Resource
	for _, kind := range databaseLogs {
		groupName := fmt.Sprintf("/aws/rds/cluster/%s/%s", physicalName(args.Spec), kind)
		group, err := cloudwatch.NewLogGroup(ctx, name+"-"+kind, &cloudwatch.LogGroupArgs{
			Name:            pulumi.String(groupName),
			RetentionInDays: pulumi.Int(args.Spec.Observability.LogDays),
			KmsKeyId:        args.Keys.Logs.Arn,
		}, pulumi.Parent(d))
		if err != nil {
			return nil, fmt.Errorf("log group of the database's %s: %w", kind, err)
		}
		groups = append(groups, group)
	}
	return groups, nil
}

// newDatabaseMonitor lets RDS write what the operating system of each instance
// measures, and gives the role's ARN.
func newDatabaseMonitor(ctx *pulumi.Context, name string, account Account, parent pulumi.Resource) (pulumi.StringOutput, error) {
	role, err := iam.NewRole(ctx, name+"-monitor", &iam.RoleArgs{
		Description: pulumi.String("Writes enhanced monitoring of the database"),
		AssumeRolePolicy: pulumi.String(policy(statement{
			Effect: allow, Principal: service("monitoring.rds.amazonaws.com"), Action: []string{"sts:AssumeRole"},
			Condition: conditions{"StringEquals": {"aws:SourceAccount": {account.ID}}},
		})),
	}, pulumi.Parent(parent))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("role of enhanced monitoring: %w", err)
	}
	if _, err := iam.NewRolePolicyAttachment(ctx, name+"-monitor", &iam.RolePolicyAttachmentArgs{
		Role:      role.Name,
		PolicyArn: pulumi.String(account.managedPolicy("service-role/AmazonRDSEnhancedMonitoringRole")),
	}, pulumi.Parent(parent)); err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("rights of enhanced monitoring: %w", err)
	}
	return role.Arn, nil
}

// newFinalSnapshot names the snapshot that is made when production's database
// is deleted after all. A database that follows it and is deleted, too, needs
// another name, so there is a random part.
func newFinalSnapshot(ctx *pulumi.Context, name string, spec platform.Spec, parent pulumi.Resource) (pulumi.StringPtrInput, error) {
	if !spec.Production() {
		return nil, nil
	}
	suffix, err := random.NewRandomId(ctx, name+"-final", &random.RandomIdArgs{ByteLength: pulumi.Int(4)}, pulumi.Parent(parent))
	if err != nil {
		return nil, fmt.Errorf("name of the final snapshot: %w", err)
	}
	return pulumi.Sprintf("%s-final-%s", physicalName(spec), suffix.Hex), nil
}
