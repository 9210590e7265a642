package aws

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestLoginsAreKeptWithTheStacksKey(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		days := 0
		if spec.Production() {
			days = 30
		}
		for _, login := range made.of("aws:secretsmanager/secret:Secret") {
			login.want(t, map[string]any{"kmsKeyId": dataKey, "recoveryWindowInDays": days})
			value := made.the(t, "aws:secretsmanager/secretVersion:SecretVersion", login.name)
			if !value.secret("secretString") {
				t.Errorf("%s: %s is not secret", name, value.urn())
			}
			value.want(t, map[string]any{"secretString": `{"password":"made-up-` + login.name + `","username":"trivet"}`})
			made.the(t, "random:index/randomPassword:RandomPassword", login.name).want(t, map[string]any{"length": 64, "special": false})
		}
	}
}

// TestNoPasswordInPlainText looks for what was made up in everything that
// leaves the program without being marked as secret.
func TestNoPasswordInPlainText(t *testing.T) {
	t.Parallel()
	for _, r := range deploy(t, prodSpec()).resources {
		for key, value := range r.inputs {
			if plain(value, "made-up-") {
				t.Errorf("%s: %s shows a password", r.urn(), key)
			}
		}
	}
}

// plain tells whether text is anywhere in a value and not in a secret.
func plain(value resource.PropertyValue, text string) bool {
	switch {
	case value.IsString():
		return strings.Contains(value.StringValue(), text)
	case value.IsArray():
		for _, element := range value.ArrayValue() {
			if plain(element, text) {
				return true
			}
		}
	case value.IsObject():
		for _, element := range value.ObjectValue() {
			if plain(element, text) {
				return true
			}
		}
	}
	return false
}

// TestWhatIsKeptStandsOnWhatIsKept looks at what AWS refuses to delete while
// something that production keeps uses it.
func TestWhatIsKeptStandsOnWhatIsKept(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	of := map[string]registered{}
	for _, r := range made.resources {
		of[r.urn()] = r
	}
	for _, kind := range []string{databaseType, instanceType, cacheType, brokerType, "aws:elasticache/userGroup:UserGroup"} {
		for _, user := range made.of(kind) {
			for input, urns := range user.references {
				for _, urn := range urns {
					_, last, _ := strings.Cut(urn, "aws:")
					if i := strings.LastIndex(last, "$"); i >= 0 {
						last = last[i+1:]
					}
					used, ok := of["aws:"+strings.TrimPrefix(last, "aws:")]
					if !ok || goesAlone[used.kind] {
						continue
					}
					if !used.retain {
						t.Errorf("%s uses %s as %s, which is not kept", user.urn(), used.urn(), input)
					}
				}
			}
		}
	}
}

// goesAlone are what AWS deletes although somebody uses it, or what belongs to
// the network, which has to be emptied first.
var goesAlone = map[string]bool{
	"aws:ec2/subnet:Subnet": true, "aws:iam/role:Role": true, "aws:cloudwatch/logGroup:LogGroup": true,
}

// TestDataTiersLetPodsInAlone reads the security groups of data tiers.
func TestDataTiersLetPodsInAlone(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for group, ports := range map[string][]int{"trivet-cache": {6379}, "trivet-database": {5432}, "trivet-broker": {5671, 443}} {
		made.the(t, "aws:ec2/securityGroup:SecurityGroup", group).want(t, map[string]any{"ingress": nil, "egress": nil})
		var rules []registered
		for _, r := range made.of("aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule") {
			if r.input("securityGroupId") == group+"-id" {
				rules = append(rules, r)
			}
		}
		if len(rules) != len(ports) {
			t.Errorf("%s has rules %v, want %d", group, names(rules), len(ports))
		}
		for _, r := range rules {
			r.want(t, map[string]any{"referencedSecurityGroupId": "trivet-cluster-nodes-id", "cidrIpv4": nil, "ipProtocol": "tcp"})
			if r.input("fromPort") != r.input("toPort") {
				t.Errorf("%s opens ports %v to %v", r.urn(), r.input("fromPort"), r.input("toPort"))
			}
		}
		for _, r := range made.of("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule") {
			if r.input("securityGroupId") == group+"-id" {
				t.Errorf("%s lets %s out", group, r.urn())
			}
		}
	}
}
