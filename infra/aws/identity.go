package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/iam"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// IdentityArgs are what services are given rights to.
type IdentityArgs struct {
	Spec     platform.Spec
	Account  Account
	Keys     *Keys
	Cluster  *Cluster
	Cache    *Cache
	Database *Database
	Broker   *Broker // nil without a broker
}

// Identity is a role for each service, bound to its service account by EKS Pod
// Identity, with the rights that the service uses and no others.
type Identity struct {
	pulumi.ResourceState

	Services map[string]platform.Identity
}

// NewIdentity registers the roles and what binds them to service accounts.
func NewIdentity(ctx *pulumi.Context, name string, args IdentityArgs, opts ...pulumi.ResourceOption) (*Identity, error) {
	identity := &Identity{Services: map[string]platform.Identity{}}
	if err := ctx.RegisterComponentResource(componentType("Identity"), name, identity, opts...); err != nil {
		return nil, err
	}
	outputs := pulumi.Map{}
	for _, service := range rightsOf(args) {
		arn, err := identity.addService(ctx, name, service, args)
		if err != nil {
			return nil, err
		}
		outputs[service.name] = arn
		identity.Services[service.name] = platform.Identity{
			ServiceAccount: service.name,
			Destinations:   append([]platform.Destination{credentialsEndpoint}, service.asks...),
		}
	}
	return identity, ctx.RegisterResourceOutputs(identity, outputs)
}

// credentialsEndpoint is where EKS Pod Identity's agent gives a pod the
// credentials of its role: on every node, by an address of its own.
var credentialsEndpoint = platform.Destination{CIDR: "169.254.170.23/32", Port: 80}

// A serviceRights is what one service may do: with the secrets and the database
// user that it is given, and by statements of its own.
type serviceRights struct {
	name       string
	database   bool // logs in there
	secrets    pulumi.StringArray
	statements []statement
	asks       []platform.Destination // where it asks the cloud itself
}

// rightsOf are all services' rights. A service that asks the cloud for nothing
// has a role as well: without one, a pod would be left with what it finds on
// its node.
func rightsOf(args IdentityArgs) []serviceRights {
	data := pulumi.StringArray{args.Cache.SecretARN}
	if args.Broker != nil {
		data = append(data, args.Broker.SecretARN)
	}
	services := []serviceRights{
		{name: apiService, database: true, secrets: data},
		{name: consumerService, database: true, secrets: data},
		// Makes the other users as the administrator, and changes the schema as itself.
		{name: migrateService, database: true, secrets: pulumi.StringArray{args.Database.AdminSecretARN}},
		{name: autoscalerService},
		{name: healthcheckService},
	}
	if args.Spec.Cluster.NodeAutoscaler == clusterAutoscaler {
		services = append(services, serviceRights{
			name: nodeAutoscaler, statements: scaleNodes(args),
			asks: []platform.Destination{{CIDR: everywhere, Port: 443}}, // AWS has no fixed addresses
		})
	}
	return services
}

// addService makes a service's role and gives its ARN.
func (i *Identity) addService(ctx *pulumi.Context, name string, rights serviceRights, args IdentityArgs) (pulumi.StringOutput, error) {
	roleName := fmt.Sprintf("%s-%s", name, rights.name)
	role, err := iam.NewRole(ctx, roleName, &iam.RoleArgs{
		Description:      pulumi.String(fmt.Sprintf("The service %s of %s", rights.name, physicalName(args.Spec))),
		AssumeRolePolicy: pulumi.String(podTrust(args.Account, args.Cluster.ARN, namespace, rights.name)),
	}, pulumi.Parent(i))
	if err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("role of %s: %w", rights.name, err)
	}
	if rights.database || len(rights.secrets) > 0 || len(rights.statements) > 0 {
		if _, err := iam.NewRolePolicy(ctx, roleName, &iam.RolePolicyArgs{
			Role:   role.Name,
			Policy: rights.policy(args),
		}, pulumi.Parent(i)); err != nil {
			return pulumi.StringOutput{}, fmt.Errorf("rights of %s: %w", rights.name, err)
		}
	}
	if _, err := eks.NewPodIdentityAssociation(ctx, roleName, &eks.PodIdentityAssociationArgs{
		ClusterName:    args.Cluster.Name,
		Namespace:      pulumi.String(namespace),
		ServiceAccount: pulumi.String(rights.name),
		RoleArn:        role.Arn,
	}, pulumi.Parent(i)); err != nil {
		return pulumi.StringOutput{}, fmt.Errorf("identity of %s: %w", rights.name, err)
	}
	return role.Arn, nil
}

// policy is the service's rights as a document. Resource's order: the
// database, the key of data, then the secrets.
func (r serviceRights) policy(args IdentityArgs) pulumi.StringOutput {
	values := append(pulumi.StringArray{args.Database.ResourceID, args.Keys.Data.Arn}, r.secrets...)
	return policyOf(values, func(values []string) []statement {
		database, key, secrets := values[0], values[1], values[2:]
		var statements []statement
		if r.database {
			statements = append(statements, statement{
				Sid: "LogIn", Effect: allow, Action: []string{"rds-db:connect"},
				Resource: []string{args.Account.arn("rds-db", fmt.Sprintf("dbuser:%s/%s", database, platform.DatabaseUser(r.name)))},
			})
		}
		if len(secrets) > 0 {
			statements = append(statements,
				statement{
					Sid: "ReadSecrets", Effect: allow,
					Action: []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"}, Resource: secrets,
				},
				statement{
					Sid: "DecryptSecrets", Effect: allow, Action: []string{"kms:Decrypt"}, Resource: []string{key},
					Condition: conditions{"StringEquals": {"kms:ViaService": {"secretsmanager." + args.Account.Region + ".amazonaws.com"}}},
				})
		}
		return append(statements, r.statements...)
	})
}

// podTrust lets one service account of one cluster take on a role. The tags are
// set by EKS, which has checked the pod's token.
func podTrust(account Account, clusterARN, namespace, serviceAccount string) string {
	return policy(statement{
		Effect: allow, Principal: service("pods.eks.amazonaws.com"), Action: []string{"sts:AssumeRole", "sts:TagSession"},
		Condition: conditions{
			"StringEquals": {
				"aws:SourceAccount":                         {account.ID},
				"aws:RequestTag/kubernetes-namespace":       {namespace},
				"aws:RequestTag/kubernetes-service-account": {serviceAccount},
			},
			"ArnEquals": {"aws:SourceArn": {clusterARN}},
		},
	})
}
