package aws

import (
	"strings"
	"testing"
)

const brokerType = "aws:mq/broker:Broker"

func TestBrokerIsClosedAndEncrypted(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		if spec.Broker.Kind == "none" {
			for _, r := range made.resources {
				if strings.HasPrefix(r.kind, "aws:mq/") || strings.HasPrefix(r.name, "trivet-broker") {
					t.Errorf("%s: there is no broker, but %s", name, r.urn())
				}
			}
			continue
		}
		mode, subnets := "SINGLE_INSTANCE", 1
		if spec.Broker.Cluster {
			mode, subnets = "CLUSTER_MULTI_AZ", spec.Network.Zones
		}
		broker := made.the(t, brokerType, "trivet-broker")
		broker.want(t, map[string]any{
			"engineType": "RabbitMQ", "engineVersion": spec.Broker.Version, "hostInstanceType": spec.Broker.InstanceType, "deploymentMode": mode,
			"publiclyAccessible": false, "encryptionOptions.useAwsOwnedKey": false, "encryptionOptions.kmsKeyId": dataKey,
			"logs.general": true, "logs.audit": nil, "autoMinorVersionUpgrade": true,
			"users[0].username": "trivet", "users[0].password": "made-up-trivet-broker",
		})
		if !broker.secret("users[0].password") {
			t.Errorf("%s: the password is not secret", name)
		}
		if got := len(broker.input("subnetIds").([]any)); got != subnets {
			t.Errorf("%s: a broker in mode %s has %d subnets, want %d", name, mode, got, subnets)
		}
		made.the(t, "aws:mq/configuration:Configuration", "trivet-broker").want(t, map[string]any{"data": "consumer_timeout = 21600000\n"})
	}
}

func TestProductionsBrokerIsACluster(t *testing.T) {
	t.Parallel()
	deploy(t, prodSpec()).the(t, brokerType, "trivet-broker").want(t, map[string]any{"deploymentMode": "CLUSTER_MULTI_AZ"})
}

// TestTheBrokersPasswordIsNotReplaced as the cache's can be: Amazon MQ changes no
// user of RabbitMQ, so that the services would be given a password that is none.
func TestTheBrokersPasswordIsNotReplaced(t *testing.T) {
	t.Parallel()
	made := deploy(t, prodSpec())
	for name, protected := range map[string]bool{"trivet-broker": true, "trivet-cache": false} {
		if got := made.the(t, "random:index/randomPassword:RandomPassword", name).protect; got != protected {
			t.Errorf("password %s: protected is %v", name, got)
		}
	}
}

func TestBrokerEndpointIsComplete(t *testing.T) {
	t.Parallel()
	broker := deploy(t, prodSpec()).platform.Broker
	if got := resolve(t, broker.URL); got != "amqps://broker.example.net:5671" {
		t.Errorf("URL is %q", got)
	}
	if got := resolve(t, broker.Manage); got != "https://broker.example.net" {
		t.Errorf("management is at %q", got)
	}
	if broker.Port != 5671 || broker.MaxConns != 5000 || len(broker.CIDRs) != 3 {
		t.Errorf("port %d, %d connections, in %v", broker.Port, broker.MaxConns, broker.CIDRs)
	}
	wantVault(t, broker.Login, "arn:aws:aws:secretsmanager/secret:Secret:trivet-broker", "")
}

func TestSmallBrokersTakeFewerConnections(t *testing.T) {
	t.Parallel()
	spec := stagingSpec()
	spec.Broker.InstanceType = "mq.t3.micro"
	if got := deploy(t, spec).platform.Broker.MaxConns; got != brokerMaxSmall {
		t.Errorf("%d connections, want %d", got, brokerMaxSmall)
	}
}
