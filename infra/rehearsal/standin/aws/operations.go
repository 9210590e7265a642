package aws

import "github.com/trivetkv/trivet/infra/rehearsal/standin"

var operations = map[string]standin.Kind{
	"aws:cloudwatch/logGroup:LogGroup": {
		Naming: named(512), Replace: []string{"logGroupClass", "namePrefix"},
		Outputs: map[string]any{"arn": "arn:{partition}:logs:{region}:{account}:log-group:{name}", "logGroupClass": "STANDARD"},
	},
	"aws:cloudwatch/logResourcePolicy:LogResourcePolicy":         {ID: "{.policyName}", Replace: []string{"policyName"}},
	"aws:cloudwatch/logMetricFilter:LogMetricFilter":             {Naming: named(512), Replace: []string{"logGroupName"}},
	"aws:cloudwatch/logSubscriptionFilter:LogSubscriptionFilter": {ID: "cwlsf-{hex:10}", Naming: named(512), Replace: []string{"logGroup"}},
	"aws:cloudwatch/metricAlarm:MetricAlarm": {
		Naming: named(255), Outputs: map[string]any{"arn": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{name}"},
	},
	"aws:cloudwatch/compositeAlarm:CompositeAlarm": {
		ID: "{.alarmName}", Replace: []string{"alarmName"}, Outputs: map[string]any{"arn": "arn:{partition}:cloudwatch:{region}:{account}:alarm:{.alarmName}"},
	},
	"aws:cloudwatch/dashboard:Dashboard": {
		ID: "{.dashboardName}", Replace: []string{"dashboardName"}, Outputs: map[string]any{"dashboardArn": "arn:{partition}:cloudwatch::{account}:dashboard/{.dashboardName}"},
	},
	"aws:cloudwatch/eventRule:EventRule": {
		Naming: named(64), Replace: []string{"eventBusName", "namePrefix"}, Outputs: map[string]any{"arn": "arn:{partition}:events:{region}:{account}:rule/{name}"},
	},
	"aws:cloudwatch/eventTarget:EventTarget": {ID: "{.rule}-{hex:10}", Replace: []string{"rule", "targetId", "eventBusName"}, Outputs: map[string]any{"targetId": "{hex:10}"}},
	"aws:sns/topic:Topic": {
		ID: "arn:{partition}:sns:{region}:{account}:{name}", Naming: named(256), Replace: []string{"fifoTopic", "namePrefix"},
		Outputs: map[string]any{"arn": "{id}", "owner": "{account}", "policy": `{"Version":"2008-10-17","Statement":[]}`, "beginningArchiveTime": ""},
	},
	"aws:sns/topicPolicy:TopicPolicy": {ID: "{.arn}", Replace: []string{"arn"}, Outputs: map[string]any{"owner": "{account}"}},
	"aws:sns/topicSubscription:TopicSubscription": {
		ID: "{.topic}:{uuid}", Replace: []string{"endpoint", "protocol", "topic"},
		Outputs: map[string]any{"arn": "{id}", "ownerId": "{account}", "pendingConfirmation": true},
	},
	"aws:sqs/queue:Queue": {
		ID: "https://sqs.{region}.{suffix}/{account}/{name}", Naming: named(80), Replace: []string{"fifoQueue", "namePrefix"},
		Outputs: map[string]any{"arn": "arn:{partition}:sqs:{region}:{account}:{name}", "url": "{id}", "policy": "", "redrivePolicy": "", "redriveAllowPolicy": ""},
	},
	"aws:sqs/queuePolicy:QueuePolicy": {ID: "{.queueUrl}", Replace: []string{"queueUrl"}},
	"aws:cloudtrail/trail:Trail": {
		ID: "arn:{partition}:cloudtrail:{region}:{account}:trail/{name}", Naming: named(128),
		Outputs: map[string]any{"arn": "{id}", "homeRegion": "{region}", "snsTopicArn": ""},
	},
	"aws:backup/vault:Vault": {
		Naming: named(50), Replace: []string{"kmsKeyArn"},
		Outputs: map[string]any{"arn": "arn:{partition}:backup:{region}:{account}:backup-vault:{name}", "recoveryPoints": 0},
	},
	"aws:backup/vaultLockConfiguration:VaultLockConfiguration": {
		ID: "{.backupVaultName}", Replace: []string{"backupVaultName", "changeableForDays", "maxRetentionDays", "minRetentionDays"},
		Outputs: map[string]any{"backupVaultArn": "arn:{partition}:backup:{region}:{account}:backup-vault:{.backupVaultName}"},
	},
	"aws:backup/vaultPolicy:VaultPolicy": {
		ID: "{.backupVaultName}", Replace: []string{"backupVaultName"},
		Outputs: map[string]any{"backupVaultArn": "arn:{partition}:backup:{region}:{account}:backup-vault:{.backupVaultName}"},
	},
	"aws:backup/vaultNotifications:VaultNotifications": {
		ID: "{.backupVaultName}", Replace: []string{"backupVaultName", "snsTopicArn", "backupVaultEvents"},
		Outputs: map[string]any{"backupVaultArn": "arn:{partition}:backup:{region}:{account}:backup-vault:{.backupVaultName}"},
	},
	"aws:backup/plan:Plan": {
		ID: "{uuid}", Naming: standin.Names{Property: "name", Max: 50},
		Outputs:  map[string]any{"arn": "arn:{partition}:backup:{region}:{account}:backup-plan:{id}", "version": "{uuid:version}"},
		Volatile: []string{"version"},
	},
	"aws:backup/selection:Selection": {
		ID: "{uuid}", Naming: standin.Names{Property: "name", Max: 50},
		Replace: []string{"conditions", "iamRoleArn", "notResources", "planId", "resources", "selectionTags"},
	},
	"aws:budgets/budget:Budget": {
		ID: "{account}:{name}", Naming: named(100), Replace: []string{"namePrefix", "budgetType", "timeUnit"}, Keep: []string{"budgetType"},
		Outputs: map[string]any{"accountId": "{account}", "arn": "arn:{partition}:budgets::{account}:budget/{name}", "timePeriodStart": "2026-01-01_00:00"},
	},
	"aws:guardduty/detector:Detector": {
		ID: "{hex:32}", Outputs: map[string]any{"arn": "arn:{partition}:guardduty:{region}:{account}:detector/{id}", "accountId": "{account}", "findingPublishingFrequency": "SIX_HOURS"},
	},
	"aws:guardduty/detectorFeature:DetectorFeature": {ID: "{.detectorId}/{.name}", Replace: []string{"detectorId", "name"}},
	"aws:ssm/parameter:Parameter": {
		ID: "{name}", Naming: named(2048), Replace: []string{"dataType"}, Keep: []string{"tier"},
		Outputs: map[string]any{"arn": "arn:{partition}:ssm:{region}:{account}:parameter/{name}", "version": 1, "tier": "Standard", "dataType": "text"},
	},
	"aws:accessanalyzer/analyzer:Analyzer": {
		Naming: standin.Names{Property: "analyzerName", Max: 255}, Replace: []string{"type"},
		Outputs: map[string]any{"arn": "arn:{partition}:access-analyzer:{region}:{account}:analyzer/{name}"},
	},
	"aws:securityhub/account:Account": {ID: "{account}", Outputs: map[string]any{"arn": "arn:{partition}:securityhub:{region}:{account}:hub/default"}},
}
