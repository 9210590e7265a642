package workloads

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Roots are the authorities of the database's certificate, which pods read from
// a file.
type Roots struct {
	pulumi.ResourceState

	config *corev1.ConfigMap
}

func newRoots(ctx *pulumi.Context, s *site, opts pulumi.ResourceOption) (*Roots, error) {
	r := &Roots{}
	if err := ctx.RegisterComponentResource("trivet:workloads:Roots", s.logical("database-roots"), r, opts); err != nil {
		return nil, fmt.Errorf("authorities of the database: %w", err)
	}
	var err error
	r.config, err = corev1.NewConfigMap(ctx, s.logical("database-roots"), &corev1.ConfigMapArgs{
		Metadata: s.meta("database", object("database-roots")),
		Data:     pulumi.StringMap{"roots.pem": s.on.Database.Roots},
	}, pulumi.Parent(r))
	if err != nil {
		return nil, fmt.Errorf("authorities of the database: %w", err)
	}
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{})
}
