package kubernetes_test

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// steady is a load that two pods do not bear at the rate that a pod is assumed
// to serve, and crowd one that comes on top.
const (
	podRate = 60
	steady  = 150
	crowd   = 400
)

// lead is the time from load to pods that serve it: the start-up time that the
// manifest lets the autoscaler assume, and one interval of its decisions. What
// it learns is less.
const lead = 17 * time.Second

// settled starts the steady load and waits until the size has followed it.
func settled(t *testing.T, autoscalers int) (c *cluster, size int, generation int64) {
	t.Helper()
	c = newCluster(t, objects{Autoscalers: autoscalers, PodRate: podRate, Loads: map[string]float64{"steady": steady, "crowd": crowd}})
	c.scale("steady", 1)
	c.eventually(2*time.Minute, "the size follows the steady load", func() bool {
		size, generation, _ = c.size(api)
		return size >= 3 && c.ready(api) == size
	})
	// Nothing shrinks within minutes, so what has been reached stays.
	c.decided(time.Minute, 15)
	size, generation, _ = c.size(api)
	t.Logf("settled at %d pods", size)
	return c, size, generation
}

func TestTheSizeFollowsTheLoadWithinTheLeadTime(t *testing.T) {
	c, before, _ := settled(t, 1)
	began := time.Now()
	c.scale("crowd", 1)
	least := (steady + crowd) / podRate
	var asked decision
	c.eventually(time.Minute, "pods for the crowd are asked for", func() bool {
		latest, ok := c.latest()
		asked = latest
		return ok && latest.Decision.Replicas >= least
	})
	t.Log(asked.Explanation)
	c.eventually(time.Minute, "they take load", func() bool { return c.ready(api) >= asked.Decision.Replicas })
	ready := time.Now()
	// The time counts from when the load could be seen: the client had to start, too.
	for _, d := range c.applied(began) {
		if d.Decision.From == before {
			began = d.At
			break
		}
	}
	if took := ready.Sub(began); took > lead {
		t.Errorf("%d pods took load %v after the load had come; the lead time is %v", asked.Decision.Replicas, took, lead)
	} else {
		t.Logf("%d pods took load %v after the load had come", asked.Decision.Replicas, took)
	}
	if learned := time.Duration(asked.Decision.Lead * float64(time.Second)); learned >= lead {
		t.Errorf("a lead time of %v is expected after pods have started", learned)
	}
}

func TestALeaderThatIsKilledIsReplacedAndNothingChanges(t *testing.T) {
	c, size, generation := settled(t, 2)
	leader := c.leader()
	pod := leader[:strings.LastIndex(leader, "-")]
	if _, err := c.ask("POST", pod, 9092, "/kill?name=autoscaler"); err != nil {
		t.Fatal(err)
	}
	killed := time.Now()
	// Its container would be started again, and could lead again.
	c.kubectl("", "--namespace", c.namespace, "delete", "pod", pod, "--grace-period=0", "--force")
	var successor string
	c.eventually(15*time.Second, "another pod leads", func() bool {
		successor = c.leader()
		return successor != "" && !strings.HasPrefix(successor, pod)
	})
	took := time.Since(killed)
	t.Logf("%s leads %v after %s was killed", successor, took, leader)
	c.decided(time.Minute, 15)
	if now, g, _ := c.size(api); now != size || g != generation {
		t.Errorf("the change of leaders changed the size: %d → %d, generation %d → %d", size, now, generation, g)
	}
}

func TestMetricsThatAreCutChangeNothing(t *testing.T) {
	c, size, generation := settled(t, 1)
	c.order(api, "cut")
	c.eventually(20*time.Second, "it is blind", func() bool {
		latest, ok := c.latest()
		return ok && latest.Decision.Reason == "blind" && latest.Decision.Scraped == 0
	})
	c.scale("steady", 0) // what it cannot see
	c.always(time.Minute, "the size stays while it is blind", func() bool {
		now, g, ok := c.size(api)
		return !ok || now == size && g == generation
	})
	c.scale("steady", 1)
	c.order(api, "open")
	c.eventually(20*time.Second, "it sees again", func() bool {
		latest, ok := c.latest()
		return ok && latest.Decision.Reason != "blind"
	})
	if now, g, _ := c.size(api); now != size || g != generation {
		t.Errorf("%d → %d pods once there were numbers again", size, now)
	}
}

func TestAnAPIServerThatIsAwayForAMinuteChangesNothing(t *testing.T) {
	state := filepath.Dir(os.Getenv(kubeconfigVariable))
	file := filepath.Join(state, "run", "apiserver.pid")
	if _, err := os.Stat(file); err != nil && os.Getenv(enabledVariable) == "1" {
		t.Skip("this API server is not ours to stop")
	}
	c, size, generation := settled(t, 2)
	stopServer(t, file)
	<-time.After(time.Minute) // the outage
	up := exec.CommandContext(context.WithoutCancel(t.Context()), "./up")
	up.Env = append(os.Environ(), kubeconfigVariable+"=", "TRIVET_CLUSTER_DIR="+state)
	if out, err := up.CombinedOutput(); err != nil {
		t.Fatalf("start the API server again: %v\n%s", err, out)
	}
	back := time.Now()
	c.decided(time.Minute, 5)
	t.Logf("it decides again %v after the API server came back", time.Since(back))
	c.decided(time.Minute, 15)
	if now, g, _ := c.size(api); now != size || g != generation {
		t.Errorf("the outage changed the size: %d → %d, generation %d → %d", size, now, generation, g)
	}
	c.scale("crowd", 1)
	c.eventually(2*time.Minute, "it follows the load again", func() bool { now, _, _ := c.size(api); return now > size })
}

// stopServer ends the process of a file with its id, and waits until it has.
func stopServer(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for syscall.Kill(pid, 0) == nil {
		<-tick.C
	}
}
