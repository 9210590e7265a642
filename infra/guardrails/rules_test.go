package guardrails

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/infra/graph"
)

var today = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// A breach breaks one field of one resource of the good graph.
type breach func(t *testing.T, g graph.Graph)

// breaches has, for each rule, the one field that breaks it and no other.
var breaches = map[string]breach{
	"network-flow-logs":                set("flows", "trafficType", "REJECT"),
	"network-default-group-closed":     set("closed", "ingress", list{in{"fromPort": 0.0}}),
	"network-ports-closed":             set("clients", "fromPort", 22.0),
	"subnets-without-public-addresses": set("subnet-a", "mapPublicIpOnLaunch", true),
	"network-private-endpoints":        set("endpoint-sts", "serviceName", "com.amazonaws.us-east-1.sqs"),
	"network-nat-per-zone":             refer("nat-c", "subnetId", "subnet-a"),

	"cluster-endpoint-closed":   set("cluster", "vpcConfig.endpointPublicAccess", true),
	"cluster-secrets-encrypted": set("cluster", "encryptionConfig.provider.keyArn", nil),
	"cluster-logs-complete":     set("cluster", "enabledClusterLogTypes", list{"api", "audit", "authenticator", "controllerManager"}),
	"cluster-access-by-entries": set("cluster", "accessConfig.bootstrapClusterCreatorAdminPermissions", true),
	"cluster-version-supported": set("cluster", "version", "1.28"),
	"cluster-network-policies":  set("cni", "configurationValues", `{"enableNetworkPolicy":"false"}`),
	"cluster-addons-pinned":     set("cni", "addonVersion", nil),

	"nodes-metadata-by-token": set("template", "metadataOptions.httpTokens", "optional"),
	"nodes-metadata-one-hop":  set("template", "metadataOptions.httpPutResponseHopLimit", 2.0),
	"nodes-disks-encrypted":   set("template", "blockDeviceMappings.0.ebs.encrypted", "false"),
	"nodes-least-privilege":   set("nodes-join", "policyArn", "arn:aws:iam::aws:policy/AdministratorAccess"),
	"nodes-in-three-zones":    set("workload", "subnetIds", list{graph.Unknown{}, graph.Unknown{}}),
	"nodes-two-groups":        refer("workload", "clusterName"),
	"nodes-scale":             set("workload", "scalingConfig.maxSize", 3.0),

	"registry-immutable": set("images", "imageTagMutability", "MUTABLE"),
	"registry-scanned":   set("images", "imageScanningConfiguration.scanOnPush", false),
	"registry-encrypted": set("images", "encryptionConfigurations.0.kmsKey", nil),

	"identity-no-static-keys":   kind("nodes-join", "aws:iam/accessKey:AccessKey"),
	"identity-bound-to-account": set("identity", "serviceAccount", "default"),
	"identity-trust-scoped":     set("api", "assumeRolePolicy", `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}`),
	"identity-least-privilege":  set("api-rights", "policy", `{"Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}`),

	"cache-tls":              set("cache", "transitEncryptionMode", "preferred"),
	"cache-login":            set("cache", "userGroupIds", nil),
	"cache-encrypted":        set("cache", "kmsKeyId", nil),
	"cache-private":          set("cache", "subnetGroupName", nil),
	"cache-highly-available": set("cache", "numCacheClusters", 1.0),
	"cache-snapshots":        set("cache", "snapshotRetentionLimit", 6.0),

	"database-private":             set("database-1", "publiclyAccessible", true),
	"database-tls":                 set("parameters", "parameters.0.value", "0"),
	"database-encrypted":           set("database", "storageEncrypted", false),
	"database-in-two-zones":        set("database-2", "availabilityZone", "us-east-1a"),
	"database-backups":             set("database", "backupRetentionPeriod", 13.0),
	"database-final-snapshot":      set("database", "skipFinalSnapshot", true),
	"database-deletion-protection": set("database", "deletionProtection", false),
	"database-login-by-identity":   set("database", "iamDatabaseAuthenticationEnabled", false),
	"database-password-managed":    set("database", "masterPassword", graph.Secret{}),
	"database-query-logs":          set("parameters", "parameters.1.name", "log_hostname"),
	"database-logs-exported":       set("database", "enabledCloudwatchLogsExports", nil),
	"database-insights":            set("database-1", "monitoringInterval", 0.0),

	"broker-private":          set("broker", "publiclyAccessible", true),
	"broker-highly-available": set("broker", "deploymentMode", "SINGLE_INSTANCE"),
	"broker-encrypted":        set("broker", "encryptionOptions.useAwsOwnedKey", true),
	"broker-logs":             set("broker", "logs.general", false),

	"balancer-tls":                 set("https", "sslPolicy", "ELBSecurityPolicy-2016-08"),
	"balancer-redirects":           set("http", "defaultActions.0.type", "forward"),
	"balancer-targets-tls":         set("targets", "protocol", "HTTP"),
	"balancer-logs":                set("balancer", "accessLogs.enabled", false),
	"balancer-deletion-protection": set("balancer", "enableDeletionProtection", false),
	"balancer-drops-bad-headers":   set("balancer", "dropInvalidHeaderFields", false),
	"balancer-has-firewall":        refer("firewall-balancer", "resourceArn"),

	"firewall-common-rules":     set("firewall", "rules.2.statement.managedRuleGroupStatement.name", "AWSManagedRulesLinuxRuleSet"),
	"firewall-known-bad-inputs": set("firewall", "rules.1.overrideAction", in{"count": in{}}),
	"firewall-rate-limit":       set("firewall", "rules.0.action", in{"count": in{}}),
	"firewall-logs":             set("firewall-logs", "logDestinationConfigs", nil),

	"cdn-https":            set("cdn", "orderedCacheBehaviors.0.viewerProtocolPolicy", "allow-all"),
	"cdn-tls":              set("cdn", "viewerCertificate.minimumProtocolVersion", "TLSv1"),
	"cdn-has-firewall":     set("cdn", "webAclId", nil),
	"cdn-logs":             set("cdn", "loggingConfig", nil),
	"cdn-origin-https":     set("cdn", "origins.0.customOriginConfig.originProtocolPolicy", "http-only"),
	"cdn-response-headers": set("cdn", "defaultCacheBehavior.responseHeadersPolicyId", nil),

	"dns-signed":     set("dnssec", "signingStatus", "NOT_SIGNING"),
	"dns-key-active": set("dnssec-key", "status", "INACTIVE"),
	"dns-query-logs": set("queries", "zoneId", "Z2"),

	"logs-kept":             set("logs", "retentionInDays", 30.0),
	"logs-encrypted":        set("logs", "kmsKeyId", nil),
	"alarms-for-each-part":  set("alarm-AWS/RDS", "namespace", "AWS/EC2"),
	"alarms-have-runbooks":  set("alarm-AWS/RDS", "alarmDescription", "the database is slow"),
	"alarms-reach-somebody": set("alarm-AWS/RDS", "alarmActions", nil),
	"budget-alerts":         set("budget", "notifications.1.threshold", 90.0),
	"threat-detection":      set("detector", "enable", false),
	"everything-tagged":     set("aws", "defaultTags", `{"tags":{"owner":"platform","env":"prod","stack":"trivet-prod"}}`),

	"audit-trail-everywhere": set("trail", "isMultiRegionTrail", false),
	"audit-trail-validated":  set("trail", "enableLogFileValidation", false),
	"audit-trail-encrypted":  set("trail", "kmsKeyId", nil),
	"audit-trail-watched":    set("trail", "cloudWatchLogsRoleArn", nil),
	"audit-trail-announced":  set("trail", "snsTopicName", nil),
	"audit-kept-a-year":      set("trail-logs", "retentionInDays", 180.0),

	"keys-rotated":         set("key", "enableKeyRotation", false),
	"keys-policy-closed":   set("key", "policy", `{"Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"kms:*","Resource":"*"}]}`),
	"keys-deletion-window": set("key", "deletionWindowInDays", 7.0),

	"buckets-closed":    set("backups-closed", "blockPublicPolicy", false),
	"buckets-versioned": set("backups-versions", "versioningConfiguration.status", "Suspended"),
	"buckets-encrypted": set("backups-encryption", "rules.0.applyServerSideEncryptionByDefault.sseAlgorithm", "AES256"),
	"buckets-expire":    set("backups-age", "rules", nil),
	"buckets-logged":    refer("backups-logging", "bucket"),
	"buckets-tls":       set("backups-policy", "policy", `{"Statement":[]}`),

	"backup-vault-encrypted": set("vault", "kmsKeyArn", nil),
	"backup-covers-database": refer("selection", "resources"),
	"backup-copied":          set("plan", "rules.0.copyActions", nil),
	"backup-kept":            set("plan", "rules.0.lifecycle.deleteAfter", 7.0),

	"protected-network":  option("vpc", func(r *graph.Resource) { r.Protect = false }),
	"protected-cluster":  option("cluster", func(r *graph.Resource) { r.Protect = false }),
	"protected-cache":    option("cache", func(r *graph.Resource) { r.Protect = false }),
	"protected-database": option("database-1", func(r *graph.Resource) { r.Protect = false }),
	"protected-broker":   option("broker", func(r *graph.Resource) { r.Protect = false }),
	"protected-keys":     option("signing-key", func(r *graph.Resource) { r.Protect = false }),
	"protected-buckets":  option("backups", func(r *graph.Resource) { r.Protect = false }),
	"protected-backups":  option("vault", func(r *graph.Resource) { r.Protect = false }),
	"retained-cache":     option("cache", func(r *graph.Resource) { r.RetainOnDelete = false }),
	"retained-database":  option("database", func(r *graph.Resource) { r.RetainOnDelete = false }),
	"retained-broker":    option("broker", func(r *graph.Resource) { r.RetainOnDelete = false }),
	"retained-keys":      option("key", func(r *graph.Resource) { r.RetainOnDelete = false }),
	"retained-buckets":   option("access-logs", func(r *graph.Resource) { r.RetainOnDelete = false }),

	"workloads-disruption-budget": set("api-budget", "spec.selector.matchLabels", in{"app": "other"}),
	"workloads-three-replicas":    set("api-pods", "spec.replicas", 2.0),
	"workloads-spread":            set("api-pods", "spec.template.spec.topologySpreadConstraints.0.topologyKey", "region"),
	"workloads-apart":             set("api-pods", "spec.template.spec.affinity.podAntiAffinity", in{}),

	"pods-restricted":                set("api-pods", "spec.template.spec.containers.0.securityContext.allowPrivilegeEscalation", true),
	"pods-read-only-root":            set("api-pods", "spec.template.spec.containers.0.securityContext.readOnlyRootFilesystem", false),
	"pods-resources":                 set("api-pods", "spec.template.spec.containers.0.resources.limits.memory", nil),
	"pods-probes":                    set("api-pods", "spec.template.spec.containers.0.livenessProbe.httpGet.path", "/ready"),
	"pods-images-by-digest":          set("api-pods", "spec.template.spec.containers.0.image", "registry/api:latest"),
	"pods-own-account":               set("api-pods", "spec.template.spec.serviceAccountName", "default"),
	"pods-no-token":                  set("api-pods", "spec.template.spec.automountServiceAccountToken", true),
	"pods-no-secrets-in-environment": set("api-pods", "spec.template.spec.containers.0.env.0.name", "TRIVET_ROOT_TOKEN"),

	"namespaces-restricted":         set("namespace", "metadata.labels", in{"pod-security.kubernetes.io/enforce": "baseline"}),
	"namespaces-default-deny":       set("deny", "spec.policyTypes", list{"Ingress"}),
	"namespaces-flows-named":        set("api-flows", "spec.podSelector.matchLabels", in{"app": "other"}),
	"namespaces-quota":              set("quota", "metadata.namespace", "other"),
	"namespaces-limit-range":        set("limits", "spec.limits", nil),
	"configuration-without-secrets": set("configuration", "data.level", graph.Secret{}),
	"rbac-without-wildcards":        set("role", "rules.0.verbs", list{"*"}),
}

func TestEachRuleIsBrokenByOneField(t *testing.T) {
	t.Parallel()
	for _, rule := range Rules() {
		t.Run(rule.Name, func(t *testing.T) {
			t.Parallel()
			breach, found := breaches[rule.Name]
			if !found {
				t.Fatal("no breach of the rule is in the table")
			}
			g := good()
			breach(t, g)
			var fired []string
			for _, violation := range Check(g, "prod", nil, today).Failed {
				fired = append(fired, violation.Rule)
			}
			if !slices.Equal(fired, []string{rule.Name}) {
				t.Errorf("rules that fire: %v", fired)
			}
		})
	}
	if len(breaches) != len(Rules()) {
		t.Errorf("%d breaches for %d rules", len(breaches), len(Rules()))
	}
}

func TestRulesAreComplete(t *testing.T) {
	t.Parallel()
	name := regexp.MustCompile(`^[a-z]+(-[a-z]+)+$`)
	var seen []string
	for _, rule := range Rules() {
		if !name.MatchString(rule.Name) || slices.Contains(seen, rule.Name) {
			t.Errorf("%q is no name, or another rule's", rule.Name)
		}
		seen = append(seen, rule.Name)
		if rule.Reason == "" || len(rule.IDs) == 0 || rule.Fix == "" {
			t.Errorf("%s lacks a reason, an id or a fix", rule.Name)
		}
	}
}

// set changes the input of a resource at a path.
func set(name, path string, value any) breach {
	return func(t *testing.T, g graph.Graph) {
		r := find(t, g, name)
		r.Inputs = changed(t, r.Inputs, strings.Split(path, "."), value).(map[string]any)
	}
}

// changed copies a value with another one at a path; nil removes it.
func changed(t *testing.T, value any, path []string, to any) any {
	t.Helper()
	if len(path) == 0 {
		if reflect.DeepEqual(value, to) {
			t.Fatalf("the breach changes nothing: it is %v already", to)
		}
		return to
	}
	switch held := value.(type) {
	case map[string]any:
		member := changed(t, held[path[0]], path[1:], to)
		if member == nil {
			copied := with(held, path[0], nil)
			delete(copied, path[0])
			return copied
		}
		return with(held, path[0], member)
	case []any:
		index, err := strconv.Atoi(path[0])
		if err != nil {
			t.Fatal(err)
		}
		copied := slices.Clone(held)
		copied[index] = changed(t, held[index], path[1:], to)
		return copied
	default:
		t.Fatalf("there is no %s in %v", path[0], value)
		return nil
	}
}

// refer has an input refer to other resources than it did.
func refer(name, input string, to ...string) breach {
	return func(t *testing.T, g graph.Graph) {
		r := find(t, g, name)
		var urns []string
		for _, other := range to {
			urns = append(urns, urn(other))
		}
		r.References = map[string][]string{input: urns}
	}
}

// kind makes a resource one of another type.
func kind(name, token string) breach {
	return option(name, func(r *graph.Resource) { r.Type = token })
}

func option(name string, change func(*graph.Resource)) breach {
	return func(t *testing.T, g graph.Graph) { change(find(t, g, name)) }
}

func find(t *testing.T, g graph.Graph, name string) *graph.Resource {
	t.Helper()
	i := slices.IndexFunc(g, func(r graph.Resource) bool { return r.Name == name })
	if i < 0 {
		t.Fatalf("there is no %s", name)
	}
	return &g[i]
}
