package aws

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// A shown is a widget of a dashboard, as CloudWatch reads it.
type shown struct {
	Type                string
	X, Y, Width, Height int
	Properties          struct {
		Title, Region, Query string
		Alarms               []string
		Metrics              [][]any
	}
}

func TestDashboardShowsEveryTier(t *testing.T) {
	t.Parallel()
	for name, spec := range everySpec() {
		made := deploy(t, spec)
		dashboard := made.the(t, "aws:cloudwatch/dashboard:Dashboard", "trivet-observability")
		dashboard.want(t, map[string]any{"dashboardName": "trivet-" + spec.Stack})
		var page struct{ Widgets []shown }
		if err := json.Unmarshal([]byte(dashboard.input("dashboardBody").(string)), &page); err != nil {
			t.Fatal(err)
		}
		var namespaces []string
		for i, w := range page.Widgets {
			if w.X < 0 || w.X+w.Width > 24 || w.Height < 1 {
				t.Errorf("%s: %q is off the page: %+v", name, w.Properties.Title, w)
			}
			for _, other := range page.Widgets[:i] {
				if w.X < other.X+other.Width && other.X < w.X+w.Width && w.Y < other.Y+other.Height && other.Y < w.Y+w.Height {
					t.Errorf("%s: %q lies on %q", name, w.Properties.Title, other.Properties.Title)
				}
			}
			for _, row := range w.Properties.Metrics {
				// Namespace, name, dimensions in pairs, and what to make of it.
				if _, ok := row[len(row)-1].(map[string]any); !ok || len(row) < 5 || len(row)%2 != 1 {
					t.Errorf("%s: %q has %v", name, w.Properties.Title, row)
				}
				namespaces = append(namespaces, row[0].(string))
			}
		}
		want := []string{"AWS/ApplicationELB", "AWS/RDS", "AWS/ElastiCache", "ContainerInsights"}
		if spec.Broker.Kind != "none" {
			want = append(want, "AWS/AmazonMQ")
		}
		for _, namespace := range want {
			if !slices.Contains(namespaces, namespace) {
				t.Errorf("%s: nothing of %s is shown", name, namespace)
			}
		}
		alarms := page.Widgets[0].Properties.Alarms
		for _, arn := range alarms {
			if strings.Contains(arn, "cdn-errors") || strings.Contains(arn, "dns-signing") {
				t.Errorf("%s: %s is in another region than the dashboard", name, arn)
			}
		}
		if len(alarms) < 12 {
			t.Errorf("%s: only %d alarms are shown", name, len(alarms))
		}
	}
}

func TestConsoleAddresses(t *testing.T) {
	t.Parallel()
	signals := deploy(t, prodSpec()).platform.Signals
	if got, want := resolve(t, signals.LogsURL),
		"https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#logsV2:log-groups/log-group/$252Faws$252Fcontainerinsights$252Ftrivet-prod-aws$252Fapplication"; got != want {
		t.Errorf("logs are at %s\nwant %s", got, want)
	}
	dashboard := signals.Dashboards["platform"].ToStringOutput()
	if got, want := resolve(t, dashboard), "https://eu-central-1.console.aws.amazon.com/cloudwatch/home?region=eu-central-1#dashboards/dashboard/trivet-prod-aws"; got != want {
		t.Errorf("the dashboard is at %s\nwant %s", got, want)
	}
}
