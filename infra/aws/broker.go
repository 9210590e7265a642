package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Broker is Amazon MQ for RabbitMQ. A stack without a broker has none of it.
type Broker struct {
	pulumi.ResourceState

	Endpoint  platform.BrokerEndpoint
	Name      string // as CloudWatch calls it
	ARN       pulumi.StringOutput
	SecretARN pulumi.StringOutput // of the login, for the policies of those who read it
}

// BrokerArgs are what the broker depends on.
type BrokerArgs struct {
	Spec                  platform.Spec
	Network               *Network
	Keys                  *Keys
	ClientSecurityGroupID pulumi.StringInput // of the pods, which alone may connect
}
