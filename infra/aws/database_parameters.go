package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/rds"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// databaseParameters are how PostgreSQL is set up. All of them can change
// without a restart. fsync is not among them: Aurora has it on, and lets nobody
// turn it off.
var databaseParameters = []struct{ name, value string }{
	{"rds.force_ssl", "1"},                            // CKV2_AWS_69: no connection without TLS
	{"synchronous_commit", "on"},                      // an acknowledged write is on disk, in three zones
	{"log_min_duration_statement", "500"},             // ms
	{"log_statement", "ddl"},                          // who changed the schema
	{"log_parameter_max_length", "0"},                 // the values of parameters are customers' data: never in a log
	{"log_parameter_max_length_on_error", "0"},        // likewise
	{"log_connections", "1"},                          // who logged in, and whence
	{"log_disconnections", "1"},                       //
	{"log_lock_waits", "1"},                           // who waits for whom for longer than a second
	{"idle_in_transaction_session_timeout", "300000"}, // ms; Aurora's own is a day, for which nothing could be vacuumed
}

// newDatabaseParameters makes the group of parameters and gives its name.
func newDatabaseParameters(ctx *pulumi.Context, name string, spec platform.Spec, parent pulumi.Resource) (pulumi.StringOutput, error) {
	major, _, _ := strings.Cut(spec.Database.Version, ".")
	var parameters rds.ClusterParameterGroupParameterArray
	for _, p := range databaseParameters {
		parameters = append(parameters, rds.ClusterParameterGroupParameterArgs{
			Name: pulumi.String(p.name), Value: pulumi.String(p.value), ApplyMethod: pulumi.String("immediate"),
		})
	}
	// The family is in the name: an upgrade to the next major version needs a
	// second group beside the one that is still in use.
	group, err := rds.NewClusterParameterGroup(ctx, name+"-"+major, &rds.ClusterParameterGroupArgs{
		Family:      pulumi.String(databaseEngine + major),
		Description: pulumi.String("PostgreSQL as Trivet wants it"),
		Parameters:  parameters,
	}, attached(spec, parent))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("parameters of the database: %w", err)
	}
	return group.Name, nil
}

// memoryOfLarge is the memory of the size "large" of each family of classes
// that Aurora PostgreSQL runs on, in GiB. Other sizes follow from it.
var memoryOfLarge = map[string]int{
	"t3": 8, "t4g": 8,
	"r5": 16, "r6g": 16, "r6gd": 16, "r6i": 16, "r6id": 16, "r7g": 16, "r7i": 16, "r8g": 16,
	"x2g": 32,
}

// memoryGiB is the memory of an instance class such as db.r6g.xlarge.
func memoryGiB(class string) (int, error) {
	parts := strings.Split(class, ".")
	if len(parts) != 3 || parts[0] != "db" || memoryOfLarge[parts[1]] == 0 {
		return 0, fmt.Errorf("database class %q: not one that Aurora PostgreSQL runs on; such are db.t4g.medium and db.r6g.large", class)
	}
	large, size := memoryOfLarge[parts[1]], parts[2]
	var times int
	switch size {
	case "medium":
		return large / 2, nil
	case "large":
		return large, nil
	case "xlarge":
		return 2 * large, nil
	}
	if _, err := fmt.Sscanf(size, "%dxlarge", &times); err != nil || size != fmt.Sprintf("%dxlarge", times) || times < 2 {
		return 0, fmt.Errorf("database class %q: no such size; such are medium, large, xlarge and 2xlarge", class)
	}
	return 2 * large * times, nil
}

// maxConnections is how many connections Aurora lets in by itself: one for each
// 9,531,392 bytes of memory, of which the system keeps some, and 5000 at most.
func maxConnections(memoryGiB int) int { return min(100*memoryGiB, 5000) }
