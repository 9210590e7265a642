package recorder

import (
	"context"
	"net"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/urn"
	"github.com/pulumi/pulumi/sdk/v3/go/common/tokens"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"
)

// engine is as much of the engine as a program needs to run: it hands every
// registration to the transforms, as the real one does, and makes everything
// that they let through. In a preview, it knows no outputs.
type engine struct {
	pulumirpc.UnimplementedResourceMonitorServer
	pulumirpc.UnimplementedEngineServer
	preview bool

	mu         sync.Mutex
	transforms []*pulumirpc.Callback
	made       []string
	root       string
}

// run runs a program and gives the names of the resources that it made.
func run(t *testing.T, preview bool, program pulumi.RunFunc) ([]string, error) {
	t.Helper()
	e := &engine{preview: preview}
	server := grpc.NewServer()
	pulumirpc.RegisterResourceMonitorServer(server, e)
	pulumirpc.RegisterEngineServer(server, e)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	ctx, err := pulumi.NewContext(t.Context(), pulumi.RunInfo{
		Project: "trivet", Stack: "prod", DryRun: preview,
		MonitorAddr: listener.Addr().String(), EngineAddr: listener.Addr().String(),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ctx.Close() })
	err = pulumi.RunWithContext(ctx, program)
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.made, err
}

func (e *engine) SupportsFeature(context.Context, *pulumirpc.SupportsFeatureRequest) (*pulumirpc.SupportsFeatureResponse, error) {
	return &pulumirpc.SupportsFeatureResponse{HasSupport: true}, nil
}

func (e *engine) RegisterStackTransform(_ context.Context, callback *pulumirpc.Callback) (*emptypb.Empty, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.transforms = append(e.transforms, callback)
	return &emptypb.Empty{}, nil
}

func (e *engine) RegisterResource(ctx context.Context, req *pulumirpc.RegisterResourceRequest) (*pulumirpc.RegisterResourceResponse, error) {
	e.mu.Lock()
	transforms := e.transforms
	e.mu.Unlock()
	for _, callback := range transforms {
		if err := invoke(ctx, callback, req); err != nil {
			return nil, err
		}
	}
	parent := tokens.Type("")
	if req.Parent != "" {
		parent = urn.URN(req.Parent).QualifiedType()
	}
	own := urn.New("prod", "trivet", parent, tokens.Type(req.Type), req.Name)
	e.mu.Lock()
	e.made = append(e.made, req.Name)
	e.mu.Unlock()
	id := req.Name + "-id"
	if e.preview {
		id = ""
	}
	return &pulumirpc.RegisterResourceResponse{Urn: string(own), Id: id, Object: req.Object}, nil
}

func invoke(ctx context.Context, callback *pulumirpc.Callback, req *pulumirpc.RegisterResourceRequest) error {
	properties, err := plugin.UnmarshalProperties(req.Object, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true})
	if err != nil {
		return err
	}
	if properties == nil {
		properties = resource.PropertyMap{}
	}
	object, err := plugin.MarshalProperties(properties, plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, KeepResources: true})
	if err != nil {
		return err
	}
	request, err := proto.Marshal(&pulumirpc.TransformRequest{
		Type: req.Type, Name: req.Name, Custom: req.Custom, Parent: req.Parent, Properties: object,
		Options: &pulumirpc.TransformResourceOptions{Protect: req.Protect, RetainOnDelete: req.RetainOnDelete},
	})
	if err != nil {
		return err
	}
	connection, err := grpc.NewClient(callback.Target, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	_, err = pulumirpc.NewCallbacksClient(connection).Invoke(ctx, &pulumirpc.CallbackInvokeRequest{Token: callback.Token, Request: request})
	return err
}

func (e *engine) RegisterResourceOutputs(context.Context, *pulumirpc.RegisterResourceOutputsRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (e *engine) SignalAndWaitForShutdown(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (e *engine) SetRootResource(_ context.Context, req *pulumirpc.SetRootResourceRequest) (*pulumirpc.SetRootResourceResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.root = req.Urn
	return &pulumirpc.SetRootResourceResponse{}, nil
}

func (e *engine) GetRootResource(context.Context, *pulumirpc.GetRootResourceRequest) (*pulumirpc.GetRootResourceResponse, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return &pulumirpc.GetRootResourceResponse{Urn: e.root}, nil
}

func (e *engine) Log(context.Context, *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}
