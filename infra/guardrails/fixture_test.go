package guardrails

import (
	"slices"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/graph"
)

type (
	in   = map[string]any
	list = []any
)

// good is the least graph that no rule finds anything wrong with, and that has
// a resource of every type that any rule looks at.
func good() graph.Graph {
	return slices.Concat(goodNetwork(), goodCluster(), goodData(), goodEdge(), goodRecords(), goodWorkloads())
}

// made is a resource with what holds for those of its type in production.
func made(kind, name string, inputs in, refersTo ...string) graph.Resource {
	references := map[string][]string{}
	for _, reference := range refersTo {
		input, to, _ := strings.Cut(reference, "=")
		references[input] = append(references[input], urn(to))
	}
	return graph.Resource{
		URN: urn(name), Type: kind, Name: name, Inputs: inputs, References: references, Protect: true, RetainOnDelete: true,
	}
}

// urn is that of a name; the fixture needs no types in it.
func urn(name string) string { return "urn:pulumi:prod::trivet::fixture:index:Any::" + name }

func goodNetwork() graph.Graph {
	g := graph.Graph{
		made(awsProvider, "aws", in{"defaultTags": `{"tags":{"owner":"platform","env":"prod","cost-centre":"4711","stack":"trivet-prod"}}`}),
		made(vpcType, "vpc", in{"cidrBlock": "10.0.0.0/16"}),
		made("aws:ec2/flowLog:FlowLog", "flows", in{"trafficType": "ALL", "vpcId": graph.Unknown{}}, "vpcId=vpc"),
		made("aws:ec2/defaultSecurityGroup:DefaultSecurityGroup", "closed", in{}, "vpcId=vpc"),
		made(groupType, "edge", in{"description": "clients"}, "vpcId=vpc"),
		made(ingressRuleType, "clients", in{"cidrIpv4": "0.0.0.0/0", "fromPort": 443.0, "toPort": 443.0, "ipProtocol": "tcp"}),
	}
	for _, zone := range []string{"a", "b", "c"} {
		g = append(g,
			made(subnetType, "subnet-"+zone, in{"availabilityZone": "us-east-1" + zone, "mapPublicIpOnLaunch": false}, "vpcId=vpc"),
			made(natType, "nat-"+zone, in{}, "subnetId=subnet-"+zone))
	}
	for _, service := range wantedEndpoints {
		g = append(g, made(endpointType, "endpoint-"+service, in{"serviceName": "com.amazonaws.us-east-1." + service}, "vpcId=vpc"))
	}
	return g
}

func goodCluster() graph.Graph {
	scaling := in{"minSize": 3.0, "maxSize": 6.0}
	subnets := list{graph.Unknown{}, graph.Unknown{}, graph.Unknown{}}
	return graph.Graph{
		made(clusterType, "cluster", in{
			"version":                "1.34",
			"vpcConfig":              in{"endpointPrivateAccess": true, "endpointPublicAccess": false},
			"encryptionConfig":       in{"provider": in{"keyArn": graph.Unknown{}}, "resources": list{"secrets"}},
			"enabledClusterLogTypes": list{"api", "audit", "authenticator", "controllerManager", "scheduler"},
			"accessConfig":           in{"authenticationMode": "API", "bootstrapClusterCreatorAdminPermissions": false},
			"upgradePolicy":          in{"supportType": "STANDARD"},
		}),
		made(addonType, "cni", in{"addonName": "vpc-cni", "addonVersion": "v1.21.1", "configurationValues": `{"enableNetworkPolicy":"true"}`}, "clusterName=cluster"),
		made(templateType, "template", in{
			"metadataOptions":     in{"httpTokens": "required", "httpPutResponseHopLimit": 1.0},
			"blockDeviceMappings": list{in{"ebs": in{"encrypted": "true"}}},
		}),
		made(nodeGroupType, "system", in{"scalingConfig": scaling, "subnetIds": subnets}, "clusterName=cluster"),
		made(nodeGroupType, "workload", in{"scalingConfig": scaling, "subnetIds": subnets}, "clusterName=cluster"),
		made(roleType, "nodes", in{"assumeRolePolicy": `{"Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}`}),
		made(attachmentType, "nodes-join", in{"policyArn": "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy"}, "role=nodes"),
		made(repositoryType, "images", in{
			"imageTagMutability":         "IMMUTABLE",
			"imageScanningConfiguration": in{"scanOnPush": true},
			"encryptionConfigurations":   list{in{"encryptionType": "KMS", "kmsKey": graph.Unknown{}}},
		}),
		made(podIdentityType, "identity", in{"namespace": "trivet", "serviceAccount": "trivet-api"}),
		made(roleType, "api", in{"assumeRolePolicy": `{"Statement":[{"Effect":"Allow","Principal":{"Service":"pods.eks.amazonaws.com"},"Action":["sts:AssumeRole","sts:TagSession"]}]}`}),
		made(rolePolicyType, "api-rights", in{"policy": `{"Statement":[{"Effect":"Allow","Action":["rds-db:connect"],"Resource":["arn:aws:rds-db:us-east-1:1:dbuser:c/api"]}]}`}, "role=api"),
	}
}

func goodData() graph.Graph {
	instance := in{
		"publiclyAccessible": false, "performanceInsightsEnabled": true, "performanceInsightsKmsKeyId": graph.Unknown{}, "monitoringInterval": 60.0,
	}
	return graph.Graph{
		made(cacheType, "cache", in{
			"transitEncryptionEnabled": true, "transitEncryptionMode": "required", "userGroupIds": list{graph.Unknown{}},
			"atRestEncryptionEnabled": true, "kmsKeyId": graph.Unknown{}, "subnetGroupName": "data", "securityGroupIds": list{graph.Unknown{}},
			"multiAzEnabled": true, "automaticFailoverEnabled": true, "numCacheClusters": 3.0, "snapshotRetentionLimit": 7.0,
		}),
		made(parametersType, "parameters", in{"parameters": list{
			in{"name": "rds.force_ssl", "value": "1"}, in{"name": "log_min_duration_statement", "value": "500"},
		}}),
		made(databaseType, "database", in{
			"storageEncrypted": true, "kmsKeyId": graph.Unknown{}, "backupRetentionPeriod": 14.0,
			"skipFinalSnapshot": false, "finalSnapshotIdentifier": graph.Unknown{}, "deletionProtection": true,
			"iamDatabaseAuthenticationEnabled": true, "manageMasterUserPassword": true,
			"enabledCloudwatchLogsExports": list{"postgresql"},
		}, "dbClusterParameterGroupName=parameters"),
		made(instanceType, "database-1", with(instance, "availabilityZone", "us-east-1a"), "clusterIdentifier=database"),
		made(instanceType, "database-2", with(instance, "availabilityZone", "us-east-1b"), "clusterIdentifier=database"),
		made(brokerType, "broker", in{
			"publiclyAccessible": false, "deploymentMode": "CLUSTER_MULTI_AZ", "logs": in{"general": true},
			"encryptionOptions": in{"useAwsOwnedKey": false, "kmsKeyId": graph.Unknown{}},
		}),
	}
}

func goodEdge() graph.Graph {
	managed := func(name string) in {
		return in{"statement": in{"managedRuleGroupStatement": in{"name": name}}, "overrideAction": in{"none": in{}}}
	}
	behaviour := in{"viewerProtocolPolicy": "redirect-to-https", "responseHeadersPolicyId": "67f7725c"}
	return graph.Graph{
		made(balancerType, "balancer", in{
			"accessLogs": in{"enabled": true, "bucket": graph.Unknown{}}, "enableDeletionProtection": true, "dropInvalidHeaderFields": true,
		}, "accessLogs=access-logs"),
		made(listenerType, "https", in{"protocol": "HTTPS", "sslPolicy": "ELBSecurityPolicy-TLS13-1-2-2021-06"}),
		made(listenerType, "http", in{"protocol": "HTTP", "defaultActions": list{in{"type": "redirect", "redirect": in{"protocol": "HTTPS"}}}}),
		made(targetGroupType, "targets", in{"protocol": "HTTPS"}),
		made(firewallType, "firewall", in{"rules": list{
			in{"statement": in{"rateBasedStatement": in{"limit": 1000.0}}, "action": in{"block": in{}}},
			managed("AWSManagedRulesKnownBadInputsRuleSet"), managed("AWSManagedRulesCommonRuleSet"),
		}}),
		made("aws:wafv2/webAclLoggingConfiguration:WebAclLoggingConfiguration", "firewall-logs",
			in{"logDestinationConfigs": list{graph.Unknown{}}}, "resourceArn=firewall"),
		made("aws:wafv2/webAclAssociation:WebAclAssociation", "firewall-balancer", in{"webAclArn": graph.Unknown{}}, "resourceArn=balancer"),
		made(cdnType, "cdn", in{
			"defaultCacheBehavior": behaviour, "orderedCacheBehaviors": list{behaviour}, "webAclId": graph.Unknown{},
			"viewerCertificate": in{"acmCertificateArn": graph.Unknown{}, "minimumProtocolVersion": "TLSv1.2_2021"},
			"loggingConfig":     in{"bucket": graph.Unknown{}},
			"origins":           list{in{"customOriginConfig": in{"originProtocolPolicy": "https-only"}}},
		}),
		made(recordType, "record", in{"zoneId": "Z1"}),
		made("aws:route53/hostedZoneDnsSec:HostedZoneDnsSec", "dnssec", in{"hostedZoneId": "Z1", "signingStatus": "SIGNING"}),
		made("aws:route53/keySigningKey:KeySigningKey", "dnssec-key", in{"hostedZoneId": "Z1", "status": "ACTIVE"}),
		made("aws:route53/queryLog:QueryLog", "queries", in{"zoneId": "Z1", "cloudwatchLogGroupArn": graph.Unknown{}}),
	}
}

func goodRecords() graph.Graph {
	g := graph.Graph{
		made(keyType, "key", in{
			"enableKeyRotation": true, "rotationPeriodInDays": 365.0, "deletionWindowInDays": 30.0,
			"policy": `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::1:root"},"Action":"kms:*","Resource":"*"}]}`,
		}),
		made(keyType, "signing-key", in{"keyUsage": "SIGN_VERIFY", "policy": `{"Statement":[]}`}),
		made(logGroupType, "logs", in{"retentionInDays": 90.0, "kmsKeyId": graph.Unknown{}}),
		made(logGroupType, "trail-logs", in{"retentionInDays": 400.0, "kmsKeyId": graph.Unknown{}}),
		made(trailType, "trail", in{
			"isMultiRegionTrail": true, "enableLogFileValidation": true, "kmsKeyId": graph.Unknown{}, "snsTopicName": graph.Unknown{},
			"cloudWatchLogsGroupArn": graph.Unknown{}, "cloudWatchLogsRoleArn": graph.Unknown{},
		}, "cloudWatchLogsGroupArn=trail-logs"),
		made("aws:guardduty/detector:Detector", "detector", in{"enable": true}),
		made("aws:budgets/budget:Budget", "budget", in{"notifications": list{
			in{"threshold": 50.0}, in{"threshold": 80.0}, in{"threshold": 100.0},
		}}),
		made(vaultType, "vault", in{"kmsKeyArn": graph.Unknown{}}),
		made(planType, "plan", in{"rules": list{in{
			"lifecycle": in{"deleteAfter": 35.0}, "copyActions": list{in{"destinationVaultArn": graph.Unknown{}}},
		}}}),
		made(selectionType, "selection", in{"planId": graph.Unknown{}, "resources": list{graph.Unknown{}}}, "resources=database"),
	}
	for _, namespace := range []string{"AWS/RDS", "AWS/ElastiCache", "AWS/AmazonMQ", "AWS/ApplicationELB", "ContainerInsights"} {
		g = append(g, made(alarmType, "alarm-"+namespace, in{
			"namespace": namespace, "alarmDescription": "See https://example.com/runbook", "alarmActions": list{graph.Unknown{}},
		}))
	}
	return append(g, slices.Concat(goodBucket("backups", "aws:kms"), goodBucket("access-logs", "AES256"))...)
}

func goodBucket(name, algorithm string) graph.Graph {
	encryption := in{"sseAlgorithm": algorithm}
	if algorithm == "aws:kms" {
		encryption["kmsMasterKeyId"] = graph.Unknown{}
	}
	of := "bucket=" + name
	g := graph.Graph{
		made(bucketType, name, in{}),
		made("aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock", name+"-closed", in{
			"blockPublicAcls": true, "blockPublicPolicy": true, "ignorePublicAcls": true, "restrictPublicBuckets": true,
		}, of),
		made("aws:s3/bucketVersioningV2:BucketVersioningV2", name+"-versions", in{"versioningConfiguration": in{"status": "Enabled"}}, of),
		made(encryptionType, name+"-encryption", in{"rules": list{in{"applyServerSideEncryptionByDefault": encryption}}}, of),
		made("aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2", name+"-age", in{"rules": list{in{"id": "age"}}}, of),
		made("aws:s3/bucketPolicy:BucketPolicy", name+"-policy", in{
			"policy": `{"Statement":[{"Effect":"Deny","Principal":"*","Condition":{"Bool":{"aws:SecureTransport":"false"}}}]}`,
		}, of),
	}
	if algorithm == "aws:kms" {
		g = append(g, made(loggingType, name+"-logging", in{}, of, "targetBucket=access-logs"))
	}
	return g
}

func goodWorkloads() graph.Graph {
	labels := in{"app": "api"}
	template := in{
		"metadata": in{"labels": labels},
		"spec": in{
			"serviceAccountName":           "trivet-api",
			"automountServiceAccountToken": false,
			"securityContext":              in{"runAsNonRoot": true, "seccompProfile": in{"type": "RuntimeDefault"}},
			"topologySpreadConstraints": list{
				in{"topologyKey": "topology.kubernetes.io/zone", "maxSkew": 1.0, "whenUnsatisfiable": "DoNotSchedule"},
				in{"topologyKey": "kubernetes.io/hostname", "maxSkew": 1.0, "whenUnsatisfiable": "ScheduleAnyway"},
			},
			"affinity": in{"podAntiAffinity": in{"preferredDuringSchedulingIgnoredDuringExecution": list{
				in{"weight": 100.0, "podAffinityTerm": in{"topologyKey": "kubernetes.io/hostname"}},
			}}},
			"containers": list{in{
				"name": "api", "image": "registry/api@sha256:0123",
				"env": list{in{"name": "TRIVET_ROOT_TOKEN_FILE", "value": "/secrets/token"}},
				"resources": in{
					"requests": in{"cpu": "1", "memory": "1Gi"}, "limits": in{"cpu": "1", "memory": "1Gi"},
				},
				"livenessProbe":  in{"httpGet": in{"path": "/health", "port": 9090.0}},
				"readinessProbe": in{"httpGet": in{"path": "/ready", "port": 9090.0}},
				"securityContext": in{
					"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": in{"drop": list{"ALL"}},
				},
			}},
		},
	}
	at := in{"namespace": "trivet"}
	return graph.Graph{
		made(namespaceType, "namespace", in{"metadata": in{
			"name": "trivet", "labels": in{"pod-security.kubernetes.io/enforce": "restricted"},
		}}),
		made("kubernetes:core/v1:ResourceQuota", "quota", in{"metadata": at, "spec": in{"hard": in{"pods": "50"}}}),
		made("kubernetes:core/v1:LimitRange", "limits", in{"metadata": at, "spec": in{"limits": list{in{"type": "Container"}}}}),
		made(networkPolicyType, "deny", in{"metadata": at, "spec": in{"podSelector": in{}, "policyTypes": list{"Ingress", "Egress"}}}),
		made(networkPolicyType, "api-flows", in{"metadata": at, "spec": in{
			"podSelector": in{"matchLabels": labels}, "policyTypes": list{"Ingress", "Egress"}, "ingress": list{in{}},
		}}),
		made(configMapType, "configuration", in{"metadata": at, "data": in{"level": "info"}}),
		made(rbacTypes[0], "role", in{"metadata": at, "rules": list{in{"apiGroups": list{"apps"}, "resources": list{"deployments"}, "verbs": list{"get"}}}}),
		made(deploymentType, "api-pods", in{"metadata": at, "spec": in{"replicas": 3.0, "template": template}}),
		made(budgetType, "api-budget", in{"metadata": at, "spec": in{"selector": in{"matchLabels": labels}}}),
	}
}

// with copies an object with another member.
func with(object in, name string, value any) in {
	copied := in{name: value}
	for member, held := range object {
		if member != name {
			copied[member] = held
		}
	}
	return copied
}

func TestNothingIsWrongWithTheGoodGraph(t *testing.T) {
	t.Parallel()
	report := Check(good(), "prod", nil, today)
	if !report.OK() {
		t.Errorf("the good graph breaks rules:\n%s", report)
	}
	if report.Passed != len(Rules()) {
		t.Errorf("%d rules passed of %d", report.Passed, len(Rules()))
	}
}
