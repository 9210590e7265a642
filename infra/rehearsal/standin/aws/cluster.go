package aws

import "github.com/trivetkv/trivet/infra/rehearsal/standin"

var cluster = map[string]standin.Kind{
	"aws:eks/cluster:Cluster": {
		Naming:  named(100),
		Replace: []string{"roleArn", "bootstrapSelfManagedAddons", "outpostConfig"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:eks:{region}:{account}:cluster/{name}", "clusterId": "", "createdAt": "2026-01-01T00:00:00Z",
			"endpoint":                "https://{hex:32}.gr7.{region}.eks.{suffix}",
			"certificateAuthorities":  []any{map[string]any{"data": certificateAuthority}},
			"certificateAuthority":    map[string]any{"data": certificateAuthority},
			"identities":              []any{map[string]any{"oidcs": []any{map[string]any{"issuer": "https://oidc.eks.{region}.{suffix}/id/{upper:32:oidc}"}}}},
			"platformVersion":         "eks.1",
			"status":                  "ACTIVE",
			"accessConfig":            map[string]any{"authenticationMode": "CONFIG_MAP"},
			"kubernetesNetworkConfig": map[string]any{"serviceIpv4Cidr": "172.20.0.0/16", "ipFamily": "ipv4"},
			"upgradePolicy":           map[string]any{"supportType": "EXTENDED"},
			"version":                 "1.33",
		},
		Within: map[string]string{"vpcConfig.clusterSecurityGroupId": "sg-{hex:17:cluster}"},
	},
	"aws:eks/nodeGroup:NodeGroup": {
		ID: "{.clusterName}:{name}", Naming: standin.Names{Property: "nodeGroupName", Max: 63},
		Replace: []string{
			"amiType", "capacityType", "clusterName", "diskSize", "instanceTypes", "nodeRoleArn", "remoteAccess", "subnetIds", "nodeGroupNamePrefix",
		},
		Outputs: map[string]any{
			"arn": "arn:{partition}:eks:{region}:{account}:nodegroup/{.clusterName}/{name}/{uuid}", "status": "ACTIVE",
			"amiType": "AL2023_x86_64_STANDARD", "capacityType": "ON_DEMAND", "releaseVersion": "1.33.0-20260101", "version": "1.33", "diskSize": 20,
			"resources": []any{map[string]any{
				"autoscalingGroups":           []any{map[string]any{"name": "eks-{name}-{uuid:asg}"}},
				"remoteAccessSecurityGroupId": "",
			}},
		},
	},
	"aws:eks/addon:Addon": {
		ID: "{.clusterName}:{.addonName}", Replace: []string{"addonName", "clusterName"},
		Outputs: map[string]any{
			"arn":       "arn:{partition}:eks:{region}:{account}:addon/{.clusterName}/{.addonName}/{uuid}",
			"createdAt": "2026-01-01T00:00:00Z", "modifiedAt": "2026-01-01T00:00:00Z", "addonVersion": "v1.0.0-eksbuild.1", "configurationValues": "",
		},
	},
	"aws:eks/accessEntry:AccessEntry": {
		ID: "{.clusterName}:{.principalArn}", Replace: []string{"clusterName", "principalArn", "type"},
		Outputs: map[string]any{
			"accessEntryArn": "arn:{partition}:eks:{region}:{account}:access-entry/{.clusterName}/role/{account}/{hex:8}/{uuid}",
			"createdAt":      "2026-01-01T00:00:00Z", "modifiedAt": "2026-01-01T00:00:00Z", "userName": "{.principalArn}",
		},
	},
	"aws:eks/accessPolicyAssociation:AccessPolicyAssociation": {
		ID: "{.clusterName}#{.principalArn}#{.policyArn}", Replace: []string{"accessScope", "clusterName", "policyArn", "principalArn"},
		Outputs: map[string]any{"associatedAt": "2026-01-01T00:00:00Z", "modifiedAt": "2026-01-01T00:00:00Z"},
	},
	"aws:eks/podIdentityAssociation:PodIdentityAssociation": {
		ID: "a-{hex}", Replace: []string{"clusterName", "namespace", "serviceAccount"},
		Outputs: map[string]any{
			"associationId":  "a-{hex}",
			"associationArn": "arn:{partition}:eks:{region}:{account}:podidentityassociation/{.clusterName}/a-{hex}",
		},
	},
	"aws:ec2/launchTemplate:LaunchTemplate": {
		ID: "lt-{hex}", Naming: named(125), Replace: []string{"namePrefix"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:ec2:{region}:{account}:launch-template/{id}", "latestVersion": 1, "defaultVersion": 1,
		},
		Volatile: []string{"latestVersion"},
		Refine:   newVersion,
	},
	"aws:autoscaling/attachment:Attachment": {
		ID: "{.autoscalingGroupName}-{hex:26}", Replace: []string{"autoscalingGroupName", "elb", "lbTargetGroupArn"},
	},
	"aws:autoscaling/tag:Tag": {ID: "{.autoscalingGroupName},{.tag.key}", Replace: []string{"autoscalingGroupName"}},
	"aws:autoscaling/lifecycleHook:LifecycleHook": {
		Naming: named(255), Replace: []string{"autoscalingGroupName"},
	},
	"aws:iam/role:Role": {
		Naming: named(64), Replace: []string{"path", "namePrefix"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:iam::{account}:role/{name}", "uniqueId": "AROA{upper:17}", "createDate": "2026-01-01T00:00:00Z",
			"maxSessionDuration": 3600, "path": "/",
		},
	},
	"aws:iam/policy:Policy": {
		ID: "arn:{partition}:iam::{account}:policy/{name}", Naming: named(128), Replace: []string{"description", "path", "namePrefix"},
		Outputs: map[string]any{"arn": "{id}", "policyId": "ANPA{upper:17}"},
	},
	"aws:iam/rolePolicy:RolePolicy":                     {ID: "{.role}:{name}", Naming: named(128), Replace: []string{"role", "namePrefix"}},
	"aws:iam/rolePolicyAttachment:RolePolicyAttachment": {ID: "{.role}/{.policyArn}", Replace: []string{"role", "policyArn"}},
	"aws:iam/instanceProfile:InstanceProfile": {
		Naming: named(128), Replace: []string{"path", "namePrefix"},
		Outputs: map[string]any{"arn": "arn:{partition}:iam::{account}:instance-profile/{name}", "uniqueId": "AIPA{upper:17}", "createDate": "2026-01-01T00:00:00Z"},
	},
	"aws:iam/serviceLinkedRole:ServiceLinkedRole": {
		ID: "arn:{partition}:iam::{account}:role/aws-service-role/{.awsServiceName}/{name}", Replace: []string{"awsServiceName", "customSuffix"},
	},
	"aws:iam/openIdConnectProvider:OpenIdConnectProvider": {
		ID: "arn:{partition}:iam::{account}:oidc-provider/{hex:32}", Replace: []string{"url"}, Outputs: map[string]any{"arn": "{id}"},
	},
	"aws:ecr/repository:Repository": {
		Naming: standin.Names{Property: "name", Max: 256, Lower: true}, Replace: []string{"encryptionConfigurations"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:ecr:{region}:{account}:repository/{name}", "registryId": "{account}",
			"repositoryUrl": "{account}.dkr.ecr.{region}.{suffix}/{name}",
		},
	},
	"aws:ecr/lifecyclePolicy:LifecyclePolicy":                             {ID: "{.repository}", Replace: []string{"repository", "policy"}, Outputs: map[string]any{"registryId": "{account}"}},
	"aws:ecr/repositoryPolicy:RepositoryPolicy":                           {ID: "{.repository}", Replace: []string{"repository"}, Outputs: map[string]any{"registryId": "{account}"}},
	"aws:ecr/registryScanningConfiguration:RegistryScanningConfiguration": {ID: "{account}", Outputs: map[string]any{"registryId": "{account}"}},
}

// certificateAuthority is base64 of a PEM block that holds no certificate: a
// stand-in has no cluster whose certificates anybody could check.
const certificateAuthority = "LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tClJlaGVhcnNhbAotLS0tLUVORCBDRVJUSUZJQ0FURS0tLS0tCg=="
