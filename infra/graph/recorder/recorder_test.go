package recorder

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/graph"
)

// bucket and its arguments are shaped as those of an SDK.
type bucket struct {
	pulumi.CustomResourceState
	Label pulumi.StringOutput `pulumi:"label"`
}

type bucketInputs struct {
	Label    string         `pulumi:"label"`
	Of       *string        `pulumi:"of"`
	Password *string        `pulumi:"password"`
	Rules    []any          `pulumi:"rules"`
	Days     *int           `pulumi:"days"`
	Closed   *bool          `pulumi:"closed"`
	Tags     map[string]any `pulumi:"tags"`
}

type bucketArgs struct {
	Label    pulumi.StringInput
	Of       pulumi.StringPtrInput
	Password pulumi.StringPtrInput
	Rules    pulumi.ArrayInput
	Days     pulumi.IntPtrInput
	Closed   pulumi.BoolPtrInput
	Tags     pulumi.MapInput
}

func (bucketArgs) ElementType() reflect.Type { return reflect.TypeFor[*bucketInputs]().Elem() }

type component struct{ pulumi.ResourceState }

func newBucket(ctx *pulumi.Context, name string, args *bucketArgs, opts ...pulumi.ResourceOption) (*bucket, error) {
	made := &bucket{}
	return made, ctx.RegisterResource("test:index:Bucket", name, args, made, opts...)
}

// twoBuckets registers a component with a bucket, and one that is computed from it.
func twoBuckets(ctx *pulumi.Context) error {
	tier := &component{}
	if err := ctx.RegisterComponentResource("trivet:test:Tier", "tier", tier); err != nil {
		return err
	}
	first, err := newBucket(ctx, "first", &bucketArgs{
		Label: pulumi.String("one"), Days: pulumi.Int(7), Closed: pulumi.Bool(true),
		Password: pulumi.ToSecret(pulumi.String("hidden")).(pulumi.StringOutput),
		Rules:    pulumi.Array{pulumi.Map{"id": pulumi.String("age")}},
		Tags:     pulumi.Map{"owner": pulumi.String("platform")},
	}, pulumi.Parent(tier), pulumi.Protect(true), pulumi.RetainOnDelete(true))
	if err != nil {
		return err
	}
	_, err = newBucket(ctx, "second", &bucketArgs{
		Label: pulumi.Sprintf("copy of %s", first.ID()), Of: first.ID().ToStringOutput().ToStringPtrOutput(),
	}, pulumi.Parent(tier))
	return err
}

// record runs a program and gives the graph that the recorder made of it.
func record(t *testing.T, preview bool, program pulumi.RunFunc) graph.Graph {
	t.Helper()
	var recorded graph.Graph
	_, err := run(t, preview, func(ctx *pulumi.Context) error {
		r, err := Start(ctx, nil)
		if err != nil {
			return err
		}
		if err := program(ctx); err != nil {
			return err
		}
		ctx.Export("judged", r.Then(ctx, func(g graph.Graph) (any, error) {
			recorded = g
			return len(g), nil
		}))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return recorded
}

const (
	tierURN  = "urn:pulumi:prod::trivet::trivet:test:Tier::tier"
	firstURN = "urn:pulumi:prod::trivet::trivet:test:Tier$test:index:Bucket::first"
)

func TestEverythingThatIsRegisteredIsRecorded(t *testing.T) {
	t.Parallel()
	for name, preview := range map[string]bool{"preview": true, "up": false} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := record(t, preview, twoBuckets)
			if len(g) != 3 {
				t.Fatalf("%d resources: %+v", len(g), g)
			}
			first, second := g[1], g[2]
			if g[0].URN != tierURN || first.URN != firstURN || first.Parent != tierURN || first.Name != "first" {
				t.Errorf("the bucket is %s in %s", first.URN, first.Parent)
			}
			want := map[string]any{
				"label": "one", "days": 7.0, "closed": true, "password": graph.Secret{},
				"rules": []any{map[string]any{"id": "age"}}, "tags": map[string]any{"owner": "platform"},
			}
			if !reflect.DeepEqual(first.Inputs, want) {
				t.Errorf("inputs are %v, want %v", first.Inputs, want)
			}
			if !first.Protect || !first.RetainOnDelete || second.Protect || second.RetainOnDelete {
				t.Error("the options are not those of the program")
			}
			if g.Tier(second) != "Tier" {
				t.Errorf("the tier is %q", g.Tier(second))
			}
		})
	}
}

func TestAPreviewKnowsWhereUnknownValuesComeFrom(t *testing.T) {
	t.Parallel()
	g := record(t, true, twoBuckets)
	first, second := g[1], g[2]
	for _, input := range []string{"of", "label"} {
		if !second.Input(input).Hidden() || !second.RefersTo(first, input) {
			t.Errorf("%s is %v and refers to %v", input, second.Input(input).Raw(), second.References[input])
		}
	}
	if len(first.References["label"]) != 0 {
		t.Errorf("a constant refers to %v", first.References["label"])
	}
}

func TestReferencesAreKnownWhenValuesAre(t *testing.T) {
	t.Parallel()
	g := record(t, false, twoBuckets)
	if second := g[2]; second.Input("label").Text() != "copy of first-id" || !second.RefersTo(g[1], "label") {
		t.Errorf("label is %v and refers to %v", second.Input("label").Raw(), second.References["label"])
	}
}

func TestWhatIsRefusedIsNotMade(t *testing.T) {
	t.Parallel()
	made, err := run(t, false, func(ctx *pulumi.Context) error {
		if _, err := Start(ctx, func(r graph.Resource) error {
			if r.Name == "first" {
				return errors.New("it is the first one")
			}
			return nil
		}); err != nil {
			return err
		}
		return twoBuckets(ctx)
	})
	if err == nil || !strings.Contains(err.Error(), "it is the first one") {
		t.Errorf("the program ended with %v", err)
	}
	if slices.Contains(made, "first") || slices.Contains(made, "second") {
		t.Errorf("made were %v", made)
	}
}

func TestAJudgementThatFailsFailsTheProgram(t *testing.T) {
	t.Parallel()
	_, err := run(t, true, func(ctx *pulumi.Context) error {
		r, err := Start(ctx, nil)
		if err != nil {
			return err
		}
		if err := twoBuckets(ctx); err != nil {
			return err
		}
		ctx.Export("judged", r.Then(ctx, func(graph.Graph) (any, error) { return nil, errors.New("one bucket too many") }))
		return nil
	})
	if err == nil || !strings.Contains(err.Error(), "one bucket too many") {
		t.Errorf("the program ended with %v", err)
	}
}

func TestAPropertyOfAnUnknownKindIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := valueOf(context.Background(), make(chan int)); err == nil {
		t.Error("a channel is no property")
	}
}
