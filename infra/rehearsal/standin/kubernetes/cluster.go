package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	fieldManager = "trivet-rehearsal"
	pollInterval = time.Second
	readyTimeout = 10 * time.Minute // the provider's own for a Deployment
)

// cluster is a real one.
type cluster struct {
	objects dynamic.Interface
	kinds   *restmapper.DeferredDiscoveryRESTMapper
}

// connect reads a kubeconfig from the file that is named, and from nowhere else.
func connect(kubeconfig string) (*cluster, error) {
	rules := &clientcmd.ClientConfigLoadingRules{ExplicitPath: kubeconfig}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	config.QPS, config.Burst = 50, 100 // requests per second: the default is for a single controller
	objects, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	found, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
	}
	return &cluster{objects: objects, kinds: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))}, nil
}

func (c *cluster) mapping(apiVersion, kind string) (*meta.RESTMapping, error) {
	group, err := schema.ParseGroupVersion(apiVersion)
	if err != nil {
		return nil, err
	}
	mapping, err := c.kinds.RESTMapping(group.WithKind(kind).GroupKind(), group.Version)
	if meta.IsNoMatchError(err) { // its definition may have come a moment ago
		c.kinds.Reset()
		mapping, err = c.kinds.RESTMapping(group.WithKind(kind).GroupKind(), group.Version)
	}
	return mapping, err
}

func (c *cluster) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapping(o.GetAPIVersion(), o.GetKind())
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.objects.Resource(mapping.Resource).Namespace(o.GetNamespace()), nil
	}
	return c.objects.Resource(mapping.Resource), nil
}

// apply puts an object into the cluster as it shall be; fields that others
// have set are taken over.
func (c *cluster) apply(ctx context.Context, content map[string]any) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{Object: content}
	client, err := c.resource(o)
	if err != nil {
		return nil, err
	}
	return client.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
}

// get gives the object as it is, or nil.
func (c *cluster) get(ctx context.Context, content map[string]any) (*unstructured.Unstructured, error) {
	o := &unstructured.Unstructured{Object: content}
	client, err := c.resource(o)
	if err != nil {
		return nil, err
	}
	live, err := client.Get(ctx, o.GetName(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return live, err
}

// remove deletes an object with all that it owns, and waits until it is gone.
func (c *cluster) remove(ctx context.Context, content map[string]any) error {
	o := &unstructured.Unstructured{Object: content}
	client, err := c.resource(o)
	if meta.IsNoMatchError(err) { // the definition of its kind went first, and the objects with it
		return nil
	}
	if err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	err = client.Delete(ctx, o.GetName(), metav1.DeleteOptions{PropagationPolicy: &foreground})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return wait.PollUntilContextTimeout(ctx, pollInterval, readyTimeout, true, func(ctx context.Context) (bool, error) {
		_, err := client.Get(ctx, o.GetName(), metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return true, nil
		}
		return false, ignoreUnreachable(err)
	})
}

// await waits until an object is ready, and gives it as it was last.
func (c *cluster) await(ctx context.Context, o *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	if o.GetAnnotations()["pulumi.com/skipAwait"] == "true" {
		return o, nil
	}
	client, err := c.resource(o)
	if err != nil {
		return nil, err
	}
	live, missing := o, ""
	err = wait.PollUntilContextTimeout(ctx, pollInterval, readyTimeout, true, func(ctx context.Context) (bool, error) {
		now, err := client.Get(ctx, o.GetName(), metav1.GetOptions{})
		if err != nil {
			return false, ignoreUnreachable(err)
		}
		live = now
		missing, err = notReady(now)
		return missing == "", err
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		err = fmt.Errorf("not ready after %s: %s", readyTimeout, missing)
	}
	return live, err
}

// ignoreUnreachable goes on waiting while the API server is busy or away.
func ignoreUnreachable(err error) error {
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
		return err
	}
	return nil
}

var errFailed = errors.New("failed")
