package aws

import (
	"reflect"
	"slices"
	"strings"
	"testing"
)

func TestTheAPIMayLogInAndReadItsSecrets(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	got := made.the(t, "aws:iam/rolePolicy:RolePolicy", "trivet-identity-api").policy(t, "policy")
	want := []statement{
		{
			Sid: "LogIn", Effect: "Allow", Action: []string{"rds-db:connect"},
			Resource: []string{"arn:aws:rds-db:eu-central-1:123456789012:dbuser:cluster-ABCDEFGH/trivet_api"},
		},
		{
			Sid: "ReadSecrets", Effect: "Allow", Action: []string{"secretsmanager:DescribeSecret", "secretsmanager:GetSecretValue"},
			Resource: []string{
				"arn:aws:aws:secretsmanager/secret:Secret:trivet-cache",
				"arn:aws:aws:secretsmanager/secret:Secret:trivet-broker",
			},
		},
		{
			Sid: "DecryptSecrets", Effect: "Allow", Action: []string{"kms:Decrypt"}, Resource: []string{"arn:aws:aws:kms/key:Key:trivet-keys-data"},
			Condition: conditions{"StringEquals": {"kms:ViaService": {"secretsmanager.eu-central-1.amazonaws.com"}}},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("the api may %v, want %v", got, want)
	}
}

func TestOnlyTheMigrationReadsTheAdministratorsPassword(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, policy := range made.of("aws:iam/rolePolicy:RolePolicy") {
		reads := strings.Contains(policy.input("policy").(string), "secret:admin")
		if migrates := policy.name == "trivet-identity-migrate"; reads != migrates {
			t.Errorf("%s: reads the administrator's password: %v", policy.urn(), reads)
		}
	}
}

// TestServicesWithoutNeedsHaveNoRights have a role all the same, so that their
// pods are not left with what they find on a node.
func TestServicesWithoutNeedsHaveNoRights(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, service := range []string{"autoscaler", "healthcheck"} {
		made.the(t, "aws:eks/podIdentityAssociation:PodIdentityAssociation", "trivet-identity-"+service).want(t, map[string]any{
			"namespace": "trivet", "serviceAccount": service, "clusterName": "trivet-prod-aws", "roleArn": "arn:aws:aws:iam/role:Role:trivet-identity-" + service,
		})
		if slices.Contains(names(made.of("aws:iam/rolePolicy:RolePolicy")), "trivet-identity-"+service) {
			t.Errorf("%s has rights", service)
		}
	}
}

// TestARoleIsForOneServiceAccount reads every trust of a pod's role.
func TestARoleIsForOneServiceAccount(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	pods := 0
	for _, role := range made.of("aws:iam/role:Role") {
		for _, trust := range role.policy(t, "assumeRolePolicy") {
			if !slices.Contains(trust.Principal["Service"], "pods.eks.amazonaws.com") {
				continue
			}
			pods++
			equal := trust.Condition["StringEquals"]
			if len(equal["aws:RequestTag/kubernetes-namespace"]) != 1 || len(equal["aws:RequestTag/kubernetes-service-account"]) != 1 ||
				!slices.Equal(equal["aws:SourceAccount"], []string{"123456789012"}) ||
				!slices.Equal(trust.Condition["ArnEquals"]["aws:SourceArn"], []string{"arn:aws:eks:eu-central-1:123456789012:cluster/trivet-prod-aws"}) {
				t.Errorf("%s trusts %v", role.urn(), trust)
			}
		}
	}
	if pods != 9 { // six services, three add-ons
		t.Errorf("%d roles are for pods", pods)
	}
}

// TestNoPolicyAllowsEverything looks at every policy of every tier.
func TestNoPolicyAllowsEverything(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		for _, policy := range made.of("aws:iam/rolePolicy:RolePolicy") {
			for _, statement := range policy.policy(t, "policy") {
				wild := slices.ContainsFunc(statement.Action, func(action string) bool { return strings.HasSuffix(action, "*") })
				if wild && slices.Contains(statement.Resource, "*") {
					t.Errorf("%s: %s allows %v on everything", name, policy.urn(), statement.Action)
				}
			}
		}
		if keys := made.of("aws:iam/accessKey:AccessKey"); len(keys) > 0 {
			t.Errorf("%s: there are static keys: %v", name, names(keys))
		}
	}
}

// TestTheNodeAutoscalerSizesNoOtherClustersGroups reads what changes anything.
func TestTheNodeAutoscalerSizesNoOtherClustersGroups(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for _, statement := range made.the(t, "aws:iam/rolePolicy:RolePolicy", "trivet-identity-node-autoscaler").policy(t, "policy") {
		changes := slices.ContainsFunc(statement.Action, func(action string) bool {
			_, verb, _ := strings.Cut(action, ":")
			return !strings.HasPrefix(verb, "Describe") && !strings.HasPrefix(verb, "Get")
		})
		owned := statement.Condition["StringEquals"]["aws:ResourceTag/k8s.io/cluster-autoscaler/trivet-prod-aws"]
		if changes && !slices.Equal(owned, []string{"owned"}) {
			t.Errorf("it may %v", statement)
		}
	}
}

func TestRepositoriesKeepWhatRuns(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	repositories := made.of("aws:ecr/repository:Repository")
	if got := names(repositories); !slices.Equal(got, []string{
		"trivet-registry-api", "trivet-registry-autoscaler", "trivet-registry-consumer", "trivet-registry-healthcheck",
	}) {
		t.Errorf("the repositories are %v", got)
	}
	for _, repository := range repositories {
		repository.want(t, map[string]any{
			"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration.scanOnPush": true, "forceDelete": false,
			"encryptionConfigurations[0].encryptionType": "KMS", "encryptionConfigurations[0].kmsKey": "arn:aws:aws:kms/key:Key:trivet-keys-registry",
		})
	}
	repositories[0].want(t, map[string]any{"name": "trivet-prod-aws/api"})
	if api, migrate := resolve(t, made.platform.Images["api"]), resolve(t, made.platform.Images["migrate"]); api != migrate {
		t.Errorf("the schema is migrated by %s, and used by %s", migrate, api)
	}
}
