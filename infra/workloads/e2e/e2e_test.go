//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
	"github.com/trivetkv/trivet/infra/workloads"
	"github.com/trivetkv/trivet/infra/workloads/workloadstest"
)

// nodePort is where every node answers the API: by chance, so that two
// installations can be on one cluster.
var nodePort = 30000 + 2*mathrand.N(1300)

// installation is the workloads on the cluster.
type installation struct {
	*cluster
	namespace string
	on        *platform.Platform
	first     []workloadstest.Resource // what the first deployment registered
}

// args are those of a production stack on a small machine.
func args(images map[string]string) workloads.Args {
	services := map[string]stack.Service{
		"api":        {Min: 3, Max: 6, CPU: "150m", Memory: "192Mi"},
		"consumer":   {Min: 2, Max: 3, CPU: "50m", Memory: "128Mi"},
		"autoscaler": {Min: 1, Max: 1, CPU: "50m", Memory: "128Mi"},
		"migrate":    {Min: 1, Max: 1, CPU: "100m", Memory: "128Mi"},
	}
	for name, image := range images {
		service := services[name]
		service.Image = image
		services[name] = service
	}
	return workloads.Args{Tier: platform.Prod, Services: services, Autoscaling: stack.AutoscalingTrivet}
}

// deploy registers the workloads with their images and applies what that gives.
// Secrets are those of the first deployment, as an engine with a state has them.
func (i *installation) deploy(t *testing.T, images map[string]string) {
	t.Helper()
	resources, err := workloadstest.Run(workloadstest.Program(i.on, args(images)), false)
	if err != nil {
		t.Fatal(err)
	}
	if i.first == nil {
		i.first = resources
	} else {
		resources = slices.DeleteFunc(resources, func(r workloadstest.Resource) bool {
			return strings.HasSuffix(r.Type, ":Secret") || strings.HasSuffix(r.Type, ":ConfigMap")
		})
	}
	i.apply(t, resources)
}

// TestWorkloadsOnACluster deploys a version, uses it, and deploys the next one
// while it is being used.
func TestWorkloadsOnACluster(t *testing.T) {
	i := &installation{cluster: connect(t), namespace: "trivet-e2e-" + strings.ToLower(rand.Text()[:6])}
	i.on = startServers(t, i.namespace)
	t.Cleanup(func() {
		if err := i.CoreV1().Namespaces().Delete(context.Background(), i.namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	i.deploy(t, images(t, "v1"))
	i.awaitRollout(t, i.namespace)
	c := i.client(t)
	await(t, "an answer on the node's port", func(ctx context.Context) (bool, error) {
		status, _, _, err := c.do(ctx, http.MethodGet, "/health", "")
		return status == http.StatusOK, err
	})

	t.Run("the API answers over TLS", func(t *testing.T) { i.answers(t, c) })
	t.Run("asynchronous writes are applied", func(t *testing.T) { i.applies(t, c) })
	t.Run("the autoscaler hears every pod", func(t *testing.T) { i.hears(t) })
	t.Run("no secret is in the environment", func(t *testing.T) { i.hidesSecrets(t) })
	t.Run("an update under load drops no request", func(t *testing.T) { i.updates(t, c) })
}

// client talks to the API as the balancer does, but checks who answers.
type client struct {
	http  *http.Client
	base  string
	token string
}

func (i *installation) client(t *testing.T) *client {
	t.Helper()
	secret := func(name, key string) string {
		found, err := i.CoreV1().Secrets(i.namespace).Get(t.Context(), name, metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return string(found.Data[key])
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM([]byte(secret("trivet-api-tls", "ca.crt"))) {
		t.Fatal("the secret of the certificate has no authority")
	}
	return &client{
		http: &http.Client{Transport: &http.Transport{
			TLSClientConfig:     &tls.Config{RootCAs: roots, ServerName: "trivet-api." + i.namespace + ".svc", MinVersion: tls.VersionTLS12},
			MaxIdleConnsPerHost: 16, ForceAttemptHTTP2: false,
		}, Timeout: 15 * time.Second},
		base:  "https://" + net.JoinHostPort(host(), strconv.Itoa(nodePort)),
		token: secret("trivet-api-secrets", "root-token"),
	}
}

func (c *client) do(ctx context.Context, method, path, body string, header ...string) (status int, answer []byte, headers http.Header, err error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewBufferString(body))
	if err != nil {
		return 0, nil, nil, err
	}
	request.Header.Set("Authorization", "Bearer "+c.token)
	for n := 0; n+1 < len(header); n += 2 {
		request.Header.Set(header[n], header[n+1])
	}
	response, err := c.http.Do(request)
	if err != nil {
		return 0, nil, nil, err
	}
	defer response.Body.Close()
	answer, err = io.ReadAll(response.Body)
	return response.StatusCode, answer, response.Header, err
}

func (i *installation) answers(t *testing.T, c *client) {
	for _, step := range []struct {
		method, path, body string
		status             int
	}{
		{http.MethodPut, "/v1/kv/e2e/k", "v", http.StatusCreated},
		{http.MethodGet, "/v1/kv/e2e/k", "", http.StatusOK},
		{http.MethodGet, "/v1/kv/e2e/absent", "", http.StatusNotFound},
		{http.MethodGet, "/docs", "", http.StatusOK},
	} {
		status, answer, _, err := c.do(t.Context(), step.method, step.path, step.body)
		if err != nil || status != step.status {
			t.Errorf("%s %s: %d %s %v", step.method, step.path, status, answer, err)
		}
	}
	anonymous := *c
	anonymous.token = "nobody's"
	if status, _, _, err := anonymous.do(t.Context(), http.MethodGet, "/v1/kv/e2e/k", ""); err != nil || status != http.StatusUnauthorized {
		t.Errorf("without a token: %d, %v", status, err)
	}
}

func (i *installation) applies(t *testing.T, c *client) {
	status, answer, headers, err := c.do(t.Context(), http.MethodPut, "/v1/kv/e2e/later", "v", "Prefer", "respond-async")
	if err != nil || status != http.StatusAccepted {
		t.Fatalf("%d %s %v", status, answer, err)
	}
	await(t, "the operation", func(ctx context.Context) (bool, error) {
		_, answer, _, err := c.do(ctx, http.MethodGet, headers.Get("Location"), "")
		return strings.Contains(string(answer), `"applied"`), errors.Join(err, errors.New(string(answer)))
	})
}

// hears asks the autoscaler whether all pods tell it their numbers, which takes
// its rights, its authority and the pods' certificates.
func (i *installation) hears(t *testing.T) {
	pods, err := i.CoreV1().Pods(i.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=trivet-autoscaler"})
	if err != nil || len(pods.Items) == 0 {
		t.Fatalf("%d pods, %v", len(pods.Items), err)
	}
	address := "http://" + net.JoinHostPort(pods.Items[0].Status.PodIP, "9090") + "/metrics"
	await(t, "complete signals", func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
		if err != nil {
			return false, err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, err
		}
		defer answer.Body.Close()
		text, err := io.ReadAll(answer.Body)
		var signals []string
		for line := range strings.Lines(string(text)) {
			if strings.HasPrefix(line, "trivet_autoscaler_signal_complete") {
				signals = append(signals, strings.TrimSpace(line))
			}
		}
		complete := len(signals) == 2 && !slices.ContainsFunc(signals, func(line string) bool { return !strings.HasSuffix(line, " 1") })
		return complete, errors.Join(err, fmt.Errorf("%q", signals))
	})
}

// hidesSecrets looks for the values of all secrets in the pods' descriptions.
func (i *installation) hidesSecrets(t *testing.T) {
	secrets, err := i.CoreV1().Secrets(i.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pods, err := i.CoreV1().Pods(i.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(pods)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range secrets.Items {
		for key, value := range secret.Data {
			if secret.Type != corev1.SecretTypeTLS && bytes.Contains(text, value) {
				t.Errorf("%s of %s is in the description of a pod", key, secret.Name)
			}
		}
	}
}

// updates deploys the next version while callers read and write, over
// connections that they keep and over new ones.
func (i *installation) updates(t *testing.T, c *client) {
	next := images(t, "v2")
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var (
		callers sync.WaitGroup
		done    atomic.Int64
		mu      sync.Mutex
		dropped []string
	)
	for n := range 6 {
		callers.Go(func() {
			for round := 0; ctx.Err() == nil; round++ {
				if err := i.call(ctx, c, n, round); err != nil && ctx.Err() == nil {
					mu.Lock()
					dropped = append(dropped, err.Error())
					mu.Unlock()
				}
				done.Add(1)
			}
		})
	}
	i.deploy(t, next)
	i.awaitRollout(t, i.namespace)
	stop()
	callers.Wait()
	t.Logf("%d requests, %d dropped", done.Load(), len(dropped))
	if len(dropped) > 0 {
		t.Errorf("%d of %d requests were dropped: %q", len(dropped), done.Load(), dropped[:min(len(dropped), 10)])
	}
	if done.Load() < 200 {
		t.Error("there was hardly any load")
	}
	i.isOf(t, next)
}

// call makes one request; every fourth one over a connection of its own.
func (i *installation) call(ctx context.Context, c *client, caller, round int) error {
	path := fmt.Sprintf("/v1/kv/load/%d", caller)
	method, want := http.MethodGet, http.StatusOK
	if round%2 == 0 {
		method = http.MethodPut
	}
	if round == 0 {
		want = http.StatusCreated
	}
	var header []string
	if round%4 == 3 {
		header = []string{"Connection", "close"}
	}
	status, answer, _, err := c.do(ctx, method, path, strconv.Itoa(round), header...)
	if err != nil {
		return err
	}
	if status != want {
		return fmt.Errorf("%s: %d %s", method, status, answer)
	}
	return nil
}

// isOf holds that all pods run the images, and that a job has prepared for them.
func (i *installation) isOf(t *testing.T, references map[string]string) {
	pods, err := i.CoreV1().Pods(i.namespace).List(t.Context(), metav1.ListOptions{FieldSelector: "status.phase=Running"})
	if err != nil {
		t.Fatal(err)
	}
	for _, pod := range pods.Items {
		service := pod.Labels["app.kubernetes.io/component"]
		if image := pod.Spec.Containers[0].Image; image != references[service] && pod.DeletionTimestamp == nil {
			t.Errorf("%s runs %s, want %s", pod.Name, image, references[service])
		}
	}
	jobs, err := i.BatchV1().Jobs(i.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(jobs.Items) != 4 {
		t.Errorf("%d jobs, %v; want two of each version", len(jobs.Items), err)
	}
}
