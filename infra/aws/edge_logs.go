package aws

import (
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Where in the bucket of access logs each part of the edge writes.
const (
	balancerLogs = "balancer"
	cdnLogs      = "cdn"
)

// addLogs makes the bucket of the balancer's and the CDN's access logs. The
// balancer cannot write to a bucket with a key of the customer's, so it has S3's
// own; and the CDN hands its files over with an access list.
func (e *Edge) addLogs(ctx *pulumi.Context, name string, args EdgeArgs) (bucket, error) {
	return newBucket(ctx, edgeName(name, "logs"), bucketArgs{
		Spec:        args.Spec,
		AccessLogs:  args.AccessLogs,
		AccessLists: args.Spec.Edge.CDN,
		Days:        args.Spec.Edge.AccessLogsDays,
		OldDays:     7,
		Statements: func(bucketARN string) []statement {
			return []statement{{
				Sid: "Balancer", Effect: allow, Principal: service("logdelivery.elasticloadbalancing.amazonaws.com"),
				Action:    []string{"s3:PutObject"},
				Resource:  []string{fmt.Sprintf("%s/%s/AWSLogs/%s/*", bucketARN, balancerLogs, args.Account.ID)},
				Condition: conditions{"ArnLike": {"aws:SourceArn": {args.Account.arn("elasticloadbalancing", "loadbalancer/*")}}},
			}}
		},
	}, e)
}
