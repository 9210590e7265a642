package aws

import (
	"slices"
	"strings"
	"testing"
)

func TestKeysAreRotatedAndMissedBeforeTheyAreGone(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		days := 14
		if spec.Production() {
			days = 30
		}
		made := deploy(t, spec)
		for _, purpose := range []string{"cluster", "data", "logs", "audit", "backup", "registry"} {
			made.the(t, "aws:kms/alias:Alias", "trivet-keys-"+purpose)
			made.the(t, "aws:kms/key:Key", "trivet-keys-"+purpose).want(t, map[string]any{
				"enableKeyRotation": true, "rotationPeriodInDays": 365, "deletionWindowInDays": days,
			})
		}
		if copied := slices.Contains(names(made.of("aws:kms/key:Key")), "trivet-backup-copy"); copied != (spec.Backup.CopyRegion != "") {
			t.Errorf("%s: a key in the copy's region: %v", name, copied)
		}
	}
}

// TestKeysOpenToNobodyUnnamed reads every key's policy: an identity is the
// account's, a service of AWS works for this account or this account's resource.
func TestKeysOpenToNobodyUnnamed(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		for _, key := range deploy(t, spec).of("aws:kms/key:Key") {
			for _, s := range key.policy(t, "policy") {
				for kind, who := range s.Principal {
					if slices.Contains(who, "*") {
						t.Errorf("%s: %s: %s lets everybody in", name, key.urn(), s.Sid)
					}
					if kind == "Service" && len(s.Condition) == 0 {
						t.Errorf("%s: %s: %s lets %v in on anybody's behalf", name, key.urn(), s.Sid, who)
					}
					if kind == "AWS" && !slices.Equal(who, []string{"arn:aws:iam::123456789012:root"}) {
						t.Errorf("%s: %s: %s lets %v in", name, key.urn(), s.Sid, who)
					}
				}
				for _, values := range s.Condition {
					for condition, allowed := range values {
						for _, value := range allowed {
							if strings.HasPrefix(value, "arn:") && !strings.Contains(value, ":123456789012:") && !strings.Contains(value, "hostedzone/") {
								t.Errorf("%s: %s: %s is for any account: %s %s", name, key.urn(), s.Sid, condition, value)
							}
						}
					}
				}
			}
		}
	}
}
