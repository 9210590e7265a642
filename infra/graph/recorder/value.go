package recorder

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/internals"

	"github.com/trivetkv/trivet/infra/graph"
)

// properties gives the properties of a resource as plain values.
func properties(ctx context.Context, props pulumi.Map) (map[string]any, error) {
	plain := make(map[string]any, len(props))
	for name, input := range props {
		value, err := valueOf(ctx, input)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		plain[name] = value
	}
	return plain, nil
}

// valueOf gives a property as graph.Value describes it.
func valueOf(ctx context.Context, input any) (any, error) {
	switch held := input.(type) {
	case pulumi.Output:
		awaited, err := internals.UnsafeAwaitOutput(ctx, held)
		switch {
		case err != nil:
			return nil, err
		case awaited.Secret:
			return graph.Secret{}, nil
		case !awaited.Known:
			return graph.Unknown{}, nil
		default:
			return valueOf(ctx, awaited.Value)
		}
	case pulumi.AssetOrArchive:
		return fmt.Sprintf("%T", held), nil // contents are not what anybody judges
	}
	value := reflect.ValueOf(input)
	switch value.Kind() {
	case reflect.Invalid:
		return nil, nil
	case reflect.Bool:
		return value.Bool(), nil
	case reflect.Float64:
		return value.Float(), nil
	case reflect.String:
		return value.String(), nil
	case reflect.Slice:
		list := make([]any, value.Len())
		for i := range list {
			var err error
			if list[i], err = valueOf(ctx, value.Index(i).Interface()); err != nil {
				return nil, fmt.Errorf("[%d]: %w", i, err)
			}
		}
		return list, nil
	case reflect.Map:
		object := make(map[string]any, value.Len())
		for members := value.MapRange(); members.Next(); {
			name := members.Key().String()
			member, err := valueOf(ctx, members.Value().Interface())
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			object[name] = member
		}
		return object, nil
	default:
		return nil, fmt.Errorf("a property of type %T", input)
	}
}

// references gives, for each input of a resource, the URNs of the resources
// that it was computed from.
func references(ctx context.Context, props pulumi.Input) (map[string][]string, error) {
	found := map[string][]string{}
	for name, input := range inputsOf(props) {
		awaited, err := internals.UnsafeAwaitOutput(ctx, pulumi.ToOutput(input))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, dependency := range awaited.Dependencies {
			urn, err := urnOf(ctx, dependency)
			if err != nil {
				return nil, fmt.Errorf("%s: %w", name, err)
			}
			if !slices.Contains(found[name], urn) {
				found[name] = append(found[name], urn)
			}
		}
		slices.Sort(found[name])
	}
	return found, nil
}

// inputsOf gives what is set of a resource's arguments, by the properties'
// names. An SDK's arguments have those in the tags of the struct that they
// resolve to, whose fields are named as their own.
func inputsOf(props pulumi.Input) map[string]any {
	inputs := map[string]any{}
	if object, yes := props.(pulumi.Map); yes {
		for name, input := range object {
			inputs[name] = input
		}
		return inputs
	}
	args := reflect.ValueOf(props)
	if args.Kind() == reflect.Pointer {
		args = args.Elem()
	}
	if args.Kind() != reflect.Struct {
		return inputs
	}
	resolved := props.ElementType()
	if resolved.Kind() == reflect.Pointer {
		resolved = resolved.Elem()
	}
	if resolved.Kind() != reflect.Struct {
		return inputs
	}
	for i := range resolved.NumField() {
		field := resolved.Field(i)
		name, _, _ := strings.Cut(field.Tag.Get("pulumi"), ",")
		input := args.FieldByName(field.Name)
		if name == "" || !input.IsValid() || !input.CanInterface() || input.IsZero() {
			continue
		}
		inputs[name] = input.Interface()
	}
	return inputs
}

func urnOf(ctx context.Context, resource pulumi.Resource) (string, error) {
	awaited, err := internals.UnsafeAwaitOutput(ctx, resource.URN())
	if err != nil {
		return "", err
	}
	urn, _ := awaited.Value.(pulumi.URN)
	return string(urn), nil
}
