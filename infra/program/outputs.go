package program

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/cost"
	"github.com/trivetkv/trivet/infra/graph"
	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
	"github.com/trivetkv/trivet/infra/workloads"
	"github.com/trivetkv/trivet/pkg/stackoutput"
)

// outputsOf gives the outputs that follow from the platform. Their names and
// shapes are those of package stackoutput.
func outputsOf(cfg stack.Config, on *platform.Platform) pulumi.Map {
	return pulumi.Map{
		"version": pulumi.Int(stackoutput.Version),
		"stack": pulumi.StringMap{
			"name":   pulumi.String(cfg.Spec.Stack),
			"tier":   pulumi.String(cfg.Spec.Tier),
			"layer":  pulumi.String(cfg.Layer),
			"cloud":  pulumi.String(on.Cloud),
			"region": pulumi.String(on.Region),
		},
		"apiUrl":            pulumi.String("https://" + on.Edge.APIHost),
		"statusUrl":         pulumi.String("https://" + on.Edge.StatusHost),
		"consoleUrl":        pulumi.String("https://" + on.Edge.ConsoleHost),
		"dashboards":        on.Signals.Dashboards,
		"runbooks":          pulumi.String(on.Signals.RunbookURL),
		"logsUrl":           on.Signals.LogsURL,
		"kubeconfigCommand": on.Cluster.KubeconfigCommand,
		"namespace":         pulumi.String(on.Cluster.Namespace),
		"endpoints":         endpoints(on),
		"backup":            pulumi.StringMap{"url": on.Backup.URL, "region": pulumi.String(on.Backup.Region)},
	}
}

// endpoints tell where the backends are. None of them carries credentials.
func endpoints(on *platform.Platform) pulumi.StringMap {
	all := pulumi.StringMap{
		"database": pulumi.Sprintf("%s:%d/%s", on.Database.Host, on.Database.Port, on.Database.Name),
		"cache":    on.Cache.URL,
	}
	if on.Broker != nil {
		all["broker"] = on.Broker.URL
	}
	return all
}

// addWorkloads adds the outputs that only the workloads have.
func addWorkloads(outputs pulumi.Map, made *workloads.Workloads) {
	images := pulumi.StringMap{}
	for service, image := range made.Images {
		images[service] = image
	}
	outputs["images"] = images
	outputs["rootToken"] = pulumi.ToSecret(made.RootToken)
	if made.AutoscalerToken.OutputState != nil {
		outputs["autoscalerToken"] = pulumi.ToSecret(made.AutoscalerToken)
	}
}

// addJudgement adds what is said of all resources together: whether they keep
// to the guardrails, and what they cost.
func addJudgement(ctx *pulumi.Context, outputs pulumi.Map, cfg stack.Config, judge Judge) {
	outputs["guardrails"] = judge.Finish(ctx)
	estimate := judge.Graph(ctx, func(resources graph.Graph) (any, error) {
		return cost.Estimate(resources, cost.Assume(cfg)), nil
	})
	outputs["monthlyCostUSD"] = estimate.ApplyT(func(report any) float64 { return report.(cost.Report).MonthlyUSD })
	outputs["cost"] = estimate.ApplyT(func(report any) map[string]any { return breakdown(report.(cost.Report)) })
}

// breakdown is the estimate in parts, as stackoutput.Cost has them.
func breakdown(report cost.Report) map[string]any {
	return map[string]any{
		"tiers":    report.Tiers,
		"usageUSD": report.UsageUSD,
		"usage":    report.Usage,
		"unpriced": report.Unpriced,
		"pricesOf": report.PricesOf,
	}
}
