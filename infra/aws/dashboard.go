package aws

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// A chart is a few metrics over time.
type chart struct {
	title   string
	unit    string // of the axis
	metrics []metric
}

// charts are what somebody who was called looks at first, from the clients
// inwards.
func charts(args ObservabilityArgs) []chart {
	balancer := func(name, statistic string) metric {
		return metric{"AWS/ApplicationELB", name, statistic, pulumi.StringMap{"LoadBalancer": args.Edge.BalancerSuffix}}
	}
	writer := func(name, statistic string) metric {
		return metric{"AWS/RDS", name, statistic, pulumi.StringMap{"DBClusterIdentifier": args.Database.ClusterID, "Role": pulumi.String("WRITER")}}
	}
	nodes := func(name string) metric {
		return metric{"ContainerInsights", name, "Average", pulumi.StringMap{"ClusterName": args.Cluster.Name}}
	}
	cache := func(name, statistic string) []metric {
		var metrics []metric
		for _, node := range args.Cache.NodeIDs {
			metrics = append(metrics, metric{"AWS/ElastiCache", name, statistic, pulumi.StringMap{"CacheClusterId": node}})
		}
		return metrics
	}
	all := []chart{
		{"Requests", "a minute", []metric{balancer("RequestCount", "Sum")}},
		{"Errors", "a minute", []metric{balancer("HTTPCode_Target_5XX_Count", "Sum"), balancer("HTTPCode_ELB_5XX_Count", "Sum"), balancer("HTTPCode_Target_4XX_Count", "Sum")}},
		{"Time to the answer", "seconds", []metric{balancer("TargetResponseTime", "p50"), balancer("TargetResponseTime", "p99")}},
		{"Nodes", "%", []metric{nodes("node_cpu_utilization"), nodes("node_memory_utilization")}},
		{"Database: load", "%", []metric{writer("CPUUtilization", "Average")}},
		{"Database: connections", "", []metric{writer("DatabaseConnections", "Maximum")}},
		{"Database: commits", "ms", []metric{writer("CommitLatency", "Average")}},
		{"Cache: load", "%", cache("EngineCPUUtilization", "Average")},
		{"Cache: hits", "%", cache("CacheHitRate", "Average")},
	}
	if args.Broker != nil {
		all = append(all, chart{"Broker: writes that wait", "", []metric{
			{"AWS/AmazonMQ", "MessageReadyCount", "Maximum", pulumi.StringMap{"Broker": args.Broker.Name}},
			{"AWS/AmazonMQ", "MessageUnacknowledgedCount", "Maximum", pulumi.StringMap{"Broker": args.Broker.Name}},
		}})
	}
	return all
}

// dashboard is the page as CloudWatch wants it: all alarms on top, then charts,
// three in each row of 24 columns, then the services' latest errors.
func dashboard(args ObservabilityArgs, alarms map[string]pulumi.StringInput) pulumi.StringOutput {
	const columns, perRow, top, height = 24, 3, 3, 6
	var arns pulumi.StringArray
	for _, id := range sortedKeys(alarms) {
		if !globalAlarm(args, id) {
			arns = append(arns, alarms[id])
		}
	}
	widgets := pulumi.Array{widget("alarm", 0, 0, columns, top, pulumi.Map{
		"title":  pulumi.String("Alarms"),
		"alarms": arns,
	})}
	all := charts(args)
	for i, c := range all {
		var metrics pulumi.Array
		for _, m := range c.metrics {
			metrics = append(metrics, m.row())
		}
		widgets = append(widgets, widget("metric", i%perRow*columns/perRow, top+i/perRow*height, columns/perRow, height, pulumi.Map{
			"title":   pulumi.String(c.title),
			"region":  pulumi.String(args.Spec.Region),
			"period":  pulumi.Int(60),
			"metrics": metrics,
			"yAxis":   pulumi.Map{"left": pulumi.Map{"min": pulumi.Int(0), "label": pulumi.String(c.unit), "showUnits": pulumi.Bool(false)}},
		}))
	}
	rows := (len(all) + perRow - 1) / perRow
	widgets = append(widgets, widget("log", 0, top+rows*height, columns, height, pulumi.Map{
		"title":  pulumi.String("Errors that services log"),
		"region": pulumi.String(args.Spec.Region),
		"view":   pulumi.String("table"),
		"query": pulumi.String("SOURCE '" + containerLogGroup(args.Spec, "application") + "'" +
			" | filter kubernetes.namespace_name = '" + namespace + "' and log_processed.level = 'ERROR'" +
			" | fields @timestamp, kubernetes.pod_name, log_processed.msg, log | sort @timestamp desc | limit 50"),
	}))
	return pulumi.JSONMarshal(pulumi.Map{"widgets": widgets})
}

// globalAlarm tells whether an alarm is in us-east-1: a dashboard shows the
// alarms of one region alone.
func globalAlarm(args ObservabilityArgs, id string) bool {
	if args.Spec.Region == globalRegion {
		return false
	}
	for _, a := range globalAlarms(args) {
		if a.id() == id {
			return true
		}
	}
	return false
}

// widget places something on the page, in columns and rows.
func widget(kind string, x, y, width, height int, properties pulumi.Map) pulumi.Map {
	return pulumi.Map{
		"type": pulumi.String(kind),
		"x":    pulumi.Int(x), "y": pulumi.Int(y), "width": pulumi.Int(width), "height": pulumi.Int(height),
		"properties": properties,
	}
}

// row is a metric as a chart wants it: its namespace, name and dimensions, then
// what to make of it.
func (m metric) row() pulumi.Array {
	row := pulumi.Array{pulumi.String(m.namespace), pulumi.String(m.name)}
	for _, dimension := range sortedKeys(m.dimensions) {
		row = append(row, pulumi.String(dimension), m.dimensions[dimension])
	}
	return append(row, pulumi.Map{"stat": pulumi.String(m.statistic)})
}
