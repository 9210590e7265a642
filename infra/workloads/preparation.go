package workloads

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	batchv1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/batch/v1"
	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi-random/sdk/v4/go/random"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

// migrate is the service that the jobs belong to: they have its identity, and
// its database user owns the schema.
const migrate = "migrate"

// databaseUsers are the services that log in to the database to use it.
var databaseUsers = []string{"api", "consumer"}

// Preparation is the two jobs that run before the services of a new version: the
// bootstrap makes the database's roles, as its administrator, and the migration
// brings the schema up to date, as its owner. Each runs once for each image.
type Preparation struct {
	pulumi.ResourceState

	Migrated *batchv1.Job // has ended with success
}

func newPreparation(ctx *pulumi.Context, s *site, opts pulumi.ResourceOption) (*Preparation, error) {
	p := &Preparation{}
	if err := ctx.RegisterComponentResource("trivet:workloads:Preparation", s.logical("preparation"), p, opts); err != nil {
		return nil, fmt.Errorf("preparation: %w", err)
	}
	serviceAccount, err := s.newServiceAccount(ctx, migrate, p)
	if err != nil {
		return nil, err
	}
	var f flows
	s.toDatabase(&f)
	s.toCloud(&f, s.identity(migrate))
	policy, err := s.newPolicy(ctx, migrate, f, p)
	if err != nil {
		return nil, err
	}
	if err := s.newRolePasswords(ctx, p); err != nil {
		return nil, err
	}
	bootstrap, err := s.newBootstrap(ctx, serviceAccount, []pulumi.Resource{policy}, p)
	if err != nil {
		return nil, err
	}
	if p.Migrated, err = s.newMigration(ctx, serviceAccount, []pulumi.Resource{bootstrap}, p); err != nil {
		return nil, err
	}
	return p, ctx.RegisterResourceOutputs(p, pulumi.Map{"migrated": p.Migrated.Metadata.Name()})
}

// newRolePasswords makes up a password for each of the database's users, where
// they have no identity to log in with.
func (s *site) newRolePasswords(ctx *pulumi.Context, parent pulumi.Resource) error {
	if !s.passwordLogin() {
		return nil
	}
	s.rolePasswords = make(map[string]pulumi.StringOutput)
	for _, service := range append([]string{migrate}, databaseUsers...) {
		made, err := random.NewRandomPassword(ctx, s.logical(service+"-database"), &random.RandomPasswordArgs{
			Length: pulumi.Int(48), Special: pulumi.Bool(false),
		}, pulumi.Parent(parent))
		if err != nil {
			return fmt.Errorf("database password of %s: %w", service, err)
		}
		s.rolePasswords[service] = pulumi.ToSecret(made.Result).(pulumi.StringOutput)
	}
	return nil
}

func userNames() string {
	names := make([]string, len(databaseUsers))
	for i, service := range databaseUsers {
		names[i] = platform.DatabaseUser(service)
	}
	return strings.Join(names, ",")
}

// newBootstrap makes the database's roles. It alone has the administrator's
// login, for the seconds that it runs.
func (s *site) newBootstrap(ctx *pulumi.Context, as *corev1.ServiceAccount, before []pulumi.Resource, parent pulumi.Resource) (*batchv1.Job, error) {
	variables := append(s.databaseSettings(""),
		setting{"TRIVET_DATABASE_OWNER", pulumi.String(platform.DatabaseUser(migrate))},
		setting{"TRIVET_DATABASE_USERS", pulumi.String(userNames())})
	var f files
	f.mountRoots(s.roots)
	if err := f.mountSecrets(ctx, s, "bootstrap", []secretFile{{"TRIVET_DATABASE_ADMIN", "database-admin", s.on.Database.Admin}}, parent); err != nil {
		return nil, err
	}
	if s.passwordLogin() {
		passwords := pulumi.StringMap{}
		for service, password := range s.rolePasswords {
			passwords[platform.DatabaseUser(service)] = password
		}
		secret, err := s.newSecret(ctx, migrate, "database-roles", passwords, parent)
		if err != nil {
			return nil, err
		}
		f.mountSecret("roles", rolesDir, secret)
		variables = append(variables, setting{"TRIVET_DATABASE_PASSWORDS", pulumi.String(rolesDir)})
	}
	return s.newJob(ctx, "bootstrap", s.rolesChecksum(), variables, f, as, before, parent)
}

// rolesChecksum makes the bootstrap run again when a password has been made
// anew: a job's pods cannot change, so that the engine replaces it. Passwords are
// long enough for their sum to tell nothing.
func (s *site) rolesChecksum() pulumi.StringMap {
	if !s.passwordLogin() {
		return nil
	}
	var passwords []any
	for _, service := range slices.Sorted(maps.Keys(s.rolePasswords)) {
		passwords = append(passwords, s.rolePasswords[service])
	}
	sum := pulumi.All(passwords...).ApplyT(func(values []any) string { return generation(fmt.Sprint(values...)) }).(pulumi.StringOutput)
	return pulumi.StringMap{"trivet.dev/roles": sum}
}

// newMigration brings the schema up to date.
func (s *site) newMigration(ctx *pulumi.Context, as *corev1.ServiceAccount, before []pulumi.Resource, parent pulumi.Resource) (*batchv1.Job, error) {
	variables := append(s.databaseSettings(platform.DatabaseUser(migrate)),
		setting{"TRIVET_DATABASE_OWNER", pulumi.String(platform.DatabaseUser(migrate))},
		setting{"TRIVET_DATABASE_USERS", pulumi.String(userNames())})
	var f files
	f.mountRoots(s.roots)
	if s.passwordLogin() {
		own := secretFile{"TRIVET_DATABASE_PASSWORD", "database-password", platform.Secret{Value: s.rolePasswords[migrate]}}
		if err := f.mountSecrets(ctx, s, migrate, []secretFile{own}, parent); err != nil {
			return nil, err
		}
	}
	return s.newJob(ctx, migrate, nil, variables, f, as, before, parent)
}

// Bounds of a job: it tries again for a database that is not there yet, and
// gives up before the deployment that waits for it does.
const (
	jobAttempts = 6
	jobSeconds  = 900
	jobWait     = "20m"
)

// newJob runs a command of the api's image to its end. The deployment waits for
// that, and fails with it.
func (s *site) newJob(ctx *pulumi.Context, command string, annotations pulumi.StringMap, variables []setting, f files, as *corev1.ServiceAccount, before []pulumi.Resource, parent pulumi.Resource) (*batchv1.Job, error) {
	name := object(command) + "-" + generation(s.args.Services["api"].Image, string(s.on.Database.Login), userNames())
	meta := s.meta(migrate, name)
	job, err := batchv1.NewJob(ctx, s.logical(command), &batchv1.JobArgs{
		Metadata: meta,
		Spec: &batchv1.JobSpecArgs{
			BackoffLimit:          pulumi.Int(jobAttempts),
			ActiveDeadlineSeconds: pulumi.Int(jobSeconds),
			Template: s.template(pod{
				service: migrate, annotations: annotations, size: s.jobSize(), args: pulumi.StringArray{pulumi.String(command)},
				variables: variables, files: f, restart: "Never", grace: 30,
			}, as),
		},
	}, pulumi.Parent(parent), pulumi.DependsOn(append(before, f.made...)),
		pulumi.Timeouts(&pulumi.CustomTimeouts{Create: jobWait, Update: jobWait}))
	if err != nil {
		return nil, fmt.Errorf("job %s: %w", command, err)
	}
	return job, nil
}

// jobSize is what each job takes.
func (s *site) jobSize() stack.Service {
	size := s.args.Services[migrate]
	if size.CPU == "" {
		size.CPU = "250m"
	}
	if size.Memory == "" {
		size.Memory = "256Mi"
	}
	return size
}
