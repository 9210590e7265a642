package standin

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/stats"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// maxMessage is the engine's own limit of a message's size, in bytes.
const maxMessage = 400 << 20

// Plugins are stand-ins that listen for the engine on loopback.
type Plugins struct {
	ports   []string
	servers []*grpc.Server
	done    sync.WaitGroup
}

// Serve starts a plug-in for each provider over one cloud.
func Serve(ctx context.Context, cloud *Cloud, providers ...Provider) (*Plugins, error) {
	p := new(Plugins)
	for _, provider := range providers {
		listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			p.Close()
			return nil, fmt.Errorf("stand-in for %s: %w", provider.Name(), err)
		}
		server := grpc.NewServer(
			grpc.MaxRecvMsgSize(maxMessage), grpc.MaxSendMsgSize(maxMessage), grpc.StatsHandler(connections{}))
		pulumirpc.RegisterResourceProviderServer(server, &service{provider: provider, cloud: cloud})
		_, port, _ := net.SplitHostPort(listener.Addr().String())
		p.ports = append(p.ports, provider.Name()+":"+port)
		p.servers = append(p.servers, server)
		p.done.Go(func() { _ = server.Serve(listener) }) // ends with Close alone
	}
	return p, nil
}

// Environment is the variable that makes the engine use the stand-ins.
func (p *Plugins) Environment() (name, value string) {
	return "PULUMI_DEBUG_PROVIDERS", strings.Join(p.ports, ",")
}

// Close ends the plug-ins. It may be called more than once.
func (p *Plugins) Close() {
	for _, server := range p.servers {
		server.Stop()
	}
	p.done.Wait()
}

// The engine opens a connection for each provider resource and configures it
// once; calls then do not say which provider they mean. So a connection
// carries its session.
type (
	connections   struct{}
	connectionKey struct{}
	connection    struct {
		mu      sync.Mutex
		session Session
	}
)

func (connections) TagConn(ctx context.Context, _ *stats.ConnTagInfo) context.Context {
	return context.WithValue(ctx, connectionKey{}, new(connection))
}
func (connections) HandleConn(context.Context, stats.ConnStats)                     {}
func (connections) TagRPC(ctx context.Context, _ *stats.RPCTagInfo) context.Context { return ctx }
func (connections) HandleRPC(context.Context, stats.RPCStats)                       {}

// service translates between the protocol and a provider.
type service struct {
	pulumirpc.UnimplementedResourceProviderServer
	provider Provider
	cloud    *Cloud
}

func (s *service) session(ctx context.Context) (Session, error) {
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return nil, status.Error(codes.Internal, "the call came over no connection")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.session == nil {
		return nil, status.Errorf(codes.FailedPrecondition, "provider %s is not configured", s.provider.Name())
	}
	return c.session, nil
}

func (s *service) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return new(emptypb.Empty), nil
}

func (s *service) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: s.provider.Version()}, nil
}

func (s *service) GetSchema(context.Context, *pulumirpc.GetSchemaRequest) (*pulumirpc.GetSchemaResponse, error) {
	return &pulumirpc.GetSchemaResponse{
		Schema: fmt.Sprintf(`{"name":%q,"version":%q}`, s.provider.Name(), s.provider.Version()),
	}, nil
}

func (s *service) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return new(emptypb.Empty), nil // no call takes long enough to be cut short
}

// reservedConfig are settings that the engine adds to a provider's own.
var reservedConfig = []resource.PropertyKey{"version", "pluginDownloadURL", "pluginChecksums", "__internal"}

func (s *service) CheckConfig(_ context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	news, err := unmarshal(request.GetNews())
	if err != nil {
		return nil, err
	}
	config := plain(news)
	wanted := config["version"]
	for _, key := range reservedConfig {
		delete(config, key)
	}
	failures := s.provider.CheckConfig(config)
	if wanted.IsString() && wanted.StringValue() != s.provider.Version() {
		failures = append(failures, schema.Failure{Path: "version", Reason: fmt.Sprintf(
			"the program wants %s, this is the schema of %s", wanted.StringValue(), s.provider.Version())})
	}
	return &pulumirpc.CheckResponse{Inputs: request.GetNews(), Failures: failed(failures)}, nil
}

func (s *service) DiffConfig(_ context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, err := unmarshal(request.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(request.GetNews())
	if err != nil {
		return nil, err
	}
	return diff(settings{}, Resource{}, plain(olds), plain(news)), nil
}

// settings are compared like the inputs of a resource that is never replaced.
type settings struct{ Session }

func (settings) Replaces(Resource, string) bool { return false }

func (s *service) Configure(ctx context.Context, request *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := unmarshal(request.GetArgs())
	if err != nil {
		return nil, err
	}
	config := plain(args)
	for _, key := range reservedConfig {
		delete(config, key)
	}
	session, err := s.provider.Configure(config)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	c, ok := ctx.Value(connectionKey{}).(*connection)
	if !ok {
		return nil, status.Error(codes.Internal, "the call came over no connection")
	}
	c.mu.Lock()
	c.session = session
	c.mu.Unlock()
	return &pulumirpc.ConfigureResponse{
		AcceptSecrets: true, SupportsPreview: true, SupportsAutonamingConfiguration: true,
	}, nil
}

func (s *service) Check(ctx context.Context, request *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	session, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	olds, err := unmarshal(request.GetOlds())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(request.GetNews())
	if err != nil {
		return nil, err
	}
	naming := Naming{Old: plain(olds), Seed: request.GetRandomSeed()}
	if auto := request.GetAutonaming(); auto != nil {
		naming.Proposed = auto.GetProposedName()
		naming.Enforced = auto.GetMode() == pulumirpc.CheckRequest_AutonamingOptions_ENFORCE
		naming.Disabled = auto.GetMode() == pulumirpc.CheckRequest_AutonamingOptions_DISABLE
	}
	inputs, failures := session.Check(resourceOf(request.GetUrn()), plain(news), naming)
	keepSecrets(inputs, news)
	properties, err := marshal(inputs)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.CheckResponse{Inputs: properties, Failures: failed(failures)}, nil
}

func (s *service) Diff(ctx context.Context, request *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	session, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	olds, err := unmarshal(request.GetOldInputs())
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(request.GetNews())
	if err != nil {
		return nil, err
	}
	return diff(session, resourceOf(request.GetUrn()), plain(olds), plain(news)), nil
}

func (s *service) Create(ctx context.Context, request *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	session, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(request.GetProperties())
	if err != nil {
		return nil, err
	}
	r, inputs := resourceOf(request.GetUrn()), plain(news)
	if request.GetPreview() {
		planned := session.Plan(r, inputs, nil)
		if s.cloud.Silent {
			for key := range planned {
				planned[key] = resource.MakeComputed(resource.NewProperty(""))
			}
		}
		properties, err := s.outputs(session, r, planned, news)
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	object, err := createWithFaults(ctx, s.cloud, r, func() (*Object, error) { return session.Create(ctx, r, inputs) })
	if err != nil && object == nil {
		return nil, err
	}
	properties, marshalError := s.outputs(session, r, object.Outputs, news)
	if marshalError != nil {
		return nil, marshalError
	}
	if err != nil {
		return nil, halfMade(object.ID, properties, request.GetProperties(), err)
	}
	return &pulumirpc.CreateResponse{Id: object.ID, Properties: properties}, nil
}

// halfMade is the failure of an operation that has made its object: the engine
// keeps it in the state, and the next update begins there.
func halfMade(id string, properties, inputs *structpb.Struct, reason error) error {
	detail := &pulumirpc.ErrorResourceInitFailed{Id: id, Properties: properties, Inputs: inputs, Reasons: []string{reason.Error()}}
	failure, err := status.New(codes.Unknown, reason.Error()).WithDetails(detail)
	if err != nil {
		return errors.Join(reason, err)
	}
	return failure.Err()
}

func (s *service) Read(ctx context.Context, request *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	session, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	state, err := unmarshal(request.GetProperties())
	if err != nil {
		return nil, err
	}
	inputs, err := unmarshal(request.GetInputs())
	if err != nil {
		return nil, err
	}
	r := resourceOf(request.GetUrn())
	object, err := session.Read(ctx, r, request.GetId())
	if err != nil || object == nil {
		return new(pulumirpc.ReadResponse), err
	}
	properties, err := s.outputs(session, r, object.Outputs, state, inputs)
	if err != nil {
		return nil, err
	}
	keepSecrets(object.Inputs, inputs)
	live, err := marshal(object.Inputs)
	if err != nil {
		return nil, err
	}
	return &pulumirpc.ReadResponse{Id: object.ID, Properties: properties, Inputs: live}, nil
}

func (s *service) Update(ctx context.Context, request *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	session, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	news, err := unmarshal(request.GetNews())
	if err != nil {
		return nil, err
	}
	olds, err := unmarshal(request.GetOlds())
	if err != nil {
		return nil, err
	}
	r, inputs := resourceOf(request.GetUrn()), plain(news)
	if request.GetPreview() {
		old := &Object{Resource: r, ID: request.GetId(), Outputs: plain(olds)}
		properties, err := s.outputs(session, r, session.Plan(r, inputs, old), news)
		return &pulumirpc.UpdateResponse{Properties: properties}, err
	}
	object, err := session.Update(ctx, r, request.GetId(), inputs)
	if err != nil && object == nil {
		return nil, err
	}
	properties, marshalError := s.outputs(session, r, object.Outputs, news)
	if marshalError != nil {
		return nil, marshalError
	}
	if err != nil {
		return nil, halfMade(object.ID, properties, request.GetNews(), err)
	}
	return &pulumirpc.UpdateResponse{Properties: properties}, nil
}

func (s *service) Delete(ctx context.Context, request *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	session, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	return new(emptypb.Empty), session.Delete(ctx, resourceOf(request.GetUrn()), request.GetId())
}

func (s *service) Invoke(ctx context.Context, request *pulumirpc.InvokeRequest) (*pulumirpc.InvokeResponse, error) {
	session, err := s.session(ctx)
	if err != nil {
		return nil, err
	}
	args, err := unmarshal(request.GetArgs())
	if err != nil {
		return nil, err
	}
	result, failures, err := session.Invoke(ctx, request.GetTok(), plain(args))
	if err != nil {
		return nil, err
	}
	answer, err := marshal(result)
	return &pulumirpc.InvokeResponse{Return: answer, Failures: failed(failures)}, err
}

// outputs marks what is secret and puts outputs into the protocol's form.
func (s *service) outputs(
	session Session, r Resource, outputs resource.PropertyMap, given ...resource.PropertyMap,
) (*structpb.Struct, error) {
	keepSecrets(outputs, given...)
	markSecrets(outputs, session.Secrets(r))
	return marshal(outputs)
}

func failed(failures []schema.Failure) []*pulumirpc.CheckFailure {
	var list []*pulumirpc.CheckFailure
	for _, f := range failures {
		list = append(list, &pulumirpc.CheckFailure{Property: f.Path, Reason: f.Reason})
	}
	return list
}

func unmarshal(properties *structpb.Struct) (resource.PropertyMap, error) {
	if properties == nil {
		return resource.PropertyMap{}, nil
	}
	return plugin.UnmarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
}

func marshal(properties resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true})
}
