package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/guardduty"

	"github.com/trivetkv/trivet/infra/platform"
)

// checkDatabase finds what the database would refuse once the network and the
// cluster are there.
func checkDatabase(_ *session, spec platform.Spec) []error {
	var found []error
	if _, err := memoryGiB(spec.Database.InstanceType); err != nil {
		found = append(found, fmt.Errorf("database.instanceType: %w", err))
	}
	if _, err := rdsRoots(spec.Region); err != nil {
		found = append(found, err)
	}
	return found
}

// checkThreats refuses a second detector: AWS has one in an account and region,
// which another stack or the whole organisation may have made.
func checkThreats(begun *session, spec platform.Spec) []error {
	if !spec.Observability.ThreatDetect {
		return nil
	}
	detector, err := guardduty.LookupDetector(begun.ctx, &guardduty.LookupDetectorArgs{}, begun.ask())
	if err != nil || detector.Id == "" || detector.Tags["stack"] == physicalName(spec) {
		return nil // AWS's answer for none is an error
	}
	return []error{fmt.Errorf("region %s has detector %s of GuardDuty already, which is not this stack's: set observability.threatDetection to false, "+
		"and in production waive guardrail threat-detection with that reason", spec.Region, detector.Id)}
}
