package aws

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

func TestPreflightLooksAtTheDatabase(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	spec.Database.InstanceType, spec.Region = "db.m5.large", "mars-north-1"
	err := preflight(spec, &account{}, nil)
	for _, want := range []string{`database.instanceType: database class "db.m5.large"`, "no authority of RDS is known for region mars-north-1"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the preflight says %v, want %q", err, want)
		}
	}
}

// TestPreflightLooksForAnotherDetector of threats, of which there is one in an
// account and region.
func TestPreflightLooksForAnotherDetector(t *testing.T) {
	t.Parallel()
	const detector = "aws:guardduty/getDetector:getDetector"
	of := func(stack string) *account {
		return &account{answers: map[string]func(resource.PropertyMap) (resource.PropertyMap, error){
			detector: answering(map[string]any{"id": "12abc34d", "tags": map[string]any{"stack": stack}}),
		}}
	}
	if err := preflight(prodSpec(), of("trivet-staging-aws"), nil); err == nil || !strings.Contains(err.Error(), "has detector 12abc34d of GuardDuty already") {
		t.Errorf("another stack's: %v", err)
	}
	if err := preflight(prodSpec(), of("trivet-prod-aws"), nil); err != nil {
		t.Errorf("its own: %v", err)
	}
	if err := preflight(devSpec(), of("trivet-staging-aws"), nil); err != nil {
		t.Errorf("a stack without one: %v", err)
	}
	none := &account{answers: map[string]func(resource.PropertyMap) (resource.PropertyMap, error){detector: refusing("no matching detectors")}}
	if err := preflight(prodSpec(), none, nil); err != nil {
		t.Errorf("an account without one: %v", err)
	}
}
