package guardrails

const repositoryType = "aws:ecr/repository:Repository"

var registryRules = []Rule{
	{
		Name:   "registry-immutable",
		Reason: "a tag that can be moved runs other code than what was tested",
		IDs:    []string{"CKV_AWS_51", "AVD-AWS-0031", "ECR.2"},
		Fix:    "set imageTagMutability of the repository to IMMUTABLE",
		Check:  each([]string{repositoryType}, is("imageTagMutability", "IMMUTABLE")),
	},
	{
		Name:   "registry-scanned",
		Reason: "known holes in an image stay unknown to those who run it",
		IDs:    []string{"CKV_AWS_163", "AVD-AWS-0030", "ECR.1"},
		Fix:    "set imageScanningConfiguration.scanOnPush of the repository to true",
		Check:  each([]string{repositoryType}, is("imageScanningConfiguration.scanOnPush", true)),
	},
	{
		Name:   "registry-encrypted",
		Reason: "only with the stack's own key can access to images be withdrawn and seen",
		IDs:    []string{"CKV_AWS_136", "AVD-AWS-0033", "ECR.5"},
		Fix:    "set encryptionConfigurations of the repository to KMS with the stack's own key",
		Check: each([]string{repositoryType},
			is("encryptionConfigurations.0.encryptionType", "KMS"), given("encryptionConfigurations.0.kmsKey")),
	},
}
