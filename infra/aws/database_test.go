package aws

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

const (
	databaseType     = "aws:rds/cluster:Cluster"
	instanceType     = "aws:rds/clusterInstance:ClusterInstance"
	logGroupType     = "aws:cloudwatch/logGroup:LogGroup"
	dataKey, logsKey = "arn:aws:aws:kms/key:Key:trivet-keys-data", "arn:aws:aws:kms/key:Key:trivet-keys-logs"
)

func TestDatabaseIsClosedEncryptedAndBackedUp(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		database := made.the(t, databaseType, "trivet-database")
		database.want(t, map[string]any{
			"engine": "aurora-postgresql", "engineVersion": spec.Database.Version, "port": 5432, "databaseName": "trivet",
			"storageEncrypted": true, "kmsKeyId": dataKey,
			"manageMasterUserPassword": true, "masterUserSecretKmsKeyId": "key/trivet-keys-data", "iamDatabaseAuthenticationEnabled": true,
			"masterPassword": nil, "enabledCloudwatchLogsExports": []any{"postgresql", "iam-db-auth-error"},
			"backupRetentionPeriod": spec.Database.BackupDays, "deletionProtection": spec.Database.DeletionProtection,
			"skipFinalSnapshot": !spec.Production(), "deleteAutomatedBackups": !spec.Production(), "copyTagsToSnapshot": true,
			"applyImmediately": !spec.Production(), "clusterIdentifier": "trivet-" + spec.Stack,
		})
		if spec.Production() {
			database.want(t, map[string]any{"deletionProtection": true, "finalSnapshotIdentifier": "trivet-prod-aws-final-0a1b2c3d"})
			if spec.Database.BackupDays < 14 {
				t.Errorf("%s: backups of %d days", name, spec.Database.BackupDays)
			}
		}
		for _, kind := range databaseLogs {
			made.the(t, logGroupType, "trivet-database-"+kind).want(t, map[string]any{
				"name":            fmt.Sprintf("/aws/rds/cluster/trivet-%s/%s", spec.Stack, kind),
				"retentionInDays": spec.Observability.LogDays, "kmsKeyId": logsKey,
			})
		}
	}
}

func TestDatabaseParametersKeepPromises(t *testing.T) {
	t.Parallel()
	group := deploy(t, devSpec()).the(t, "aws:rds/clusterParameterGroup:ClusterParameterGroup", "trivet-database-16")
	group.want(t, map[string]any{"family": "aurora-postgresql16"})
	parameters := map[string]string{}
	for _, p := range group.input("parameters").([]any) {
		parameter := p.(map[string]any)
		parameters[parameter["name"].(string)] = parameter["value"].(string)
	}
	for name, want := range map[string]string{
		"rds.force_ssl": "1", "synchronous_commit": "on", "log_min_duration_statement": "500", "log_statement": "ddl",
		"log_parameter_max_length": "0", "log_parameter_max_length_on_error": "0",
	} {
		if parameters[name] != want {
			t.Errorf("%s is %q, want %q", name, parameters[name], want)
		}
	}
	if fsync, ok := parameters["fsync"]; ok {
		t.Errorf("fsync is set, to %s", fsync)
	}
}

func TestDatabaseInstancesStandInDifferentZones(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		instances := deploy(t, spec).of(instanceType)
		if len(instances) != 1+spec.Database.Readers {
			t.Fatalf("%s: %d instances for %d readers", name, len(instances), spec.Database.Readers)
		}
		zones := map[any]bool{}
		for i, instance := range instances {
			zones[instance.input("availabilityZone")] = true
			instance.want(t, map[string]any{
				"instanceClass": spec.Database.InstanceType, "promotionTier": i, "publiclyAccessible": false,
				"performanceInsightsEnabled": true, "performanceInsightsKmsKeyId": dataKey, "monitoringInterval": 60,
				"monitoringRoleArn": "arn:aws:aws:iam/role:Role:trivet-database-monitor",
			})
			if of := instance.references["clusterIdentifier"]; len(of) != 1 || !strings.HasSuffix(of[0], databaseType+"::trivet-database") {
				t.Errorf("%s: %s is of cluster %v", name, instance.urn(), of)
			}
		}
		if want := min(len(instances), spec.Network.Zones); len(zones) != want {
			t.Errorf("%s: %d instances in zones %v", name, len(instances), zones)
		}
		if spec.Production() && len(zones) < 2 {
			t.Errorf("%s: the database is in one zone", name)
		}
	}
}

// TestNobodyIsGivenTheReaders looks for the readers' endpoint, whose answers may
// be older than an acknowledged write, in all that the workloads are given.
func TestNobodyIsGivenTheReaders(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	database := made.platform.Database
	if got := resolve(t, database.Host); got != "trivet-database.example.net" {
		t.Errorf("the host is %q, want the writer", got)
	}
	if database.Port != 5432 || database.Name != "trivet" || database.Login != platform.LoginAWS || database.MaxConns != 3200 || len(database.CIDRs) != 3 {
		t.Errorf("the endpoint is %+v", database)
	}
	wantVault(t, database.Admin, "arn:aws:secretsmanager:eu-central-1:123456789012:secret:admin", "")
}

func TestDatabaseRootsAreThoseOfTheRegion(t *testing.T) {
	t.Parallel()
	roots, err := rdsRoots("eu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	var algorithms []string
	for rest := []byte(roots); ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		root, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		name := root.Subject.CommonName
		if !strings.HasPrefix(name, "Amazon RDS eu-central-1 Root CA ") || !root.IsCA || root.CheckSignatureFrom(root) != nil {
			t.Errorf("%s is no authority of the region", name)
		}
		algorithms = append(algorithms, strings.TrimPrefix(name, "Amazon RDS eu-central-1 Root CA "))
	}
	slices.Sort(algorithms)
	if want := []string{"ECC384 G1", "RSA2048 G1", "RSA4096 G1"}; !slices.Equal(algorithms, want) {
		t.Errorf("the authorities are %v, want %v", algorithms, want)
	}
	if _, err := rdsRoots("mars-north-1"); err == nil || !strings.Contains(err.Error(), "mars-north-1") {
		t.Errorf("a region that nobody knows: %v", err)
	}
}

func TestMemoryOfDatabaseClasses(t *testing.T) {
	t.Parallel()
	for class, want := range map[string]int{
		"db.t4g.medium": 4, "db.t3.large": 8, "db.r5.large": 16, "db.r6g.xlarge": 32, "db.r6g.2xlarge": 64, "db.r7g.16xlarge": 512, "db.x2g.large": 32,
	} {
		if got, err := memoryGiB(class); err != nil || got != want {
			t.Errorf("%s has %d GiB, %v; want %d", class, got, err, want)
		}
	}
	for _, class := range []string{"db.m5.large", "r5.large", "db.r5", "db.r5.small", "db.r5.1xlarge", "db.r5.-2xlarge", "db.r5.2xlargest", "db.serverless", ""} {
		if _, err := memoryGiB(class); err == nil || !strings.Contains(err.Error(), class) {
			t.Errorf("%q: %v, want an error about it", class, err)
		}
	}
	if got := maxConnections(512); got != 5000 {
		t.Errorf("%d connections with 512 GiB, want Aurora's 5000", got)
	}
}

func TestAClassThatDoesNotExistIsRefusedBeforeAnythingIsMade(t *testing.T) {
	t.Parallel()
	spec := devSpec()
	spec.Database.InstanceType = "db.m5.large"
	made := run(spec, &account{}, false, func(ctx *pulumi.Context, spec platform.Spec, _ *deployment) error {
		_, err := NewDatabase(ctx, "trivet-database", DatabaseArgs{Spec: spec})
		return err
	})
	if made.err == nil || !strings.Contains(made.err.Error(), "db.m5.large") || len(made.resources) != 0 {
		t.Errorf("%v after %v", made.err, names(made.resources))
	}
}
