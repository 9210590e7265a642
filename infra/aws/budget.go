package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// Budget sends notices before the month costs more than was planned.
type Budget struct {
	pulumi.ResourceState
}

// BudgetArgs are what the budget depends on.
type BudgetArgs struct {
	Spec     platform.Spec
	TopicARN pulumi.StringInput // gets the notices beside the owner's mailbox
}
