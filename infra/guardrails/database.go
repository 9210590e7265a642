package guardrails

import (
	"fmt"
	"slices"

	"github.com/trivetkv/trivet/infra/graph"
)

const (
	databaseType   = "aws:rds/cluster:Cluster"
	instanceType   = "aws:rds/clusterInstance:ClusterInstance"
	parametersType = "aws:rds/clusterParameterGroup:ClusterParameterGroup"
)

var databaseRules = []Rule{
	{
		Name:   "database-private",
		Reason: "a database with a public address is one password away from everybody",
		IDs:    []string{"CKV_AWS_17", "AVD-AWS-0180", "RDS.2"},
		Fix:    "pulumi config set --path trivet:database.public false",
		Check:  each([]string{instanceType}, off("publiclyAccessible")),
	},
	{
		Name:   "database-tls",
		Reason: "a client that forgets TLS would send values and tokens as they are",
		IDs:    []string{"CKV2_AWS_69", "RDS.38"},
		Fix:    "set parameter rds.force_ssl of the cluster's parameter group to 1",
		Check:  uses(databaseType, "dbClusterParameterGroupName", parametersType, parameter("rds.force_ssl", "1")),
	},
	{
		Name:   "database-encrypted",
		Reason: "only with the stack's own key can access to snapshots be withdrawn and seen",
		IDs:    []string{"CKV_AWS_96", "CKV_AWS_327", "AVD-AWS-0079", "RDS.27"},
		Fix:    "set storageEncrypted of the database to true and kmsKeyId to the stack's own key",
		Check:  each([]string{databaseType}, is("storageEncrypted", true), given("kmsKeyId")),
	},
	{
		Name:       "database-in-two-zones",
		Reason:     "with one instance, the loss of its zone is an outage until another has started",
		IDs:        []string{"CKV_AWS_157", "RDS.15"},
		Fix:        "pulumi config set --path trivet:database.readers 1",
		Production: true,
		Check:      whole(inTwoZones),
	},
	{
		Name:       "database-backups",
		Reason:     "a mistake that is noticed after two weeks could not be undone",
		IDs:        []string{"CKV_AWS_133", "AVD-AWS-0077", "RDS.11"},
		Fix:        "pulumi config set --path trivet:database.backupDays 14",
		Production: true,
		Check:      each([]string{databaseType}, atLeast("backupRetentionPeriod", 14)),
	},
	{
		Name:       "database-final-snapshot",
		Reason:     "a cluster that is deleted would take all data with it",
		IDs:        []string{"CKV2_AWS_8"},
		Fix:        "set skipFinalSnapshot of the database to false, and a finalSnapshotIdentifier",
		Production: true,
		Check:      each([]string{databaseType}, off("skipFinalSnapshot"), given("finalSnapshotIdentifier")),
	},
	{
		Name:       "database-deletion-protection",
		Reason:     "a wrong click in the console would delete it",
		IDs:        []string{"CKV_AWS_139", "AVD-AWS-0343", "RDS.7"},
		Fix:        "pulumi config set --path trivet:database.deletionProtection true",
		Production: true,
		Check:      each([]string{databaseType}, is("deletionProtection", true)),
	},
	{
		Name:   "database-login-by-identity",
		Reason: "a password of a service is one more secret that leaks and has to be changed",
		IDs:    []string{"CKV_AWS_162", "AVD-AWS-0176", "RDS.12"},
		Fix:    "set iamDatabaseAuthenticationEnabled of the database to true",
		Check:  each([]string{databaseType}, is("iamDatabaseAuthenticationEnabled", true)),
	},
	{
		Name:   "database-password-managed",
		Reason: "an administrator's password in a stack's state is never rotated",
		IDs:    []string{"SecretsManager.1", "CKV_AWS_304"},
		Fix:    "set manageMasterUserPassword of the database to true and remove masterPassword",
		Check:  each([]string{databaseType}, is("manageMasterUserPassword", true), absent("masterPassword")),
	},
	{
		Name:   "database-query-logs",
		Reason: "slow and failed statements would leave no trace",
		IDs:    []string{"CKV2_AWS_27"},
		Fix:    "set parameter log_min_duration_statement of the cluster's parameter group",
		Check: uses(databaseType, "dbClusterParameterGroupName", parametersType,
			either(parameterSet("log_min_duration_statement"), parameterSet("log_statement"))),
	},
	{
		Name:   "database-logs-exported",
		Reason: "logs on an instance are gone with it",
		IDs:    []string{"CKV_AWS_324", "RDS.37"},
		Fix:    "set enabledCloudwatchLogsExports of the database to postgresql",
		Check:  each([]string{databaseType}, includes("enabledCloudwatchLogsExports", "postgresql")),
	},
	{
		Name:       "database-insights",
		Reason:     "without them nobody can tell which statement loads the database",
		IDs:        []string{"CKV_AWS_353", "CKV_AWS_118", "AVD-AWS-0133", "RDS.6"},
		Fix:        "set performanceInsightsEnabled of the instance to true and its monitoringInterval to 60",
		Production: true,
		Check: each([]string{instanceType},
			is("performanceInsightsEnabled", true), given("performanceInsightsKmsKeyId"), atLeast("monitoringInterval", 1)),
	},
}

// parameter wants a value of a parameter group's parameter.
func parameter(name, want string) Test {
	return func(r graph.Resource) string {
		if got := parameterOf(r, name); !got.Is(want) {
			return fmt.Sprintf("parameter %s is %s, want %s", name, shown(got), want)
		}
		return ""
	}
}

// parameterSet wants any value of a parameter group's parameter.
func parameterSet(name string) Test {
	return func(r graph.Resource) string {
		if !parameterOf(r, name).Set() {
			return fmt.Sprintf("parameter %s is not set", name)
		}
		return ""
	}
}

func parameterOf(r graph.Resource, name string) graph.Value {
	for _, p := range r.Input("parameters").List() {
		if p.Field("name").Text() == name {
			return p.Field("value")
		}
	}
	return graph.Value{}
}

func inTwoZones(g graph.Graph) []Finding {
	var findings []Finding
	for _, database := range g.Of(databaseType) {
		instances := g.Referring(instanceType, "clusterIdentifier", database)
		var zones []string
		for _, instance := range instances {
			// Without a zone asked for, AWS spreads the instances itself.
			if zone := instance.Input("availabilityZone").Text(); zone != "" && !slices.Contains(zones, zone) {
				zones = append(zones, zone)
			}
		}
		if len(instances) < 2 || len(zones) == 1 {
			findings = append(findings, Finding{database.URN, fmt.Sprintf("it has %d instances in %d zones", len(instances), max(1, len(zones)))})
		}
	}
	return findings
}
