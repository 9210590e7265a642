package aws

import (
	"fmt"
	"testing"
)

func TestBudgetTellsBeforeTheMonthIsOver(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		budget := deploy(t, spec).the(t, "aws:budgets/budget:Budget", "trivet-budget")
		budget.want(t, map[string]any{
			"budgetType": "COST", "timeUnit": "MONTHLY", "limitAmount": fmt.Sprint(spec.Budget.MonthlyUSD), "limitUnit": "USD",
		})
		told := map[string]bool{}
		for i := range budget.input("notifications").([]any) {
			notice := fmt.Sprintf("notifications[%d].", i)
			told[fmt.Sprintf("%v %v", budget.input(notice+"threshold"), budget.input(notice+"notificationType"))] = true
			budget.want(t, map[string]any{
				notice + "thresholdType": "PERCENTAGE", notice + "comparisonOperator": "GREATER_THAN",
				notice + "subscriberEmailAddresses": []any{"storage@example.com"},
				notice + "subscriberSnsTopicArns":   []any{"arn:aws:aws:sns/topic:Topic:trivet-observability"},
			})
		}
		for _, want := range []string{"50 ACTUAL", "80 ACTUAL", "100 ACTUAL", "100 FORECASTED"} {
			if !told[want] {
				t.Errorf("%s: nobody is told at %s: %v", name, want, told)
			}
		}
	}
}
