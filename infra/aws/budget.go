package aws

import (
	"fmt"

	"github.com/pulumi/pulumi-aws/sdk/v6/go/aws/budgets"
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

// NewBudget registers the budget. It counts the whole account: costs by tag
// begin to be counted a day after somebody activates the tag for billing, and a
// budget on a tag that nobody has activated would stay at zero for ever.
func NewBudget(ctx *pulumi.Context, name string, args BudgetArgs, opts ...pulumi.ResourceOption) (*Budget, error) {
	budget := &Budget{}
	if err := ctx.RegisterComponentResource(componentType("Budget"), name, budget, opts...); err != nil {
		return nil, err
	}
	var mailboxes pulumi.StringArray
	if args.Spec.OwnerEmail != "" {
		mailboxes = pulumi.StringArray{pulumi.String(args.Spec.OwnerEmail)}
	}
	var notices budgets.BudgetNotificationArray
	for _, notice := range []struct {
		percent float64
		kind    string
	}{
		{50, "ACTUAL"},
		{80, "ACTUAL"},
		{100, "ACTUAL"},
		{100, "FORECASTED"}, // weeks before the bill
	} {
		notices = append(notices, budgets.BudgetNotificationArgs{
			ComparisonOperator:       pulumi.String("GREATER_THAN"),
			Threshold:                pulumi.Float64(notice.percent),
			ThresholdType:            pulumi.String("PERCENTAGE"),
			NotificationType:         pulumi.String(notice.kind),
			SubscriberEmailAddresses: mailboxes,
			SubscriberSnsTopicArns:   pulumi.StringArray{args.TopicARN},
		})
	}
	if _, err := budgets.NewBudget(ctx, name, &budgets.BudgetArgs{
		BudgetType:    pulumi.String("COST"),
		LimitAmount:   pulumi.String(fmt.Sprintf("%d", args.Spec.Budget.MonthlyUSD)),
		LimitUnit:     pulumi.String("USD"),
		TimeUnit:      pulumi.String("MONTHLY"),
		Notifications: notices,
	}, pulumi.Parent(budget)); err != nil {
		return nil, fmt.Errorf("budget: %w", err)
	}
	return budget, ctx.RegisterResourceOutputs(budget, pulumi.Map{})
}
