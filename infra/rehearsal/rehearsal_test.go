package rehearsal_test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/rehearsal"
	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// root is the repository.
const root = "../.."

// found is the path of the engine, which is built once if it has to be.
var found = sync.OnceValues(func() (string, error) {
	path, err := rehearsal.FindPulumi(context.Background(), root, os.Stderr)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
})

// cli finds or builds the engine.
func cli(t *testing.T) string {
	t.Helper()
	path, err := found()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// small gives options to rehearse the small program.
func small(t *testing.T, settings map[string]string) rehearsal.Options {
	t.Helper()
	dir := t.TempDir()
	project := "name: small\nruntime: go\nmain: infra\nstackConfigDir: stacks\n"
	if err := os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), []byte(project), 0o600); err != nil {
		t.Fatal(err)
	}
	return rehearsal.Options{
		Root: dir, Stack: "dev", Program: smallNetwork, Pulumi: cli(t), Settings: settings,
		Progress: progress{t}, Now: time.Now,
	}
}

// progress shows what a rehearsal says when its test fails.
type progress struct{ t *testing.T }

func (p progress) Write(text []byte) (int, error) {
	p.t.Log(strings.TrimRight(string(text), "\n"))
	return len(text), nil
}

func TestARehearsalGoesThroughEveryStep(t *testing.T) {
	t.Parallel()
	report, err := rehearsal.Run(t.Context(), small(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	const all = 9 // stack, provider, component, network, three subnets, password, bucket
	for step, want := range map[string]rehearsal.Counts{
		"preview": {"create": all},
		"up":      {"create": all},
		"again":   {"same": all},
		"repair":  {"update": 1, "same": all - 1},
		"destroy": {"delete": all},
	} {
		if got := report.Steps[step]; got.String() != want.String() {
			t.Errorf("%s: %s, want %s", step, got, want)
		}
	}
	if report.Steps["refresh"]["update"] != 1 {
		t.Errorf("refresh: %s, want one update", report.Steps["refresh"])
	}
	if len(report.Retained) != 1 || !strings.HasSuffix(report.Retained[0], "::data") {
		t.Errorf("retained %v, want the bucket", report.Retained)
	}
	if got := report.Resources.Tiers["Network"]; got != 5 {
		t.Errorf("%d resources in the network, want 5", got)
	}
}

func TestAFailureIsRecoveredWithoutDuplicates(t *testing.T) {
	t.Parallel()
	for _, planted := range []string{
		"aws:ec2/subnet:Subnet#3",
		"aws:ec2/subnet:Subnet#2:timeout",
		"aws:ec2/vpc:Vpc#1:throttle",
	} {
		t.Run(planted, func(t *testing.T) {
			t.Parallel()
			o := small(t, nil)
			fault, err := standin.ParseFault(planted)
			if err != nil {
				t.Fatal(err)
			}
			o.Faults = []standin.Fault{fault}
			report, err := rehearsal.Run(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			if report.Steps["recover"] == nil || report.Resources.Types["aws:ec2/subnet:Subnet"] != 3 {
				t.Errorf("steps %v, resources %v", report.Steps, report.Resources)
			}
		})
	}
}

func TestAFaultThatNothingMeetsIsAnError(t *testing.T) {
	t.Parallel()
	o := small(t, nil)
	o.Faults = []standin.Fault{{Type: "aws:ec2/subnet:Subnet", Nth: 4, Kind: standin.FaultRefuse}}
	if _, err := rehearsal.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), "has not happened") {
		t.Errorf("got %v", err)
	}
}

func TestDriftOfEveryKindIsShownAndRepaired(t *testing.T) {
	t.Parallel()
	o := small(t, nil)
	for _, planted := range []string{"aws:ec2/subnet:Subnet#1.mapPublicIpOnLaunch=true", "aws:ec2/subnet:Subnet#3:gone"} {
		d, err := standin.ParseDrift(planted)
		if err != nil {
			t.Fatal(err)
		}
		o.Drift = append(o.Drift, d)
	}
	report, err := rehearsal.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if refresh := report.Steps["refresh"]; refresh["update"] != 1 || refresh["delete"] != 1 {
		t.Errorf("refresh: %s", refresh)
	}
	if repair := report.Steps["repair"]; repair["update"] != 1 || repair["create"] != 1 {
		t.Errorf("repair: %s", repair)
	}
}

// What the provider would refuse stops the rehearsal, with the provider's
// reason.
func TestAProgramThatTheProviderRefusesFails(t *testing.T) {
	t.Parallel()
	cases := map[string]struct {
		properties pulumi.Map
		want       string
	}{
		"unknown property":    {pulumi.Map{"cidrBlock": pulumi.String("10.0.0.0/16"), "cidrBlok": pulumi.String("x")}, `unknown key`},
		"wrong type":          {pulumi.Map{"cidrBlock": pulumi.String("10.0.0.0/16"), "enableDnsSupport": pulumi.String("yes")}, "expected a boolean, got string"},
		"tag of a wrong type": {pulumi.Map{"cidrBlock": pulumi.String("10.0.0.0/16"), "tags": pulumi.Map{"a": pulumi.Int(1)}}, "expected a string, got number"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := small(t, map[string]string{"aws:region": "eu-central-1"})
			o.Program = func(ctx *pulumi.Context) error {
				var vpc pulumi.CustomResourceState
				return ctx.RegisterResource("aws:ec2/vpc:Vpc", "net", c.properties, &vpc)
			}
			if _, err := rehearsal.Run(t.Context(), o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
		})
	}
}
