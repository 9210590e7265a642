package aws

import (
	"bufio"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/pkg/testserver"
)

const cacheType = "aws:elasticache/replicationGroup:ReplicationGroup"

func TestCacheIsClosedAndEncrypted(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		cache := made.the(t, cacheType, "trivet-cache")
		cache.want(t, map[string]any{
			"transitEncryptionEnabled": true, "transitEncryptionMode": "required", "atRestEncryptionEnabled": true,
			"kmsKeyId": "arn:aws:aws:kms/key:Key:trivet-keys-data", "userGroupIds[0]": "trivet-" + spec.Stack,
			"nodeType": spec.Cache.NodeType, "snapshotRetentionLimit": spec.Cache.SnapshotDays,
			"numCacheClusters": 1 + spec.Cache.Replicas, "multiAzEnabled": spec.Cache.Replicas > 0, "automaticFailoverEnabled": spec.Cache.Replicas > 0,
			"logDeliveryConfigurations[0].logType": "slow-log", "logDeliveryConfigurations[1].logType": "engine-log",
			"applyImmediately": !spec.Production(),
		})
		if spec.Production() && (spec.Cache.Replicas < 1 || spec.Cache.SnapshotDays < 7) {
			t.Errorf("%s: %d replicas, snapshots of %d days", name, spec.Cache.Replicas, spec.Cache.SnapshotDays)
		}
		for _, kind := range []string{"slow-log", "engine-log"} {
			made.the(t, logGroupType, "trivet-cache-"+kind).want(t, map[string]any{
				"retentionInDays": spec.Observability.LogDays, "kmsKeyId": "arn:aws:aws:kms/key:Key:trivet-keys-logs",
			})
		}
		made.the(t, "aws:elasticache/parameterGroup:ParameterGroup", "trivet-cache").want(t, map[string]any{
			"family": "redis7", "parameters[0].name": "maxmemory-policy", "parameters[0].value": "allkeys-lru",
		})
		// Where everything runs in one zone, the cache does.
		if subnets, ok := made.the(t, "aws:elasticache/subnetGroup:SubnetGroup", "trivet-cache").input("subnetIds").([]any); !ok || len(subnets) != spec.Network.Zones {
			t.Errorf("%s: the cache's subnets are %v", name, subnets)
		}
	}
}

func TestCacheLetsOneUserIn(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	user := made.the(t, "aws:elasticache/user:User", "trivet-cache")
	user.want(t, map[string]any{
		"userName": "trivet", "accessString": cacheRights, "authenticationMode.type": "password",
		"authenticationMode.passwords[0]": "made-up-trivet-cache",
	})
	if !user.secret("authenticationMode.passwords[0]") {
		t.Error("the password is not secret")
	}
	made.the(t, "aws:elasticache/user:User", "trivet-cache-default").want(t, map[string]any{"userName": "default", "accessString": "off ~* -@all"})
	made.the(t, "aws:elasticache/userGroup:UserGroup", "trivet-cache").want(t, map[string]any{
		"userIds": []any{"trivet-prod-aws-default", "trivet-prod-aws"},
	})
}

func TestCacheEndpointIsComplete(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	cache := made.platform.Cache
	if got := resolve(t, cache.URL); got != "rediss://trivet-cache.example.net:6379" {
		t.Errorf("URL is %q", got)
	}
	if cache.User != "trivet" || cache.Port != 6379 || len(cache.CIDRs) != 3 {
		t.Errorf("user %s, port %d, in %v", cache.User, cache.Port, cache.CIDRs)
	}
	wantVault(t, cache.Password, "arn:aws:aws:secretsmanager/secret:Secret:trivet-cache", "password")
}

var redisServer = testserver.Program{
	Name:     "Redis",
	Binary:   "redis-server",
	Packages: []string{"redis-server"},
	Others:   "Fedora: sudo dnf install redis. macOS: brew install redis.",
}

// TestCacheRightsAreEnough asks a real Redis what a user with the rights may do.
func TestCacheRightsAreEnough(t *testing.T) {
	t.Parallel()
	server, err := redisServer.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := startRedis(t, server, strings.Replace(cacheRights, "on ", "on >secret ", 1))
	for _, allowed := range []string{
		"PING", "INFO server", "INFO replication", "INFO memory", "TIME", "CLIENT SETNAME trivet", "SELECT 0", "SCRIPT LOAD return(1)",
		"SET k v PX 1000", "GET k", "GETRANGE k 0 1", "DEL k", "DISCARD",
	} {
		if answer := ask(allowed); strings.Contains(answer, "NOPERM") {
			t.Errorf("%s: %s", allowed, answer)
		}
	}
	for _, denied := range []string{"KEYS *", "FLUSHALL", "CONFIG GET maxmemory", "ACL LIST", "SHUTDOWN", "REPLICAOF no one", "CLIENT LIST", "MONITOR"} {
		if answer := ask(denied); !strings.Contains(answer, "NOPERM") {
			t.Errorf("%s: %s", denied, answer)
		}
	}
}

// startRedis starts a Redis whose user trivet has the rights, and gives a way to
// ask it as that user.
func startRedis(t *testing.T, server, rights string) func(command string) string {
	t.Helper()
	dir := t.TempDir()
	socket, settings := filepath.Join(dir, "socket"), filepath.Join(dir, "redis.conf")
	if err := os.WriteFile(settings, []byte("port 0\nunixsocket "+socket+"\ndir "+dir+"\nsave \"\"\nuser default off\nuser trivet "+rights+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	redis := exec.CommandContext(t.Context(), server, settings)
	output, err := redis.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := redis.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = redis.Wait() }) // the test's context has ended it
	for lines := bufio.NewScanner(output); ; {
		if !lines.Scan() {
			t.Fatalf("redis ended: %v", lines.Err())
		}
		if strings.Contains(lines.Text(), "ready to accept connections") {
			break
		}
	}
	connection, err := net.Dial("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	answers := bufio.NewReader(connection)
	ask := func(command string) string {
		t.Helper()
		const end = "that is all"
		if _, err := connection.Write([]byte(command + "\r\nECHO \"" + end + "\"\r\n")); err != nil {
			t.Fatal(err)
		}
		for answer := ""; ; {
			line, err := answers.ReadString('\n')
			if err != nil {
				t.Fatal(err)
			}
			if line == end+"\r\n" {
				return answer
			}
			answer += line
		}
	}
	if answer := ask("AUTH trivet secret"); !strings.HasPrefix(answer, "+OK") {
		t.Fatal(answer)
	}
	return ask
}

// wantVault looks where a secret is kept.
func wantVault(t *testing.T, secret platform.Secret, arn, field string) {
	t.Helper()
	if secret.Vault == nil {
		t.Error("the secret is not in a vault")
		return
	}
	if got := resolve(t, secret.Vault.Name); got != arn || secret.Vault.Field != field || secret.Vault.Provider != "aws" {
		t.Errorf("the secret is field %q of %s in %s, want field %q of %s in aws", secret.Vault.Field, got, secret.Vault.Provider, field, arn)
	}
}
