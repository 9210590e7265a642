package cost

import "strings"

// Why types cost nothing.
const (
	byVPC      = "part of the VPC, which is free; what runs in it is charged"
	byIAM      = "identities and rights are free"
	bySettings = "settings of a resource that is charged by itself"
	byNodes    = "runs on the nodes, which are charged"
	byState    = "exists in the stack's state alone"
	byCount    = "free in the numbers that a stack has"
)

// free are the types that cost nothing, by the beginning of their token.
var free = []struct{ prefix, reason string }{
	{"aws:ec2/vpc:", byVPC},
	{"aws:ec2/subnet:", byVPC},
	{"aws:ec2/internetGateway:", byVPC},
	{"aws:ec2/route", byVPC},
	{"aws:ec2/securityGroup:", byVPC},
	{"aws:ec2/defaultSecurityGroup:", byVPC},
	{"aws:ec2/networkAcl:", byVPC},
	{"aws:vpc/securityGroup", byVPC},
	{templateType, bySettings},
	{"aws:autoscaling/attachment:", bySettings},
	{"aws:autoscaling/tag:", bySettings},
	{"aws:iam/", byIAM},
	{"aws:eks/access", byIAM},
	{"aws:eks/podIdentityAssociation:", byIAM},
	{"aws:eks/addon:", byNodes},
	{"aws:kms/alias:", bySettings},
	{"aws:ecr/lifecyclePolicy:", bySettings},
	{"aws:elasticache/subnetGroup:", bySettings},
	{"aws:elasticache/parameterGroup:", bySettings},
	{"aws:elasticache/user", byIAM},
	{"aws:rds/subnetGroup:", bySettings},
	{"aws:rds/clusterParameterGroup:", bySettings},
	{"aws:rds/eventSubscription:", bySettings},
	{"aws:mq/configuration:", bySettings},
	{"aws:secretsmanager/secretVersion:", bySettings},
	{"aws:lb/listener", bySettings},
	{"aws:lb/targetGroup:", bySettings},
	{"aws:wafv2/webAclAssociation:", bySettings},
	{"aws:wafv2/webAclLoggingConfiguration:", bySettings},
	{"aws:acm/", "public certificates are free"},
	{"aws:cloudfront/cachePolicy:", bySettings},
	{"aws:cloudfront/responseHeadersPolicy:", bySettings},
	{"aws:route53/record:", bySettings},
	{"aws:route53/keySigningKey:", "signing is free; its key in KMS is charged"},
	{"aws:route53/hostedZoneDnsSec:", "signing is free; its key in KMS is charged"},
	{"aws:s3/bucketObjectLock", bySettings},
	{"aws:s3/bucketOwnership", bySettings},
	{"aws:s3/bucketPolicy:", bySettings},
	{"aws:s3/bucketPublicAccessBlock:", bySettings},
	{"aws:s3/bucketVersioningV2:", bySettings},
	{"aws:s3/bucketServerSideEncryptionConfigurationV2:", bySettings},
	{"aws:s3/bucketLifecycleConfigurationV2:", bySettings},
	{"aws:s3/bucketLoggingV2:", bySettings},
	{"aws:s3/bucketAclV2:", bySettings},
	{planType, "stored recovery points are charged, with the vault"},
	{"aws:backup/", bySettings},
	{"aws:budgets/", byCount},
	{"aws:cloudtrail/trail:", "the first copy of management events is free"},
	{"aws:cloudwatch/eventRule:", "events of AWS's own services are free"},
	{"aws:cloudwatch/eventTarget:", bySettings},
	{"aws:cloudwatch/logMetricFilter:", byCount},
	{"aws:cloudwatch/logResourcePolicy:", bySettings},
	{"aws:sns/", byCount},
	{"aws:accessanalyzer/analyzer:", "findings about access from outside are free"},
	{"kubernetes:", byNodes},
	{"random:", byState},
	{"tls:", byState},
}

func freeReason(kind string) string {
	for _, f := range free {
		if strings.HasPrefix(kind, f.prefix) {
			return f.reason
		}
	}
	return ""
}
