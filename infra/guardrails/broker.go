package guardrails

const brokerType = "aws:mq/broker:Broker"

var brokerRules = []Rule{
	{
		Name:   "broker-private",
		Reason: "a broker with a public address is one password away from everybody",
		IDs:    []string{"CKV_AWS_69", "AVD-AWS-0072"},
		Fix:    "set publiclyAccessible of the broker to false",
		Check:  each([]string{brokerType}, off("publiclyAccessible")),
	},
	{
		Name:       "broker-highly-available",
		Reason:     "accepted writes would wait in a broker that is gone with its zone",
		IDs:        []string{"MQ.6", "REL10-BP01"},
		Fix:        "pulumi config set --path trivet:broker.cluster true",
		Production: true,
		Check:      each([]string{brokerType}, is("deploymentMode", "CLUSTER_MULTI_AZ")),
	},
	{
		Name:   "broker-encrypted",
		Reason: "only with the stack's own key can access to waiting writes be withdrawn and seen",
		IDs:    []string{"CKV_AWS_209"},
		Fix:    "set encryptionOptions of the broker to the stack's own key",
		Check:  each([]string{brokerType}, is("encryptionOptions.useAwsOwnedKey", false), given("encryptionOptions.kmsKeyId")),
	},
	{
		Name:   "broker-logs",
		Reason: "refused logins and connections would leave no trace",
		IDs:    []string{"CKV_AWS_48", "AVD-AWS-0071", "MQ.2"},
		Fix:    "set logs.general of the broker to true",
		Check:  each([]string{brokerType}, is("logs.general", true)),
	},
}
