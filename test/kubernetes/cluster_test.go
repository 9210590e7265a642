// Package kubernetes_test holds what can only be seen on a real cluster:
// `make e2e` runs it on that of KUBECONFIG, or on one that it starts itself.
package kubernetes_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/template"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Variables of the environment that the tests obey.
const (
	enabledVariable    = "TRIVET_E2E"       // 1: run; a cluster that is missing is then a failure
	kubeconfigVariable = "KUBECONFIG"       // of the cluster
	imageVariable      = "TRIVET_E2E_IMAGE" // with /api, /autoscaler and /probe; without it, one is made and imported by ctr
	programsVariable   = "TRIVET_E2E_BIN"   // directory of the static programs that image is made of
)

const (
	api        = "trivet-api"
	autoscaler = "trivet-autoscaler"
)

// cluster is a namespace of a test's own.
type cluster struct {
	t         *testing.T
	config    *rest.Config
	client    kubernetes.Interface
	namespace string
}

// objects are what the manifest leaves open.
type objects struct {
	Namespace, Image, Token string
	Autoscalers             int
	PodRate                 float64
	Loads                   map[string]float64 // Deployments of clients, off at first, by requests a second
}

// newCluster applies the manifest in a namespace that ends with the test, and
// waits until its pods are ready.
func newCluster(t *testing.T, o objects) *cluster {
	t.Helper()
	c := connect(t)
	o.Image, o.Namespace, o.Token = image(t), c.namespace, rand.Text()+rand.Text()
	c.kubectl("", "create", "namespace", c.namespace)
	t.Cleanup(func() {
		if t.Failed() {
			c.report()
		}
		c.kubectl("", "delete", "namespace", c.namespace, "--wait=false")
	})
	c.apply(c.role())
	manifest, err := template.ParseFiles(filepath.Join("testdata", "objects.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var text bytes.Buffer
	if err := manifest.Execute(&text, o); err != nil {
		t.Fatal(err)
	}
	c.apply(text.String())
	c.eventually(2*time.Minute, "two apis are ready", func() bool { return c.ready(api) == 2 })
	c.eventually(2*time.Minute, "the autoscalers are ready", func() bool { return c.ready(autoscaler) == o.Autoscalers })
	return c
}

// connect reaches the cluster, or skips the test where none was asked for.
func connect(t *testing.T) *cluster {
	t.Helper()
	if os.Getenv(enabledVariable) != "1" {
		t.Skip("it needs a cluster: make e2e")
	}
	file := os.Getenv(kubeconfigVariable)
	if file == "" {
		t.Fatalf("%s names no cluster", kubeconfigVariable)
	}
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	config.QPS, config.Burst = 50, 100
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	return &cluster{t: t, config: config, client: client, namespace: "trivet-e2e-" + strings.ToLower(rand.Text()[:6])}
}

// role is the manifest of what the autoscaler may do.
func (c *cluster) role() string {
	c.t.Helper()
	role, err := os.ReadFile(filepath.Join("..", "..", "services", "autoscaler", "deploy", "role.yaml"))
	if err != nil {
		c.t.Fatal(err)
	}
	return string(role)
}

// image gives the image that the pods run.
func image(t *testing.T) string {
	t.Helper()
	if named := os.Getenv(imageVariable); named != "" {
		return named
	}
	name, err := imported()
	if err != nil {
		t.Fatal(err)
	}
	return name
}

// imported makes the image and hands it to the containerd of this machine, once.
var imported = sync.OnceValues(func() (string, error) {
	const name = "trivet.local/e2e:1"
	bin := os.Getenv(programsVariable)
	dir, err := os.MkdirTemp("", "trivet-e2e-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	archive := filepath.Join(dir, "image.tar")
	args := []string{"run", "./image", "-name", name, "-o", archive}
	for _, program := range []string{"api", "autoscaler", "probe"} {
		args = append(args, filepath.Join(bin, program))
	}
	for _, command := range [][]string{append([]string{"go"}, args...), {"ctr", "-n", "k8s.io", "images", "import", archive}} {
		if out, err := exec.CommandContext(context.Background(), command[0], command[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%s: %w\n%s", strings.Join(command, " "), err, out)
		}
	}
	return name, nil
})

// kubectl runs the client with input and gives its output.
func (c *cluster) kubectl(input string, args ...string) string {
	c.t.Helper()
	cmd := exec.CommandContext(context.Background(), "kubectl", args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		c.t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func (c *cluster) apply(manifest string) {
	c.t.Helper()
	c.kubectl(manifest, "--namespace", c.namespace, "apply", "-f", "-")
}

// scale sets the size of a Deployment.
func (c *cluster) scale(deployment string, replicas int) {
	c.t.Helper()
	c.kubectl("", "--namespace", c.namespace, "scale", "deployment", deployment, fmt.Sprintf("--replicas=%d", replicas))
}

// report logs what helps to understand a failure.
func (c *cluster) report() {
	for _, args := range [][]string{
		{"get", "pods", "-o", "wide"}, {"get", "events", "--sort-by=.lastTimestamp"}, {"logs", "--selector=app=" + autoscaler, "--container=autoscaler", "--tail=30"},
	} {
		out, err := exec.CommandContext(context.Background(), "kubectl", append([]string{"--namespace", c.namespace}, args...)...).CombinedOutput()
		c.t.Logf("kubectl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// size gives the replicas that a Deployment asks for and its generation, which
// counts the changes of it; ok is false while the API server does not answer.
func (c *cluster) size(deployment string) (replicas int, generation int64, ok bool) {
	d, err := c.client.AppsV1().Deployments(c.namespace).Get(c.t.Context(), deployment, metav1.GetOptions{})
	if err != nil {
		return 0, 0, false
	}
	return int(*d.Spec.Replicas), d.Generation, true
}

// ready is how many pods of a Deployment take load.
func (c *cluster) ready(deployment string) int {
	d, err := c.client.AppsV1().Deployments(c.namespace).Get(c.t.Context(), deployment, metav1.GetOptions{})
	if err != nil {
		return -1
	}
	return int(d.Status.ReadyReplicas)
}

// pods are the names of a Deployment's pods.
func (c *cluster) pods(deployment string) []string {
	list, err := c.client.CoreV1().Pods(c.namespace).List(c.t.Context(), metav1.ListOptions{LabelSelector: "app=" + deployment})
	if err != nil {
		return nil
	}
	var names []string
	for i := range list.Items {
		names = append(names, list.Items[i].Name)
	}
	return names
}

// leader is who holds the Lease: the name of a pod, and a process id.
func (c *cluster) leader() string {
	lease, err := c.client.CoordinationV1().Leases(c.namespace).Get(c.t.Context(), autoscaler, metav1.GetOptions{})
	if err != nil || lease.Spec.HolderIdentity == nil {
		return ""
	}
	return *lease.Spec.HolderIdentity
}

// decision is what the tests read of a record of /decisions.
type decision struct {
	At          time.Time `json:"at"`
	Explanation string    `json:"explanation"`
	Applied     bool      `json:"applied"`
	Decision    struct {
		Replicas int     `json:"replicas"`
		From     int     `json:"from"`
		Reason   string  `json:"reason"`
		Lead     float64 `json:"lead_seconds"`
		Ready    int     `json:"ready"`
		Scraped  int     `json:"scraped"`
	} `json:"decision"`
}

// decisions are those of the leader, the oldest first; none while nobody leads.
func (c *cluster) decisions() []decision {
	for _, pod := range c.pods(autoscaler) {
		answer, err := c.ask("GET", pod, 8080, "/decisions")
		if err != nil {
			continue
		}
		var status struct {
			Leading   bool       `json:"leading"`
			Decisions []decision `json:"decisions"`
		}
		if json.Unmarshal(answer, &status) == nil && status.Leading {
			return status.Decisions
		}
	}
	return nil
}

// latest is the leader's last decision.
func (c *cluster) latest() (decision, bool) {
	all := c.decisions()
	if len(all) == 0 {
		return decision{}, false
	}
	return all[len(all)-1], true
}

// applied are the decisions since a time that changed the size.
func (c *cluster) applied(since time.Time) []decision {
	return slices.DeleteFunc(c.decisions(), func(d decision) bool { return !d.Applied || d.At.Before(since) })
}

// ask sends a request to a pod through the API server.
func (c *cluster) ask(method, pod string, port int, path string) ([]byte, error) {
	path, query, _ := strings.Cut(path, "?")
	request := c.client.CoreV1().RESTClient().Verb(method).Namespace(c.namespace).Resource("pods").
		Name(fmt.Sprintf("%s:%d", pod, port)).SubResource("proxy").Suffix(path)
	if name, value, ok := strings.Cut(query, "="); ok {
		request = request.Param(name, value)
	}
	return request.DoRaw(c.t.Context())
}

// order tells the gates of all pods of a Deployment something.
func (c *cluster) order(deployment, path string) {
	c.t.Helper()
	for _, pod := range c.pods(deployment) {
		if _, err := c.ask("POST", pod, 9092, path); err != nil {
			c.t.Fatalf("%s: %s: %v", pod, path, err)
		}
	}
}

// eventually polls for something that has to come about, and gives how long it
// took.
func (c *cluster) eventually(within time.Duration, what string, holds func() bool) time.Duration {
	c.t.Helper()
	began := time.Now()
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	for !holds() {
		if time.Since(began) > within {
			c.t.Fatalf("did not come about within %v: %s", within, what)
		}
		<-tick.C
	}
	return time.Since(began)
}

// always polls for something that has to hold for a while.
func (c *cluster) always(during time.Duration, what string, holds func() bool) {
	c.t.Helper()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for began := time.Now(); time.Since(began) < during; <-tick.C {
		if !holds() {
			c.t.Fatalf("did not hold: %s", what)
		}
	}
}

// decided waits until the leader has made some more decisions, and gives the
// last.
func (c *cluster) decided(within time.Duration, more int) decision {
	c.t.Helper()
	since := time.Now()
	var last decision
	c.eventually(within, fmt.Sprintf("%d decisions", more), func() bool {
		fresh := slices.DeleteFunc(c.decisions(), func(d decision) bool { return d.At.Before(since) })
		if len(fresh) > 0 {
			last = fresh[len(fresh)-1]
		}
		return len(fresh) >= more
	})
	return last
}
