package kubernetes

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// store keeps what was learned in a ConfigMap, one key for each workload.
type store struct {
	client          kubernetes.Interface
	namespace, name string
}

// load gives what is stored for a workload; nil: nothing.
func (s *store) load(ctx context.Context, workload string) ([]byte, error) {
	stored, err := s.client.CoreV1().ConfigMaps(s.namespace).Get(ctx, s.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the state: %w", err)
	}
	return stored.BinaryData[workload], nil
}

// save stores the states of workloads and leaves others as they are.
func (s *store) save(ctx context.Context, states map[string][]byte) error {
	maps := s.client.CoreV1().ConfigMaps(s.namespace)
	stored, err := maps.Get(ctx, s.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = maps.Create(ctx, &corev1.ConfigMap{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: s.name}, BinaryData: states,
		}, metav1.CreateOptions{})
	} else if err == nil {
		if stored.BinaryData == nil {
			stored.BinaryData = make(map[string][]byte, len(states))
		}
		for workload, state := range states {
			stored.BinaryData[workload] = state
		}
		_, err = maps.Update(ctx, stored, metav1.UpdateOptions{})
	}
	if err != nil {
		return fmt.Errorf("store the state: %w", err)
	}
	return nil
}
