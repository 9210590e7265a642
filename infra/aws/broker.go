package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/mq"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

const (
	brokerPort       = 5671
	brokerManagePort = 443
	brokerUser       = "trivet"

	// brokerMaxConnections is how many connections Amazon MQ lets a node of
	// mq.m5.large have, and larger ones more. Those below it are for trying out.
	brokerMaxConnections = 5000
	brokerMaxSmall       = 300

	// brokerConfiguration is RabbitMQ's own. A consumer may hold a message for
	// six hours before RabbitMQ gives up on it: what it holds waits while the
	// database is gone, and its channel would be closed after half an hour.
	brokerConfiguration = "consumer_timeout = 21600000\n" // ms
)

// Broker is Amazon MQ for RabbitMQ. A stack without a broker has none of it.
type Broker struct {
	pulumi.ResourceState

	Endpoint  platform.BrokerEndpoint
	Name      pulumi.StringOutput // as CloudWatch calls it
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

// NewBroker registers the broker.
func NewBroker(ctx *pulumi.Context, name string, args BrokerArgs, opts ...pulumi.ResourceOption) (*Broker, error) {
	broker := &Broker{}
	if err := ctx.RegisterComponentResource(componentType("Broker"), name, broker, opts...); err != nil {
		return nil, err
	}
	spec := args.Spec.Broker

	group, err := newDataSecurityGroup(ctx, name, dataSecurityGroupArgs{
		Spec: args.Spec, Network: args.Network, Clients: args.ClientSecurityGroupID, Ports: []int{brokerPort, brokerManagePort}, Description: "RabbitMQ, for pods",
	}, broker)
	if err != nil {
		return nil, err
	}
	login, err := newLogin(ctx, name, loginArgs{
		Spec: args.Spec, Key: args.Keys.Data, User: brokerUser, Description: "Login at the broker", Once: true,
	}, broker)
	if err != nil {
		return nil, err
	}
	broker.SecretARN = login.ARN
	configuration, err := mq.NewConfiguration(ctx, name, &mq.ConfigurationArgs{
		Description:   pulumi.String("RabbitMQ as Trivet wants it"),
		EngineType:    pulumi.String("RabbitMQ"),
		EngineVersion: pulumi.String(spec.Version),
		Data:          pulumi.String(brokerConfiguration),
	}, attached(args.Spec, broker))
	if err != nil {
		return nil, fmt.Errorf("configuration of the broker: %w", err)
	}

	// One node is in one subnet; of a cluster, AWS puts the three where they are told.
	mode, subnets, connections := "SINGLE_INSTANCE", args.Network.DataSubnetIDs[:1], brokerMaxConnections
	if spec.Cluster {
		mode, subnets = "CLUSTER_MULTI_AZ", args.Network.DataSubnetIDs[:args.Network.Spread]
	}
	if strings.HasSuffix(spec.InstanceType, ".micro") || strings.HasSuffix(spec.InstanceType, ".medium") {
		connections = brokerMaxSmall
	}
	rabbit, err := mq.NewBroker(ctx, name, &mq.BrokerArgs{
		EngineType:         pulumi.String("RabbitMQ"),
		EngineVersion:      pulumi.String(spec.Version),
		HostInstanceType:   pulumi.String(spec.InstanceType),
		DeploymentMode:     pulumi.String(mode),
		PubliclyAccessible: pulumi.Bool(false), // CKV_AWS_69
		SubnetIds:          subnets,
		SecurityGroups:     pulumi.StringArray{group},
		Configuration:      mq.BrokerConfigurationArgs{Id: configuration.ID(), Revision: configuration.LatestRevision},
		EncryptionOptions: mq.BrokerEncryptionOptionsArgs{ // CKV_AWS_209
			UseAwsOwnedKey: pulumi.Bool(false),
			KmsKeyId:       args.Keys.Data.Arn,
		},
		// CKV_AWS_48. RabbitMQ has no audit log there. Amazon MQ makes the log groups,
		// named after an id that nobody knows before, so that the stack cannot.
		Logs: mq.BrokerLogsArgs{General: pulumi.Bool(true)},
		Users: mq.BrokerUserArray{mq.BrokerUserArgs{
			Username: pulumi.String(brokerUser),
			Password: login.Password,
		}},
		AutoMinorVersionUpgrade: pulumi.Bool(true), // Amazon MQ has it no other way from 3.13 on
		MaintenanceWindowStartTime: mq.BrokerMaintenanceWindowStartTimeArgs{
			DayOfWeek: pulumi.String("SUNDAY"), TimeOfDay: pulumi.String("06:00"), TimeZone: pulumi.String("UTC"),
		},
	}, stateful(args.Spec, broker))
	if err != nil {
		return nil, fmt.Errorf("broker: %w", err)
	}

	broker.Name = rabbit.BrokerName
	broker.ARN = rabbit.Arn
	instance := rabbit.Instances.Index(pulumi.Int(0))
	broker.Endpoint = platform.BrokerEndpoint{
		URL:      instance.Endpoints().Index(pulumi.Int(0)), // amqps://host:5671
		Login:    login.field(""),
		Manage:   instance.ConsoleUrl().Elem(),
		Port:     brokerPort,
		CIDRs:    args.Network.DataCIDRs[:args.Network.Spread],
		MaxConns: connections,
	}
	return broker, ctx.RegisterResourceOutputs(broker, pulumi.Map{
		"url":       broker.Endpoint.URL,
		"secretArn": broker.SecretARN,
	})
}
