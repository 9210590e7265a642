package rehearsal

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
)

// Record makes a stack with the stand-ins and gives its state, compressed, for
// [Upgrade] to plan on. The secrets in it were made up, and are encrypted.
func Record(ctx context.Context, o Options) ([]byte, error) {
	r, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	s, err := r.steps(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := s.up(ctx, "up"); err != nil {
		return nil, err
	}
	state, err := s.export(ctx, r.workspace)
	if err != nil {
		return nil, err
	}
	var text bytes.Buffer
	if err := json.Compact(&text, []byte(state)); err != nil {
		return nil, err
	}
	var recording bytes.Buffer
	writer, err := gzip.NewWriterLevel(&recording, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(text.Bytes()); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return recording.Bytes(), nil
}

// Upgrade plans today's program on the state that [Record] gave of an earlier
// one, and gives what would change.
func Upgrade(ctx context.Context, o Options, recording []byte) ([]Change, error) {
	reader, err := gzip.NewReader(bytes.NewReader(recording))
	if err != nil {
		return nil, fmt.Errorf("recording of %s: %w", o.Stack, err)
	}
	text, err := io.ReadAll(reader)
	if err != nil {
		return nil, fmt.Errorf("recording of %s: %w", o.Stack, err)
	}
	var state apitype.UntypedDeployment
	if err := json.Unmarshal(text, &state); err != nil {
		return nil, fmt.Errorf("recording of %s: %w", o.Stack, err)
	}
	r, err := open(ctx, o)
	if err != nil {
		return nil, err
	}
	defer r.close()
	s, err := r.steps(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.stack.Import(ctx, state); err != nil {
		return nil, shortened(err)
	}
	// Protection would end the plan at the first loss, and not show the others.
	if _, err := s.unprotect(ctx, r.workspace, 0); err != nil {
		return nil, err
	}
	preview, err := s.preview(ctx, "upgrade")
	return preview.changes, err
}

// stateful are the types whose loss is a loss of data, of the way to it, or of
// what everything else stands on. Another one in its place does not help.
var stateful = []string{
	"aws:backup/vault:Vault",
	"aws:cloudtrail/trail:Trail",
	"aws:cloudwatch/logGroup:LogGroup",
	"aws:ec2/eip:Eip",
	"aws:ec2/subnet:Subnet",
	"aws:ec2/vpc:Vpc",
	"aws:ecr/repository:Repository",
	"aws:eks/cluster:Cluster",
	"aws:elasticache/replicationGroup:ReplicationGroup",
	"aws:kms/key:Key",
	"aws:mq/broker:Broker",
	"aws:rds/cluster:Cluster",
	"aws:rds/clusterInstance:ClusterInstance",
	"aws:route53/zone:Zone",
	"aws:s3/bucketV2:BucketV2",
	"aws:secretsmanager/secret:Secret",
	"kubernetes:core/v1:Namespace",
	"kubernetes:core/v1:PersistentVolumeClaim",
	"random:index/randomPassword:RandomPassword",
	"tls:index/privateKey:PrivateKey",
}

// losing are the operations after which the resource of before is gone.
var losing = []apitype.OpType{
	apitype.OpReplace, apitype.OpCreateReplacement, apitype.OpDeleteReplaced, apitype.OpDelete, apitype.OpDiscardReplaced,
}

// Losses are the changes that take a stateful resource away or put another in
// its place, other than those that are documented by their URN.
func Losses(changes []Change, documented []string) []Change {
	var losses []Change
	for _, change := range changes {
		if !slices.Contains(losing, apitype.OpType(change.Operation)) || !slices.Contains(stateful, change.Type) ||
			slices.Contains(documented, change.URN) {
			continue
		}
		if !slices.ContainsFunc(losses, func(known Change) bool { return known.URN == change.URN }) {
			losses = append(losses, change)
		}
	}
	return losses
}

var urnPattern = regexp.MustCompile("urn:pulumi:[^`\\s]+")

// Documented gives the URNs that the pages of a folder name: what an upgrade
// replaces, with what people have to do before.
func Documented(dir string) ([]string, error) {
	pages, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		return nil, err
	}
	var urns []string
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return nil, err
		}
		urns = append(urns, urnPattern.FindAllString(string(text), -1)...)
	}
	return urns, nil
}
