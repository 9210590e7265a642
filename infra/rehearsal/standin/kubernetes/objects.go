package kubernetes

import (
	"context"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// Plan gives the object as it was sent, and what the cluster adds as unknown.
func (s *session) Plan(_ standin.Resource, inputs resource.PropertyMap, old *standin.Object) resource.PropertyMap {
	outputs := inputs.Copy()
	if old == nil {
		outputs["status"] = resource.MakeComputed(resource.NewProperty(""))
		return outputs
	}
	for key, value := range old.Outputs {
		if _, sent := outputs[key]; !sent {
			outputs[key] = value
		}
	}
	return outputs
}

// Create makes an object. One that is there already is taken over, as server
// side apply does.
func (s *session) Create(ctx context.Context, r standin.Resource, inputs resource.PropertyMap) (*standin.Object, error) {
	o := &standin.Object{Resource: r, Inputs: inputs, ID: idOf(inputs), Seed: s.cloud.Seed(r.URN)}
	if s.cluster != nil {
		return s.apply(ctx, o, s.cloud.Add)
	}
	o.Outputs = imagined(o)
	if err := s.cloud.Add(o); err != nil {
		return nil, fmt.Errorf("creating %s: %w", r.Name, err)
	}
	return o, nil
}

// Update changes an object.
func (s *session) Update(ctx context.Context, r standin.Resource, id string, inputs resource.PropertyMap) (*standin.Object, error) {
	o := &standin.Object{Resource: r, ID: id, Inputs: inputs}
	if old := s.cloud.Get(r.Type, id); old != nil {
		o.Seed = old.Seed
	}
	if s.cluster != nil {
		return s.apply(ctx, o, s.cloud.Replace)
	}
	o.Outputs = imagined(o)
	if err := s.cloud.Replace(o); err != nil {
		return nil, fmt.Errorf("updating %s: %w", r.Name, err)
	}
	return o, nil
}

// apply applies an object to the cluster, keeps it, and waits until it is
// ready. One that does not become ready comes with the error.
func (s *session) apply(ctx context.Context, o *standin.Object, keep func(*standin.Object) error) (*standin.Object, error) {
	live, err := s.cluster.apply(ctx, object(o.Inputs))
	if err != nil {
		return nil, fmt.Errorf("applying %s: %w", o.Name, err)
	}
	ready, waitError := s.cluster.await(ctx, live)
	if ready != nil {
		live = ready
	}
	o.Outputs = resource.NewPropertyMapFromMap(live.Object)
	if err := keep(o); err != nil {
		return nil, fmt.Errorf("applying %s: %w", o.Name, err)
	}
	if waitError != nil {
		return o, fmt.Errorf("waiting for %s: %w", o.Name, waitError)
	}
	return o, nil
}

// Read gives the object as it is.
func (s *session) Read(ctx context.Context, r standin.Resource, id string) (*standin.Object, error) {
	o := s.cloud.Get(r.Type, id)
	if s.cluster == nil || o == nil {
		return o, nil
	}
	live, err := s.cluster.get(ctx, object(o.Inputs))
	if err != nil || live == nil {
		return nil, err
	}
	o.Outputs = resource.NewPropertyMapFromMap(live.Object)
	return o, nil
}

// Delete takes an object away, and waits until it is gone.
func (s *session) Delete(ctx context.Context, r standin.Resource, id string) error {
	if s.cluster != nil {
		if o := s.cloud.Get(r.Type, id); o != nil {
			if err := s.cluster.remove(ctx, object(o.Inputs)); err != nil {
				return fmt.Errorf("deleting %s: %w", r.Name, err)
			}
		}
	}
	s.cloud.Remove(r.Type, id)
	return nil
}

// idOf is the provider's form of an id: namespace/name, or the name alone.
func idOf(inputs resource.PropertyMap) string {
	metadata := inputs["metadata"].ObjectValue()
	if namespace := text(metadata["namespace"]); namespace != "" {
		return namespace + "/" + text(metadata["name"])
	}
	return text(metadata["name"])
}

// imagined is what a cluster would make of an object.
func imagined(o *standin.Object) resource.PropertyMap {
	outputs := o.Inputs.Copy()
	metadata := outputs["metadata"].ObjectValue().Copy()
	h := o.Seed + strings.Repeat("0", 32)
	metadata["uid"] = resource.NewProperty(h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32])
	metadata["resourceVersion"] = resource.NewProperty("1")
	metadata["generation"] = resource.NewProperty(1.0)
	metadata["creationTimestamp"] = resource.NewProperty("2026-01-01T00:00:00Z")
	outputs["metadata"] = resource.NewProperty(metadata)
	status := resource.PropertyMap{}
	spec := resource.PropertyMap{}
	if given := outputs["spec"]; given.IsObject() {
		spec = given.ObjectValue().Copy()
	}
	switch _, kind := groupVersionOf(o.Type); kind {
	case "Namespace":
		status["phase"] = resource.NewProperty("Active")
	case "Deployment", "StatefulSet":
		replicas := spec["replicas"]
		if !replicas.IsNumber() {
			replicas = resource.NewProperty(1.0)
		}
		for _, key := range []resource.PropertyKey{"replicas", "readyReplicas", "updatedReplicas", "availableReplicas"} {
			status[key] = replicas
		}
	case "Job":
		status["succeeded"] = resource.NewProperty(1.0)
	case "Service":
		if _, given := spec["clusterIP"]; !given {
			spec["clusterIP"] = resource.NewProperty("172.20.0.10")
			outputs["spec"] = resource.NewProperty(spec)
		}
	}
	outputs["status"] = resource.NewProperty(status)
	return outputs
}
