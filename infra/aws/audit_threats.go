package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/accessanalyzer"
	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/guardduty"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// threatFeatures are what GuardDuty looks at beside the trail, flow logs and
// DNS, which it always does. Runtime monitoring is not among them: its managed
// agent puts an endpoint into the network that belongs to no stack, and the
// network could not be deleted any more.
var threatFeatures = []string{"EKS_AUDIT_LOGS", "S3_DATA_EVENTS", "RDS_LOGIN_EVENTS", "EBS_MALWARE_PROTECTION"}

// addThreatDetection looks for attacks, and for resources that somebody outside
// the account can reach. Both exist once in an account and region, so that of
// several stacks in one of them only one may have it.
func addThreatDetection(ctx *pulumi.Context, name string, args AuditArgs, parent pulumi.Resource) error {
	detector, err := guardduty.NewDetector(ctx, name, &guardduty.DetectorArgs{
		Enable:                     pulumi.Bool(true),
		FindingPublishingFrequency: pulumi.String("FIFTEEN_MINUTES"),
	}, pulumi.Parent(parent))
	if err != nil {
		return fmt.Errorf("detector of threats: %w", err)
	}
	for _, feature := range threatFeatures {
		featureName := fmt.Sprintf("%s-%s", name, strings.ToLower(strings.ReplaceAll(feature, "_", "-")))
		if _, err := guardduty.NewDetectorFeature(ctx, featureName, &guardduty.DetectorFeatureArgs{
			DetectorId: detector.ID(),
			Name:       pulumi.String(feature),
			Status:     pulumi.String("ENABLED"),
		}, pulumi.Parent(parent)); err != nil {
			return fmt.Errorf("detection of threats in %s: %w", feature, err)
		}
	}
	if _, err := accessanalyzer.NewAnalyzer(ctx, name, &accessanalyzer.AnalyzerArgs{
		AnalyzerName: pulumi.String(physicalName(args.Spec)),
		Type:         pulumi.String("ACCOUNT"),
	}, pulumi.Parent(parent)); err != nil {
		return fmt.Errorf("analyzer of access: %w", err)
	}
	return nil
}
