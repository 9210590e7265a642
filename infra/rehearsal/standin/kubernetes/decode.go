package kubernetes

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"k8s.io/apimachinery/pkg/runtime"
	serializer "k8s.io/apimachinery/pkg/runtime/serializer/json"
	"k8s.io/client-go/kubernetes/scheme"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
)

// decoder decodes objects into the types of Kubernetes and refuses fields that
// they do not have.
type decoder struct{ strict runtime.Decoder }

func newDecoder() decoder {
	return decoder{strict: serializer.NewSerializerWithOptions(
		serializer.DefaultMetaFactory, scheme.Scheme, scheme.Scheme, serializer.SerializerOptions{Strict: true})}
}

// check decodes inputs. What is not known yet is left out. A kind that is not
// Kubernetes' own is described by nothing that is here, and passes.
func (d decoder) check(group, kind string, inputs resource.PropertyMap) []schema.Failure {
	content, err := json.Marshal(object(inputs))
	if err != nil {
		return []schema.Failure{{Reason: err.Error()}}
	}
	_, _, err = d.strict.Decode(content, nil, nil)
	switch {
	case err == nil, runtime.IsNotRegisteredError(err):
		return nil
	}
	var failures []schema.Failure
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		for _, one := range strict.Errors() {
			failures = append(failures, schema.Failure{Path: pathIn(one), Reason: group + " " + kind + ": " + one.Error()})
		}
		return failures
	}
	return []schema.Failure{{Reason: group + " " + kind + ": " + err.Error()}}
}

// pathIn gives the path that a message quotes: unknown field "spec.replica".
func pathIn(err error) string {
	if parts := strings.Split(err.Error(), `"`); len(parts) > 1 && errors.Unwrap(err) == nil {
		return parts[1]
	}
	return ""
}

// object is properties as JSON has them, without what is not known yet.
func object(properties resource.PropertyMap) map[string]any {
	content := map[string]any{}
	for key, value := range properties {
		if strings.HasPrefix(string(key), "__") {
			continue
		}
		if v, known := plain(value); known {
			content[string(key)] = v
		}
	}
	return content
}

func plain(value resource.PropertyValue) (any, bool) {
	switch {
	case value.IsComputed(), value.IsOutput() && !value.OutputValue().Known, value.IsNull():
		return nil, false
	case value.IsOutput():
		return plain(value.OutputValue().Element)
	case value.IsSecret():
		return plain(value.SecretValue().Element)
	case value.IsArray():
		list := []any{}
		for _, element := range value.ArrayValue() {
			if v, known := plain(element); known {
				list = append(list, v)
			}
		}
		return list, true
	case value.IsObject():
		return object(value.ObjectValue()), true
	case value.IsNumber():
		if n := value.NumberValue(); n == float64(int64(n)) {
			return int64(n), true
		}
		return value.NumberValue(), true
	}
	return value.V, true
}
