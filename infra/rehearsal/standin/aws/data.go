package aws

import "github.com/trivetkv/trivet/infra/rehearsal/standin"

var data = map[string]standin.Kind{
	"aws:kms/key:Key": {
		ID:      "{uuid}",
		Replace: []string{"customKeyStoreId", "customerMasterKeySpec", "keyUsage", "multiRegion", "xksKeyId"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:kms:{region}:{account}:key/{id}", "keyId": "{id}", "rotationPeriodInDays": 365, "description": "",
			"multiRegion": false, "policy": `{"Version":"2012-10-17","Statement":[]}`,
		},
	},
	"aws:kms/replicaKey:ReplicaKey": {
		ID: "{uuid}", Replace: []string{"primaryKeyArn"},
		Outputs: map[string]any{"arn": "arn:{partition}:kms:{region}:{account}:key/{id}", "keyId": "{id}", "policy": `{"Version":"2012-10-17","Statement":[]}`},
	},
	"aws:kms/alias:Alias": {
		Naming: standin.Names{Property: "name", Max: 256}, Replace: []string{"namePrefix"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:kms:{region}:{account}:{name}", "targetKeyArn": "arn:{partition}:kms:{region}:{account}:key/{.targetKeyId}",
		},
		Refine: aliasPrefixed,
	},
	"aws:rds/cluster:Cluster": {
		Naming: standin.Names{Property: "clusterIdentifier", Max: 63, Lower: true},
		Replace: []string{
			"availabilityZones", "clusterIdentifierPrefix", "databaseName", "dbSubnetGroupName", "dbSystemId", "engine", "engineMode", "kmsKeyId",
			"masterUsername", "replicationSourceIdentifier", "restoreToPointInTime", "s3Import", "snapshotIdentifier", "sourceRegion", "storageEncrypted",
		},
		Keep: []string{"storageType"}, // the words are about another engine's clusters
		Outputs: map[string]any{
			"arn": "arn:{partition}:rds:{region}:{account}:cluster:{name}", "clusterResourceId": "cluster-{upper:26}",
			"endpoint": "{name}.cluster-{hex:12}.{region}.rds.{suffix}", "readerEndpoint": "{name}.cluster-ro-{hex:12}.{region}.rds.{suffix}",
			"hostedZoneId": "Z{upper:13:zone}", "engineVersionActual": "{.engineVersion}", "port": 5432, "engineVersion": "16.6",
			"availabilityZones": []any{"{region}a", "{region}b", "{region}c"}, "caCertificateIdentifier": "rds-ca-rsa2048-g1",
			"masterUserSecrets": []any{map[string]any{ //nolint:gosec // where a secret would be, which is none
				"kmsKeyId": "{.masterUserSecretKmsKeyId}", "secretStatus": "active",
				"secretArn": "arn:{partition}:secretsmanager:{region}:{account}:secret:rds!cluster-{uuid}-{hex:6}",
			}},
		},
	},
	"aws:rds/clusterInstance:ClusterInstance": {
		Naming:  standin.Names{Property: "identifier", Max: 63, Lower: true},
		Replace: []string{"availabilityZone", "clusterIdentifier", "dbSubnetGroupName", "engine", "engineVersion", "identifierPrefix", "publiclyAccessible"},
		Keep:    []string{"engineVersion", "publiclyAccessible"},
		Outputs: map[string]any{
			"arn": "arn:{partition}:rds:{region}:{account}:db:{name}", "endpoint": "{name}.{hex:12}.{region}.rds.{suffix}", "dbiResourceId": "db-{upper:26}",
			"engineVersionActual": "{.engineVersion}", "port": 5432, "storageEncrypted": true, "availabilityZone": "{region}a",
		},
	},
	"aws:rds/subnetGroup:SubnetGroup": {
		Naming: standin.Names{Property: "name", Max: 255, Lower: true}, Replace: []string{"namePrefix"},
		Outputs: map[string]any{"arn": "arn:{partition}:rds:{region}:{account}:subgrp:{name}", "supportedNetworkTypes": []any{"IPV4"}},
	},
	"aws:rds/clusterParameterGroup:ClusterParameterGroup": {
		Naming: standin.Names{Property: "name", Max: 255, Lower: true}, Replace: []string{"family", "description", "namePrefix"},
		Outputs: map[string]any{"arn": "arn:{partition}:rds:{region}:{account}:cluster-pg:{name}"},
	},
	"aws:rds/parameterGroup:ParameterGroup": {
		Naming: standin.Names{Property: "name", Max: 255, Lower: true}, Replace: []string{"family", "description", "namePrefix"},
		Outputs: map[string]any{"arn": "arn:{partition}:rds:{region}:{account}:pg:{name}"},
	},
	"aws:elasticache/replicationGroup:ReplicationGroup": {
		Naming: standin.Names{Property: "replicationGroupId", Max: 40, Lower: true},
		Replace: []string{
			"atRestEncryptionEnabled", "dataTieringEnabled", "kmsKeyId", "networkType", "port", "securityGroupNames", "snapshotArns", "snapshotName", "subnetGroupName",
		},
		Outputs: map[string]any{
			"arn":                    "arn:{partition}:elasticache:{region}:{account}:replicationgroup:{name}",
			"primaryEndpointAddress": "master.{name}.{hex:6}.{hex:4:zone}.cache.{suffix}", "readerEndpointAddress": "replica.{name}.{hex:6}.{hex:4:zone}.cache.{suffix}",
			"configurationEndpointAddress": "", "memberClusters": []any{"{name}-001"}, "engineVersionActual": "{.engineVersion}", "port": 6379,
		},
		Refine: failoverNeedsReplica,
	},
	"aws:elasticache/subnetGroup:SubnetGroup": {
		Naming:  standin.Names{Property: "name", Max: 255, Lower: true},
		Outputs: map[string]any{"arn": "arn:{partition}:elasticache:{region}:{account}:subnetgroup:{name}"},
	},
	"aws:elasticache/parameterGroup:ParameterGroup": {
		Naming: standin.Names{Property: "name", Max: 255, Lower: true}, Replace: []string{"family", "description"},
		Outputs: map[string]any{"arn": "arn:{partition}:elasticache:{region}:{account}:parametergroup:{name}"},
	},
	"aws:elasticache/user:User": {
		ID: "{.userId}", Replace: []string{"userId", "userName"}, Outputs: map[string]any{"arn": "arn:{partition}:elasticache:{region}:{account}:user:{.userId}"},
	},
	"aws:elasticache/userGroup:UserGroup": {
		ID: "{.userGroupId}", Replace: []string{"userGroupId"}, Outputs: map[string]any{"arn": "arn:{partition}:elasticache:{region}:{account}:usergroup:{.userGroupId}"},
	},
	"aws:elasticache/userGroupAssociation:UserGroupAssociation": {ID: "{.userGroupId},{.userId}", Replace: []string{"userGroupId", "userId"}},
	"aws:mq/broker:Broker": {
		ID: "b-{uuid}", Naming: standin.Names{Property: "brokerName", Max: 50},
		Replace: []string{
			"authenticationStrategy", "deploymentMode", "encryptionOptions", "engineType", "ldapServerMetadata", "publiclyAccessible", "storageType", "subnetIds",
		},
		Outputs: map[string]any{
			"arn": "arn:{partition}:mq:{region}:{account}:broker:{name}:{id}",
			"instances": []any{map[string]any{
				"consoleUrl": "https://{id}.mq.{region}.on.aws", "endpoints": []any{"amqps://{id}.mq.{region}.on.aws:5671"}, "ipAddress": "",
			}},
			"dataReplicationMode": "NONE", "authenticationStrategy": "simple", "storageType": "ebs",
		},
	},
	"aws:mq/configuration:Configuration": {
		ID: "c-{uuid}", Naming: named(150), Replace: []string{"engineType"},
		Outputs:  map[string]any{"arn": "arn:{partition}:mq:{region}:{account}:configuration:{id}", "latestRevision": 1},
		Volatile: []string{"latestRevision"},
	},
	"aws:secretsmanager/secret:Secret": {
		ID: "arn:{partition}:secretsmanager:{region}:{account}:secret:{name}-{hex:6}", Naming: named(512), Replace: []string{"namePrefix"},
		Outputs: map[string]any{"arn": "{id}"},
	},
	"aws:secretsmanager/secretVersion:SecretVersion": {
		ID: "{.secretId}|{uuid}", Replace: []string{"secretId", "secretString", "secretBinary"},
		Outputs: map[string]any{"arn": "{.secretId}", "versionId": "{uuid}", "versionStages": []any{"AWSCURRENT"}},
	},
	"aws:secretsmanager/secretPolicy:SecretPolicy":                                               {ID: "{.secretArn}", Replace: []string{"secretArn"}},
	"aws:secretsmanager/secretRotation:SecretRotation":                                           {ID: "{.secretId}", Replace: []string{"secretId"}},
	"aws:s3/bucketV2:BucketV2":                                                                   bucket,
	"aws:s3/bucketPolicy:BucketPolicy":                                                           ofBucket,
	"aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock":                                     ofBucket,
	"aws:s3/bucketOwnershipControls:BucketOwnershipControls":                                     ofBucket,
	"aws:s3/bucketVersioningV2:BucketVersioningV2":                                               ofBucket,
	"aws:s3/bucketLoggingV2:BucketLoggingV2":                                                     ofBucket,
	"aws:s3/bucketNotification:BucketNotification":                                               ofBucket,
	"aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2":                       ofBucket,
	"aws:s3/bucketObjectLockConfigurationV2:BucketObjectLockConfigurationV2":                     ofBucket,
	"aws:s3/bucketServerSideEncryptionConfigurationV2:BucketServerSideEncryptionConfigurationV2": ofBucket,
	"aws:s3/bucketReplicationConfig:BucketReplicationConfig":                                     ofBucket,
}

var bucket = standin.Kind{
	Naming: standin.Names{Property: "bucket", Max: 63, Lower: true}, Replace: []string{"bucketPrefix", "objectLockEnabled"},
	Outputs: map[string]any{
		"arn": "arn:{partition}:s3:::{name}", "region": "{region}", "bucketDomainName": "{name}.s3.{suffix}",
		"bucketRegionalDomainName": "{name}.s3.{region}.{suffix}", "hostedZoneId": "Z{upper:13:zone}",
	},
}

// ofBucket is what a bucket has one of.
var ofBucket = standin.Kind{ID: "{.bucket}", Replace: []string{"bucket"}, DeleteFirst: true}
