package aws

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const (
	vaultType = "aws:backup/vault:Vault"
	lockType  = "aws:backup/vaultLockConfiguration:VaultLockConfiguration"
	planType  = "aws:backup/plan:Plan"
)

func TestBackupsAreLockedInProduction(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		made.the(t, vaultType, "trivet-backup").want(t, map[string]any{
			"kmsKeyArn": "arn:aws:aws:kms/key:Key:trivet-keys-backup", "forceDestroy": !spec.Production(),
		})
		if spec.Production() != (len(made.of(lockType)) == len(made.of(vaultType))) {
			t.Errorf("%s: %d locks for %d vaults", name, len(made.of(lockType)), len(made.of(vaultType)))
		}
	}
}

// TestEveryRuleFitsTheLock holds how long recovery points are kept against what
// the vault's lock allows: AWS Backup fails, at night, where they do not agree.
func TestEveryRuleFitsTheLock(t *testing.T) {
	t.Parallel()
	for _, days := range []int{14, 35, 1000} {
		spec := prodSpec()
		spec.Backup.Days = days
		made := deploy(t, spec)
		lock := made.the(t, lockType, "trivet-backup")
		least, most := lock.input("minRetentionDays").(float64), lock.input("maxRetentionDays").(float64)
		for i := range made.the(t, planType, "trivet-backup").input("rules").([]any) {
			for _, path := range []string{"lifecycle.deleteAfter", "copyActions[0].lifecycle.deleteAfter"} {
				kept := made.the(t, planType, "trivet-backup").input(fmt.Sprintf("rules[%d].%s", i, path))
				if kept != nil && (kept.(float64) < least || kept.(float64) > most) {
					t.Errorf("rule %d keeps for %v days, the lock wants %v to %v", i, kept, least, most)
				}
			}
		}
	}
}

func TestProductionsBackupsAreCopiedToAnotherRegion(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	made := deploy(t, spec)
	plan := made.the(t, planType, "trivet-backup")
	plan.want(t, map[string]any{
		"rules[0].ruleName": "daily", "rules[0].lifecycle.deleteAfter": spec.Backup.Days, "rules[0].copyActions[0].lifecycle.deleteAfter": copyDays,
		"rules[0].copyActions[0].destinationVaultArn": "arn:aws:aws:backup/vault:Vault:trivet-backup-copy",
		"rules[1].ruleName":                           "weekly", "rules[1].lifecycle.deleteAfter": weeklyDays, "rules[1].copyActions": nil,
		"rules[2].ruleName": "monthly", "rules[2].lifecycle.deleteAfter": monthlyDays, "rules[2].copyActions[0].lifecycle.deleteAfter": monthlyDays,
		"rules[3]": nil,
	})
	for _, there := range []registered{
		made.the(t, vaultType, "trivet-backup-copy"), made.the(t, lockType, "trivet-backup-copy"),
		made.the(t, "aws:kms/key:Key", "trivet-backup-copy"), made.the(t, "aws:kms/alias:Alias", "trivet-backup-copy"),
	} {
		if !strings.Contains(there.provider, "::trivet-aws-copy::") {
			t.Errorf("%s is made by %s, want the provider of the copy's region", there.urn(), there.provider)
		}
	}
	made.the(t, vaultType, "trivet-backup-copy").want(t, map[string]any{"kmsKeyArn": "arn:aws:aws:kms/key:Key:trivet-backup-copy"})
}

func TestOtherStacksKeepADailyBackup(t *testing.T) {
	t.Parallel()
	spec := devSpec()
	made := deploy(t, spec)
	made.the(t, planType, "trivet-backup").want(t, map[string]any{
		"rules[0].ruleName": "daily", "rules[0].lifecycle.deleteAfter": spec.Backup.Days, "rules[0].copyActions": nil, "rules[1]": nil,
	})
	if vaults := made.of(vaultType); len(vaults) != 1 {
		t.Errorf("the vaults are %v", names(vaults))
	}
}

func TestBackupsCoverDatabaseAndVolumes(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		database := made.the(t, "aws:backup/selection:Selection", "trivet-backup-database")
		database.want(t, map[string]any{"resources": []any{"arn:aws:aws:rds/cluster:Cluster:trivet-database"}, "planId": "trivet-backup-id"})
		if of := database.references["resources"]; len(of) != 1 || !strings.HasSuffix(of[0], databaseType+"::trivet-database") {
			t.Errorf("%s: the selection is of %v", name, of)
		}
		made.the(t, "aws:backup/selection:Selection", "trivet-backup-volumes").want(t, map[string]any{
			"resources":                           []any{"arn:aws:ec2:*:*:volume/*"},
			"conditions[0].stringEquals[0].key":   "aws:ResourceTag/ebs.csi.aws.com/cluster",
			"conditions[0].stringEquals[1].key":   "aws:ResourceTag/kubernetes.io/cluster/trivet-" + spec.Stack,
			"conditions[0].stringEquals[1].value": "owned",
		})
		made.the(t, "aws:backup/regionSettings:RegionSettings", "trivet-backup").want(t, map[string]any{
			"resourceTypeOptInPreference.Aurora": true, "resourceTypeOptInPreference.EBS": true,
		})
	}
}

// TestBackupsMayUseTheirKeys reads the rights to keys: those of what is backed
// up, of the vault, and of the copies, and no others.
func TestBackupsMayUseTheirKeys(t *testing.T) {
	t.Parallel()
	const key = "arn:aws:aws:kms/key:Key:"
	for name, want := range map[string][]string{
		"prod": {key + "trivet-keys-data", key + "trivet-keys-backup", key + "trivet-backup-copy"},
		"dev":  {key + "trivet-keys-data", key + "trivet-keys-backup"},
	} {
		for _, s := range deploy(t, everySpec()[name]).the(t, "aws:iam/rolePolicy:RolePolicy", "trivet-backup-keys").policy(t, "policy") {
			if !slices.Equal(s.Resource, want) {
				t.Errorf("%s: %s is for %v, want %v", name, s.Sid, s.Resource, want)
			}
		}
	}
}

func TestLogicalBackupsHaveABucket(t *testing.T) {
	t.Parallel()
	spec := prodSpec()
	made := deploy(t, spec)
	if got := resolve(t, made.platform.Backup.URL); got != "s3://trivet-backup-logical" {
		t.Errorf("the target is %q", got)
	}
	made.the(t, "aws:s3/bucketLifecycleConfigurationV2:BucketLifecycleConfigurationV2", "trivet-backup-logical").want(t, map[string]any{
		"rules[0].expiration.days": spec.Backup.BucketDays,
	})
}
