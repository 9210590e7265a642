package aws

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/eks"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// deployGroup is the group in Kubernetes of those who deploy. What they need
// beyond the services' namespace is bound to it there.
const deployGroup = "trivet:deploy"

// addAccess lets administrators and deployers into the cluster, and nobody else.
// Who administers it may deploy, too: a role has one entry.
func (c *Cluster) addAccess(ctx *pulumi.Context, name string, args ClusterArgs) error {
	for _, role := range args.Spec.Cluster.AdminRoles {
		if err := c.addAccessEntry(ctx, fmt.Sprintf("%s-admin-%s", name, entryName(role)), args.Account, accessEntry{
			role:   role,
			policy: "AmazonEKSClusterAdminPolicy",
			scope:  &eks.AccessPolicyAssociationAccessScopeArgs{Type: pulumi.String("cluster")},
		}); err != nil {
			return err
		}
	}
	for _, role := range args.Spec.Cluster.DeployRoles {
		if slices.Contains(args.Spec.Cluster.AdminRoles, role) {
			continue
		}
		if err := c.addAccessEntry(ctx, fmt.Sprintf("%s-deploy-%s", name, entryName(role)), args.Account, accessEntry{
			role:   role,
			groups: []string{deployGroup},
			policy: "AmazonEKSAdminPolicy",
			scope: &eks.AccessPolicyAssociationAccessScopeArgs{
				Type:       pulumi.String("namespace"),
				Namespaces: pulumi.ToStringArray([]string{namespace}),
			},
		}); err != nil {
			return err
		}
	}
	return nil
}

// entryName tells roles apart, also those that differ by their path alone.
func entryName(role string) string {
	name := role[strings.LastIndex(role, ":")+1:]
	return strings.ReplaceAll(strings.TrimPrefix(name, "role/"), "/", "-")
}

// An accessEntry is a role of IAM and what it may do in the cluster.
type accessEntry struct {
	role   string // ARN
	groups []string
	policy string // of EKS
	scope  *eks.AccessPolicyAssociationAccessScopeArgs
}

// addAccessEntry lets a role in.
func (c *Cluster) addAccessEntry(ctx *pulumi.Context, name string, account Account, access accessEntry) error {
	entry, err := eks.NewAccessEntry(ctx, name, &eks.AccessEntryArgs{
		ClusterName:      c.Name,
		PrincipalArn:     pulumi.String(access.role),
		KubernetesGroups: pulumi.ToStringArray(access.groups),
		Type:             pulumi.String("STANDARD"),
	}, pulumi.Parent(c))
	if err != nil {
		return fmt.Errorf("access of %s: %w", access.role, err)
	}
	if _, err := eks.NewAccessPolicyAssociation(ctx, name, &eks.AccessPolicyAssociationArgs{
		ClusterName:  c.Name,
		PrincipalArn: entry.PrincipalArn,
		PolicyArn:    pulumi.String(fmt.Sprintf("arn:%s:eks::aws:cluster-access-policy/%s", account.Partition, access.policy)),
		AccessScope:  access.scope,
	}, pulumi.Parent(c)); err != nil {
		return fmt.Errorf("rights of %s: %w", access.role, err)
	}
	return nil
}
