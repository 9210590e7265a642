package stack

import (
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// Limit is what one setting may be, whatever the others are. Validation and
// the schema for editors both read it.
type Limit struct {
	Choices  []string       // of text
	Numbers  []int          // of a whole number
	Min, Max int            // of a whole number, both included, unless both are 0
	Pattern  *regexp.Regexp // of text that is not empty
	Required bool           // in every stack
	Want     string         // what Pattern asks for, in words
}

// Limits are by the setting's name; * stands for an element of a list or of a
// map of any name.
var Limits = map[string]Limit{
	"cloud":       {Choices: []string{"aws"}, Required: true},
	"layer":       {Choices: []string{string(LayerAll), string(LayerCloud), string(LayerWorkloads)}, Required: true},
	"profile":     {Choices: []string{string(ProfileStandard), string(ProfileLean)}, Required: true},
	"tier":        {Choices: []string{"dev", "staging", "prod"}, Required: true},
	"autoscaling": {Choices: []string{string(AutoscalingTrivet), string(AutoscalingHPA), string(AutoscalingNone)}, Required: true},
	"cloudStack":  {Pattern: regexp.MustCompile(`^[\w.-]+/[\w.-]+/[\w.-]+$`), Want: "ORGANIZATION/PROJECT/STACK, such as organization/trivet/prod-cloud"},
	"region":      {Pattern: regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d$`), Want: "a region such as us-east-1", Required: true},
	"domain":      {Pattern: domainName, Want: "a domain name in small letters, such as kv.example.com"},
	"owner":       {Pattern: tagText, Want: "the name of a team, such as platform: letters, digits, spaces and _.:/=+-@", Required: true},
	"ownerEmail":  {Pattern: mailbox, Want: "an e-mail address", Required: true},
	"costCentre":  {Pattern: tagText, Want: "a cost centre, such as 4711: letters, digits, spaces and _.:/=+-@", Required: true},
	"tags.*":      {Pattern: tagText, Want: "letters, digits, spaces and _.:/=+-@"},

	"network.cidr":               {Required: true, Want: "a range of private IPv4 addresses from /16 to /20"},
	"network.zones":              {Min: 1, Max: 3},
	"network.privateEndpoints.*": {Pattern: regexp.MustCompile(`^[a-z0-9]+([.-][a-z0-9]+)*$`), Want: "a service's name, such as ecr.api", Required: true},

	"cluster.version":                  {Pattern: regexp.MustCompile(`^1\.\d{2}$`), Want: "a version such as 1.35", Required: true},
	"cluster.endpointCIDRs.*":          {Required: true, Want: "a range of addresses such as 203.0.113.0/24"},
	"cluster.adminRoles.*":             {Pattern: role, Want: "the ARN of an IAM role: access is given to roles, not to people", Required: true},
	"cluster.deployRoles.*":            {Pattern: role, Want: "the ARN of an IAM role: access is given to roles, not to people", Required: true},
	"cluster.nodeAutoscaler":           {Choices: []string{"cluster-autoscaler", "none"}, Required: true},
	"cluster.system.min":               {Min: 1, Max: 10},
	"cluster.system.max":               {Min: 1, Max: 10},
	"cluster.system.diskGB":            {Min: 20, Max: 1000},
	"cluster.system.instanceTypes.*":   {Pattern: machine, Want: "an instance type such as m5.large", Required: true},
	"cluster.workload.min":             {Min: 1, Max: 10},
	"cluster.workload.max":             {Min: 1, Max: 10},
	"cluster.workload.diskGB":          {Min: 20, Max: 1000},
	"cluster.workload.instanceTypes.*": {Pattern: machine, Want: "an instance type such as m5.large", Required: true},

	"cache.nodeType":     {Pattern: regexp.MustCompile(`^cache\.[a-z0-9]+\.[a-z0-9]+$`), Want: "a node type such as cache.r7g.large", Required: true},
	"cache.replicas":     {Min: 0, Max: 5},
	"cache.snapshotDays": {Min: 0, Max: 35},

	"database.version":      {Pattern: regexp.MustCompile(`^1[4-9]\.\d{1,2}$`), Want: "a version of PostgreSQL 14 or newer, such as 16.8", Required: true},
	"database.instanceType": {Pattern: regexp.MustCompile(`^db\.[a-z0-9]+\.[a-z0-9]+$`), Want: "an instance class such as db.r6g.large", Required: true},
	"database.readers":      {Min: 0, Max: 15},
	"database.backupDays":   {Min: 1, Max: 35},
	"database.storageGB":    {Min: 1, Max: 128 << 10},

	"broker.kind":         {Choices: []string{"none", "rabbitmq"}, Required: true},
	"broker.instanceType": {Pattern: regexp.MustCompile(`^mq\.[a-z0-9]+\.[a-z0-9]+$`), Want: "an instance type such as mq.m5.large", Required: true},
	"broker.version":      {Pattern: regexp.MustCompile(`^\d+\.\d+$`), Want: "a version of RabbitMQ such as 3.13", Required: true},

	"edge.zoneID":         {Pattern: regexp.MustCompile(`^Z[A-Z0-9]{5,31}$`), Want: "the id of a Route 53 zone, such as Z0123456789ABCDEFGHIJ"},
	"edge.allowCIDRs.*":   {Required: true, Want: "a range of addresses such as 203.0.113.0/24"},
	"edge.waf":            {Choices: []string{"all", "edge", "off"}, Required: true},
	"edge.rateLimit":      {Min: 10, Max: 2_000_000_000},
	"edge.accessLogsDays": {Min: 1, Max: 3653},

	"observability.logDays":        {Numbers: []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}},
	"observability.runbookURL":     {Pattern: regexp.MustCompile(`^https://[^\s/]+`), Want: "an https:// URL", Required: true},
	"observability.alarmTargets.*": {Pattern: regexp.MustCompile(`^(https://[^\s/]+\S*|[^@\s]+@[^@\s]+\.[^@\s]+)$`), Want: "an e-mail address or an https:// URL", Required: true},
	"observability.dashboardName":  {Pattern: regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`), Want: "letters, digits, - and _"},

	"audit.logDays":  {Numbers: []int{1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653}},
	"audit.lockDays": {Min: 0, Max: 3653},

	"backup.days":       {Min: 1, Max: 3653},
	"backup.copyRegion": {Pattern: regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-\d$`), Want: "a region such as us-west-2"},
	"backup.bucketDays": {Min: 1, Max: 3653},
	"backup.sizeGB":     {Min: 0, Max: 1 << 20},

	"budget.monthlyUSD": {Min: 1, Max: 10_000_000},

	"services.*.image":  {Pattern: image, Want: "a digest such as sha256:…, or a reference such as registry.example.com/trivet/api@sha256:…"},
	"services.*.min":    {Min: 1, Max: 100},
	"services.*.max":    {Min: 1, Max: 1000},
	"services.*.cpu":    {Pattern: regexp.MustCompile(`^([1-9]\d*m|[1-9]\d*(\.\d{1,3})?|0\.\d{1,3})$`), Want: "processors as Kubernetes writes them, such as 500m or 2", Required: true},
	"services.*.memory": {Pattern: regexp.MustCompile(`^[1-9]\d*(Mi|Gi)$`), Want: "memory as Kubernetes writes it, such as 512Mi or 2Gi", Required: true},

	"waivers.*.rule":     {Pattern: regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`), Want: "the name of a guardrail", Required: true},
	"waivers.*.resource": {Required: true, Want: "a name or URN, with * for any characters"},
	"waivers.*.reason":   {Pattern: regexp.MustCompile(`\S(.|\n){8,}\S`), Want: "a sentence that says why", Required: true},
	"waivers.*.expires":  {Pattern: regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`), Want: "a day such as 2027-03-31", Required: true},

	"load.readsPerSecond":  {Min: 0, Max: 10_000_000},
	"load.writesPerSecond": {Min: 0, Max: 10_000_000},
	"load.valueBytes":      {Min: 1, Max: 8 << 20},
	"load.egressGB":        {Min: 0, Max: 100_000_000},
}

// Patterns of texts that several settings take.
var (
	domainName = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$`)
	mailbox    = regexp.MustCompile(`^[^@\s]+@[^@\s]+\.[^@\s]+$`)
	role       = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
	machine    = regexp.MustCompile(`^[a-z][a-z0-9-]*\.([a-z]+|\d+xlarge|metal(-\d+xl)?)$`)
	// tagText is what AWS takes as a tag's value.
	tagText = regexp.MustCompile(`^[\p{L}\p{N} _.:/=+@-]{1,256}$`)
	image   = regexp.MustCompile(`^(sha256:[0-9a-f]{64}|[a-z0-9.-]+(:\d+)?(/[a-z0-9._-]+)+(:[\w.-]+)?(@sha256:[0-9a-f]{64})?)$`)
	digest  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
	pinned  = regexp.MustCompile(`(^|@)sha256:[0-9a-f]{64}$`)
)

// checkLimits holds every setting against its limit.
func checkLimits(cfg Config, wrong *problems) {
	checkStruct("", reflect.ValueOf(cfg), wrong)
}

func checkStruct(path string, of reflect.Value, wrong *problems) {
	fields := make(map[string]reflect.Value)
	collectFields(of, fields)
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		checkValue(join(path, name), fields[name], wrong)
	}
}

func checkValue(setting string, v reflect.Value, wrong *problems) {
	switch v.Kind() {
	case reflect.Struct:
		checkStruct(setting, v, wrong)
	case reflect.Slice:
		for i := range v.Len() {
			checkValue(fmt.Sprintf("%s[%d]", setting, i), v.Index(i), wrong)
		}
	case reflect.Map:
		for _, key := range v.MapKeys() {
			checkValue(join(setting, key.String()), v.MapIndex(key), wrong)
		}
	case reflect.String:
		if problem := LimitOf(setting).text(v.String()); problem != "" {
			wrong.add(setting, "%s", problem)
		}
	case reflect.Int:
		if problem := LimitOf(setting).number(int(v.Int())); problem != "" {
			wrong.add(setting, "%s", problem)
		}
	}
}

var index = regexp.MustCompile(`\[\d+\]`)

// LimitOf gives the limit of a setting such as services.api.min, which stands
// under services.*.min.
func LimitOf(setting string) Limit {
	name := index.ReplaceAllString(setting, ".*")
	if limit, ok := Limits[name]; ok {
		return limit
	}
	for pattern, limit := range Limits {
		slashed := strings.ReplaceAll(name, ".", "/")
		if match, _ := path.Match(strings.ReplaceAll(pattern, ".", "/"), slashed); match {
			return limit
		}
	}
	return Limit{}
}

// text says what is wrong with a text, or "".
func (l Limit) text(text string) string {
	switch {
	case text == "" && l.Required && l.Choices != nil:
		return "it is missing: " + either(l.Choices)
	case text == "" && l.Required && l.Want != "":
		return "it is missing: " + l.Want
	case text == "" && l.Required:
		return "it is missing"
	case text == "":
		return ""
	case l.Choices != nil && !slices.Contains(l.Choices, text):
		return fmt.Sprintf("it has to be %s, not %q", either(l.Choices), text)
	case l.Pattern != nil && !l.Pattern.MatchString(text):
		return fmt.Sprintf("it has to be %s, not %q", l.Want, text)
	default:
		return ""
	}
}

// number says what is wrong with a number, or "".
func (l Limit) number(n int) string {
	switch {
	case l.Numbers != nil && !slices.Contains(l.Numbers, n):
		numbers := make([]string, len(l.Numbers))
		for i, number := range l.Numbers {
			numbers[i] = fmt.Sprint(number)
		}
		return fmt.Sprintf("it has to be %s, not %d", either(numbers), n)
	case (l.Min != 0 || l.Max != 0) && (n < l.Min || n > l.Max):
		return fmt.Sprintf("it has to be from %d to %d, not %d", l.Min, l.Max, n)
	default:
		return ""
	}
}

// either lists choices as a sentence does.
func either(choices []string) string {
	if len(choices) == 1 {
		return choices[0]
	}
	last := len(choices) - 1
	return strings.Join(choices[:last], ", ") + " or " + choices[last]
}
