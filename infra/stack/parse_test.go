package stack_test

import (
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/infra/platform"
	"github.com/trivetkv/trivet/infra/stack"
)

const digest = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

// production gives the settings of a stack that production's rules allow.
func production() map[string]string {
	return map[string]string{
		"tier":       "prod",
		"domain":     "kv.example.com",
		"owner":      "platform",
		"ownerEmail": "platform@example.com",
		"costCentre": "4711",
		"cluster":    `{"runnerInside":true,"adminRoles":["arn:aws:iam::111122223333:role/deployer"]}`,
		"edge":       `{"zoneID":"Z0123456789ABCDEFGHIJ"}`,
		"services": `{"api":{"image":"` + digest + `"},"consumer":{"image":"` + digest + `"},"autoscaler":{"image":"` + digest + `"},
			"node-autoscaler":{"image":"registry.example.com/cluster-autoscaler:v1.34.0@` + digest + `"}}`,
	}
}

// with gives settings with some of them replaced; an empty value takes one out.
func with(settings map[string]string, changes ...string) map[string]string {
	changed := maps.Clone(settings)
	for i := 0; i < len(changes); i += 2 {
		if changed[changes[i]] = changes[i+1]; changes[i+1] == "" {
			delete(changed, changes[i])
		}
	}
	return changed
}

func parse(t *testing.T, settings map[string]string) stack.Config {
	t.Helper()
	cfg, err := stack.Parse(settings, "test-aws")
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestEveryTierIsComplete(t *testing.T) {
	t.Parallel()
	for name, settings := range map[string]map[string]string{
		"production": production(),
		"lean":       with(production(), "profile", "lean"),
		"staging":    with(production(), "tier", "staging"),
		"dev": with(production(), "tier", "dev", "cluster",
			`{"publicEndpoint":true,"endpointCIDRs":["203.0.113.0/24"],"adminRoles":["arn:aws:iam::111122223333:role/deployer"]}`),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg := parse(t, settings)
			if cfg.Spec.Stack != "test-aws" || cfg.Spec.Domain != "kv.example.com" || cfg.Spec.Images["api"] != digest {
				t.Errorf("stack %q, domain %q, image %q", cfg.Spec.Stack, cfg.Spec.Domain, cfg.Spec.Images["api"])
			}
		})
	}
}

// A stack file changes single settings of its tier's defaults and leaves the
// others.
func TestSettingsGoOnTopOfDefaults(t *testing.T) {
	t.Parallel()
	cfg := parse(t, with(production(), "database", `{"readers":3}`, "broker", "none",
		"network", `{"privateEndpoints":["sts"]}`, "services", strings.Replace(production()["services"], `{"api":{`, `{"api":{"max":20,`, 1)))
	defaults := stack.Defaults(platform.Prod, "")
	if got, want := cfg.Spec.Database.Readers, 3; got != want {
		t.Errorf("readers: %d, want %d", got, want)
	}
	if got, want := cfg.Spec.Database.InstanceType, defaults.Spec.Database.InstanceType; got != want {
		t.Errorf("instance type: %q, want the default, %q", got, want)
	}
	if got := cfg.Spec.Broker.Kind; got != platform.BrokerNone {
		t.Errorf("broker: %q, want none", got)
	}
	if got := cfg.Spec.Network.PrivateEndpoints; len(got) != 1 || got[0] != "sts" {
		t.Errorf("private endpoints: %q, want sts alone, since a list is replaced", got)
	}
	if api, want := cfg.Services["api"], defaults.Services["api"]; api.Max != 20 || api.Min != want.Min || api.CPU != want.CPU {
		t.Errorf("api: %+v, want the default %+v with max 20", api, want)
	}
}

// Defaults are made anew for each stack: none can change another's.
func TestDefaultsAreNotShared(t *testing.T) {
	t.Parallel()
	parse(t, with(production(), "services", strings.Replace(production()["services"], `{"api":{`, `{"api":{"max":20,`, 1)))
	if got := stack.Defaults(platform.Prod, "").Services["api"].Max; got == 20 {
		t.Error("a stack's setting became the default of all")
	}
}

func TestWrongSettingsAreRefused(t *testing.T) {
	t.Parallel()
	const (
		admin  = `"runnerInside":true,"adminRoles":["arn:aws:iam::111122223333:role/deployer"]`
		zone   = `"zoneID":"Z0123456789ABCDEFGHIJ"`
		waiver = `"rule":"network-flow-logs","resource":"trivet-vpc","reason":"the logs are kept elsewhere"`
	)
	services := func(api string) string {
		return strings.Replace(production()["services"], `"api":{"image":"`+digest+`"}`, `"api":`+api, 1)
	}
	for name, test := range map[string]struct {
		changes []string
		setting string
		problem string // a part of it
	}{
		// Names and types.
		"unknown setting":              {[]string{"networkk", `{"zones":3}`}, "networkk", "did you mean network?"},
		"unknown setting within one":   {[]string{"database", `{"backup_days":30}`}, "database.backup_days", "did you mean backupDays?"},
		"unknown setting of a service": {[]string{"services", services(`{"image":"` + digest + `","imagee":"x"}`)}, "services.api.imagee", "did you mean image?"},
		"nothing like it":              {[]string{"audit", `{"frobnicate":1}`}, "audit.frobnicate", "there are lockDays, logDays, trail"},
		"unknown service":              {[]string{"services", `{"apii":{"min":1,"max":1,"cpu":"1","memory":"1Gi"}}`}, "services.apii", "did you mean api?"},
		"text for a number":            {[]string{"database", `{"readers":"two"}`}, "database.readers", `a whole number, not "two"`},
		"fraction for a number":        {[]string{"database", `{"readers":1.5}`}, "database.readers", "a whole number, not 1.5"},
		"number for text":              {[]string{"database", `{"version":16.8}`}, "database.version", `put it in quotation marks: "16.8"`},
		"text for a switch":            {[]string{"network", `{"flowLogs":"yes"}`}, "network.flowLogs", `true or false, not "yes"`},
		"text for an object":           {[]string{"network", "big"}, "network", "an object"},
		"object for text":              {[]string{"domain", `{"name":"kv.example.com"}`}, "domain", "it has to be text"},
		"text for a list":              {[]string{"network", `{"privateEndpoints":"sts"}`}, "network.privateEndpoints", "it has to be a list"},
		"list for a map":               {[]string{"tags", `["a"]`}, "tags", "it has to be an object"},
		"number in a list":             {[]string{"network", `{"privateEndpoints":["sts",4]}`}, "network.privateEndpoints[1]", "it has to be text"},

		// Each by itself.
		"no tier":                 {[]string{"tier", ""}, "tier", "it is missing: dev, staging or prod"},
		"unknown tier":            {[]string{"tier", "production"}, "tier", `dev, staging or prod, not "production"`},
		"unknown cloud":           {[]string{"cloud", "oracle"}, "cloud", `aws, not "oracle"`},
		"unknown layer":           {[]string{"layer", "top"}, "layer", "all, cloud or workloads"},
		"unknown profile":         {[]string{"profile", "fat"}, "profile", "standard or lean"},
		"unknown autoscaler":      {[]string{"autoscaling", "keda"}, "autoscaling", "trivet, hpa or none"},
		"no domain":               {[]string{"domain", ""}, "domain", "it is missing"},
		"no domain name":          {[]string{"domain", "https://kv.example.com"}, "domain", "a domain name"},
		"no region":               {[]string{"region", "Frankfurt"}, "region", "a region such as us-east-1"},
		"no owner":                {[]string{"owner", ""}, "owner", "it is missing: the name of a team"},
		"no mailbox":              {[]string{"ownerEmail", "platform"}, "ownerEmail", "an e-mail address"},
		"no cost centre":          {[]string{"costCentre", ""}, "costCentre", "it is missing"},
		"tag of the cloud":        {[]string{"tags", `{"aws:team":"x"}`}, "tags.aws:team", "the cloud's own"},
		"tag that is set anyway":  {[]string{"tags", `{"owner":"x"}`}, "tags.owner", "set from the stack's other settings"},
		"too many zones":          {[]string{"network", `{"zones":4}`}, "network.zones", "from 1 to 3, not 4"},
		"no range":                {[]string{"network", `{"cidr":"10.20.0.0"}`}, "network.cidr", "a range of IPv4 addresses"},
		"address within a range":  {[]string{"network", `{"cidr":"10.20.1.0/16"}`}, "network.cidr", "write 10.20.0.0/16"},
		"too small a network":     {[]string{"network", `{"cidr":"10.20.0.0/24"}`}, "network.cidr", "from /16"},
		"public addresses":        {[]string{"network", `{"cidr":"8.8.0.0/16"}`}, "network.cidr", "addresses on the internet"},
		"endpoint twice":          {[]string{"network", `{"privateEndpoints":["sts","sts"]}`}, "network.privateEndpoints", "listed twice"},
		"patch version":           {[]string{"cluster", `{"version":"1.34.2",` + admin + `}`}, "cluster.version", "a version such as 1.35"},
		"old version":             {[]string{"cluster", `{"version":"1.27",` + admin + `}`}, "cluster.version", "too old"},
		"a person as admin":       {[]string{"cluster", `{"adminRoles":["arn:aws:iam::111122223333:user/kim"]}`}, "cluster.adminRoles[0]", "not to people"},
		"no admin":                {[]string{"cluster", `{}`}, "cluster.adminRoles", "it is missing"},
		"admin that deploys":      {[]string{"cluster", `{` + admin + `,"deployRoles":["arn:aws:iam::111122223333:role/deployer"]}`}, "cluster.deployRoles", "an administrator already"},
		"no instance type":        {[]string{"cluster", `{"system":{"instanceTypes":[]},` + admin + `}`}, "cluster.system.instanceTypes", "it is missing"},
		"wrong instance type":     {[]string{"cluster", `{"system":{"instanceTypes":["large"]},` + admin + `}`}, "cluster.system.instanceTypes[0]", "an instance type such as m5.large"},
		"two architectures":       {[]string{"cluster", `{"workload":{"instanceTypes":["m7i.large","m7g.large"]},` + admin + `}`}, "cluster.workload.instanceTypes", "different processors"},
		"more nodes at least":     {[]string{"cluster", `{"workload":{"min":8,"max":5},` + admin + `}`}, "cluster.workload.min", "more than max"},
		"eleven nodes":            {[]string{"cluster", `{"workload":{"max":11},` + admin + `}`}, "cluster.workload.max", "from 1 to 10"},
		"disk of nothing":         {[]string{"cluster", `{"workload":{"diskGB":1},` + admin + `}`}, "cluster.workload.diskGB", "from 20"},
		"cache of a database":     {[]string{"cache", `{"nodeType":"db.r7g.large"}`}, "cache.nodeType", "a node type such as cache.r7g.large"},
		"old database":            {[]string{"database", `{"version":"13.9"}`}, "database.version", "PostgreSQL 14 or newer"},
		"unknown broker":          {[]string{"broker", "kafka"}, "broker.kind", `none or rabbitmq, not "kafka"`},
		"small broker in cluster": {[]string{"broker", `{"instanceType":"mq.t3.micro"}`}, "broker.instanceType", "cannot be in a cluster"},
		"no zone of the domain":   {[]string{"edge", `{}`}, "edge.zoneID", "has to exist and be delegated"},
		"wrong firewall":          {[]string{"edge", `{"waf":"on",` + zone + `}`}, "edge.waf", "all, edge or off"},
		"wrong allow-list":        {[]string{"edge", `{"allowCIDRs":["203.0.113.7"],` + zone + `}`}, "edge.allowCIDRs", "203.0.113.7/32"},
		"days that logs have not": {[]string{"observability", `{"logDays":100}`}, "observability.logDays", "90, 120"},
		"runbooks in the clear":   {[]string{"observability", `{"runbookURL":"http://example.com"}`}, "observability.runbookURL", "an https:// URL"},
		"alarm into the void":     {[]string{"observability", `{"alarmTargets":{"pager":"kim"}}`}, "observability.alarmTargets.pager", "an e-mail address"},
		"locked when deleted":     {[]string{"audit", `{"lockDays":500}`}, "audit.lockDays", "locked for 500 days and deleted after 400"},
		"copies beside the data":  {[]string{"region", "us-west-2"}, "backup.copyRegion", "the region that the copies are to survive"},
		"no budget":               {[]string{"budget", `{"monthlyUSD":0}`}, "budget.monthlyUSD", "from 1"},
		"no image":                {[]string{"services", services(`{}`)}, "services.api.image", "it is missing"},
		"wrong digest":            {[]string{"services", services(`{"image":"sha256:1234"}`)}, "services.api.image", "a digest such as"},
		"more replicas at least":  {[]string{"services", services(`{"image":"` + digest + `","min":20}`)}, "services.api.min", "more than max"},
		"wrong processors":        {[]string{"services", services(`{"image":"` + digest + `","cpu":"two"}`)}, "services.api.cpu", "such as 500m or 2"},
		"wrong memory":            {[]string{"services", services(`{"image":"` + digest + `","memory":"1GB"}`)}, "services.api.memory", "such as 512Mi"},
		"no such day":             {[]string{"waivers", `[{` + waiver + `,"expires":"2027-02-30"}]`}, "waivers[0].expires", "no day of the calendar"},
		"waiver without an end":   {[]string{"waivers", `[{` + waiver + `}]`}, "waivers[0].expires", "it is missing"},
		"waiver without a reason": {[]string{"waivers", `[{"rule":"a","resource":"b","expires":"2027-01-31","reason":"because"}]`}, "waivers[0].reason", "a sentence that says why"},
		"waiver of everything":    {[]string{"waivers", `[{"rule":"a","resource":"*","expires":"2027-01-31","reason":"we know better"}]`}, "waivers[0].resource", "cannot waive a rule for everything"},
		"empty values":            {[]string{"load", `{"valueBytes":0}`}, "load.valueBytes", "from 1"},

		// Together.
		"unreachable endpoint":    {[]string{"cluster", `{"adminRoles":["arn:aws:iam::111122223333:role/deployer"]}`}, "cluster.runnerInside", "runs outside of its network"},
		"public for nobody":       {[]string{"cluster", `{"publicEndpoint":true,` + admin + `}`}, "cluster.endpointCIDRs", "needs the ranges"},
		"ranges of a private one": {[]string{"cluster", `{"endpointCIDRs":["203.0.113.0/24"],` + admin + `}`}, "cluster.endpointCIDRs", "they are for a public endpoint"},
		"workloads on nothing":    {[]string{"layer", "workloads"}, "cloudStack", "it is missing"},
		"cloud on another":        {[]string{"layer", "cloud", "cloudStack", "organization/trivet/prod"}, "cloudStack", "only layer workloads"},
		"stack's short name":      {[]string{"layer", "workloads", "cloudStack", "prod"}, "cloudStack", "ORGANIZATION/PROJECT/STACK"},
		"lean staging":            {[]string{"tier", "staging", "profile", "lean"}, "profile", "a form of production"},
		"reader without a zone":   {[]string{"tier", "staging", "network", `{"zones":1}`}, "database.readers", "stands in another zone"},
		"replica without a zone":  {[]string{"tier", "staging", "network", `{"zones":1}`}, "cache.replicas", "stands in another zone"},
		"brokers in two zones":    {[]string{"tier", "staging", "broker", `{"kind":"rabbitmq","cluster":true}`}, "broker.cluster", "stands in three zones"},

		// What production refuses.
		"one zone":                  {[]string{"network", `{"zones":1}`}, "network.zones", "runs in 3 zones"},
		"two zones":                 {[]string{"network", `{"zones":2}`}, "network.zones", "runs in 3 zones"},
		"one way out":               {[]string{"network", `{"natPerZone":false}`}, "network.natPerZone", "in each zone"},
		"no flow logs":              {[]string{"network", `{"flowLogs":false}`}, "network.flowLogs", "who talked to whom"},
		"endpoint for everybody":    {[]string{"cluster", `{"publicEndpoint":true,"endpointCIDRs":["0.0.0.0/0"],` + admin + `}`}, "cluster.endpointCIDRs", "whole internet"},
		"endpoint for everybody v6": {[]string{"cluster", `{"publicEndpoint":true,"endpointCIDRs":["::/0"],` + admin + `}`}, "cluster.endpointCIDRs", "whole internet"},
		"everybody in two halves":   {[]string{"cluster", `{"publicEndpoint":true,"endpointCIDRs":["0.0.0.0/1","128.0.0.0/1"],` + admin + `}`}, "cluster.endpointCIDRs", "whole internet"},
		"system nodes on spot":      {[]string{"cluster", `{"system":{"spot":true},` + admin + `}`}, "cluster.system.spot", "not taken away"},
		"a zone without a node":     {[]string{"cluster", `{"workload":{"min":2},` + admin + `}`}, "cluster.workload.min", "a node in each of the 3 zones"},
		"no room to grow":           {[]string{"cluster", `{"workload":{"min":4,"max":4},` + admin + `}`}, "cluster.workload.max", "room to grow"},
		"public database":           {[]string{"database", `{"public":true}`}, "database.public", "the internet"},
		"database alone":            {[]string{"database", `{"readers":0}`}, "database.readers", "a standby in another zone"},
		"short retention":           {[]string{"database", `{"backupDays":13}`}, "database.backupDays", "14 days or longer, not 13"},
		"database to be deleted":    {[]string{"database", `{"deletionProtection":false}`}, "database.deletionProtection", "not deleted by mistake"},
		"cache alone":               {[]string{"cache", `{"replicas":0}`}, "cache.replicas", "a replica in another zone"},
		"few snapshots":             {[]string{"cache", `{"snapshotDays":3}`}, "cache.snapshotDays", "7 days or longer"},
		"broker alone":              {[]string{"broker", `{"cluster":false}`}, "broker.cluster", "in every zone, or none"},
		"short logs":                {[]string{"observability", `{"logDays":30}`}, "observability.logDays", "90 days or longer"},
		"nobody watching":           {[]string{"observability", `{"threatDetection":false}`}, "observability.threatDetection", "intruders"},
		"no audit":                  {[]string{"audit", `{"trail":false}`}, "audit.trail", "what is done to the account"},
		"short audit":               {[]string{"audit", `{"logDays":180}`}, "audit.logDays", "365 days or longer"},
		"short access logs":         {[]string{"edge", `{"accessLogsDays":30,` + zone + `}`}, "edge.accessLogsDays", "90 days or longer"},
		"no copy elsewhere":         {[]string{"backup", `{"copyRegion":""}`}, "backup.copyRegion", "the loss of its region"},
		"short backups":             {[]string{"backup", `{"days":7}`}, "backup.days", "14 days or longer"},
		"unpinned image":            {[]string{"services", services(`{"image":"registry.example.com/trivet/api:v1"}`)}, "services.api.image", "by their digest"},
		"unpinned on another stack's cloud": {[]string{"layer", "workloads", "cloudStack", "organization/trivet/prod-cloud",
			"services", services(`{"image":"registry.example.com/trivet/api:v1"}`)}, "services.api.image", "by their digest"},
		"two replicas": {[]string{"services", services(`{"image":"` + digest + `","min":2}`)}, "services.api.min", "a replica in each of 3 zones"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := stack.Parse(with(production(), test.changes...), "test-aws")
			var wrong *stack.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("it was accepted: %v", err)
			}
			said := 0
			for _, problem := range wrong.Problems {
				if problem.Setting == test.setting && strings.Contains(problem.Problem, test.problem) {
					said++
				}
			}
			if said != 1 {
				t.Errorf("want one problem %q of %s, got:\n%v", test.problem, test.setting, err)
			}
		})
	}
}

// Whoever mends one mistake should not have to meet the next one only then.
func TestEverythingWrongIsToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := stack.Parse(with(production(), "owner", "", "database", `{"public":true,"backupDays":"long"}`, "networkk", "{}"), "prod-aws")
	want := strings.Join([]string{
		"the configuration of stack prod-aws cannot be used:",
		`  trivet:database.backupDays: it has to be a whole number, not "long"`,
		"  trivet:database.public: production never has a database that the internet can reach",
		"  trivet:networkk: there is no such setting; did you mean network?",
		"  trivet:owner: it is missing: the name of a team, such as platform: letters, digits, spaces and _.:/=+-@",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestStackNamesThatDoNotFitAreRefused(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"", "Prod", "prod_aws", "production-in-frankfurt", "-prod", "prod-", "4prod"} {
		_, err := stack.Parse(production(), name)
		if err == nil || !strings.Contains(err.Error(), "\n  the stack's name is part of names in the cloud") {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Who deploys workloads alone says nothing about the cloud.
func TestLayerWorkloadsNeedsNoCloud(t *testing.T) {
	t.Parallel()
	settings := with(production(), "layer", "workloads", "cloudStack", "organization/trivet/prod-cloud", "domain", "", "cluster", "", "edge", "")
	cfg, err := stack.Parse(settings, "a-name-that-names-nothing-in-the-cloud")
	if err != nil {
		t.Fatal(err)
	}
	if cfg.CloudStack != "organization/trivet/prod-cloud" || !cfg.Layer.HasWorkloads() || cfg.Layer.HasCloud() {
		t.Errorf("%+v", cfg)
	}
}

// The cloud alone needs neither images nor a way to its private endpoint.
func TestLayerCloudNeedsNoImages(t *testing.T) {
	t.Parallel()
	cfg := parse(t, with(production(), "layer", "cloud", "services", "",
		"cluster", `{"runnerInside":false,"adminRoles":["arn:aws:iam::111122223333:role/deployer"]}`))
	if len(cfg.Spec.Images) != 0 {
		t.Errorf("images %v", cfg.Spec.Images)
	}
}

// A broker is its kind alone, or an object.
func TestBrokerMayBeOneWord(t *testing.T) {
	t.Parallel()
	word := parse(t, with(production(), "broker", "rabbitmq"))
	object := parse(t, with(production(), "broker", `{"kind":"rabbitmq"}`))
	if word.Spec.Broker != object.Spec.Broker || word.Spec.Broker.InstanceType == "" {
		t.Errorf("as a word %+v, as an object %+v", word.Spec.Broker, object.Spec.Broker)
	}
}

func TestWaiverEndsAfterItsLastDay(t *testing.T) {
	t.Parallel()
	waiver := stack.Waiver{Expires: "2027-03-31"}
	for at, want := range map[string]bool{
		"2027-03-31T23:59:59Z":      false,
		"2027-04-01T00:00:00Z":      true,
		"2027-04-01T01:30:00+02:00": false,
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := waiver.ExpiredAt(now); got != want {
			t.Errorf("at %s: expired %t, want %t", at, got, want)
		}
	}
}

func TestImagesAreReferredToByDigest(t *testing.T) {
	t.Parallel()
	own := stack.Service{Image: digest}
	if got, want := own.Reference("registry.example.com/trivet/api"), "registry.example.com/trivet/api@"+digest; got != want || !own.Pinned() {
		t.Errorf("%s, want %s", got, want)
	}
	foreign := stack.Service{Image: "registry.example.com/other:v1@" + digest}
	if got := foreign.Reference("registry.example.com/trivet/api"); got != foreign.Image || !foreign.Pinned() {
		t.Errorf("%s, want it as it is", got)
	}
	if (stack.Service{Image: "registry.example.com/other:v1"}).Pinned() {
		t.Error("a tag passes for a digest")
	}
}

// A letter of the family says nothing about the processor.
func TestProcessorsAreToldByTheGeneration(t *testing.T) {
	t.Parallel()
	for first, second := range map[string]string{"g5.xlarge": "m5.large", "m7g.large": "im4gn.large", "t4g.medium": "c6gn.xlarge"} {
		parse(t, with(production(), "cluster", `{"workload":{"instanceTypes":["`+first+`","`+second+`"]},"runnerInside":true,"adminRoles":["arn:aws:iam::111122223333:role/deployer"]}`))
	}
}
