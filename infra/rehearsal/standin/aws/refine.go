package aws

import (
	"errors"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// newVersion numbers the versions of a launch template: each change makes one.
func newVersion(s *standin.Simulation, o *standin.Object) error {
	old := s.Cloud.Get(o.Type, o.ID)
	if old == nil {
		return nil
	}
	next := old.Outputs["latestVersion"].NumberValue() + 1
	o.Outputs["latestVersion"] = resource.NewProperty(next)
	if update := o.Inputs["updateDefaultVersion"]; update.IsBool() && update.BoolValue() {
		o.Outputs["defaultVersion"] = resource.NewProperty(next)
	} else {
		o.Outputs["defaultVersion"] = old.Outputs["defaultVersion"]
	}
	return nil
}

func aliasPrefixed(_ *standin.Simulation, o *standin.Object) error {
	if name := text(o.Outputs["name"]); !strings.HasPrefix(name, "alias/") {
		return fmt.Errorf("ValidationException: the alias %q must begin with \"alias/\"", name)
	}
	return nil
}

// failoverNeedsReplica refuses what ElastiCache does: failing over to nobody.
func failoverNeedsReplica(_ *standin.Simulation, o *standin.Object) error {
	failover, zones, clusters := o.Inputs["automaticFailoverEnabled"], o.Inputs["multiAzEnabled"], o.Inputs["numCacheClusters"]
	on := failover.IsBool() && failover.BoolValue()
	if on && clusters.IsNumber() && clusters.NumberValue() < 2 {
		return errors.New("InvalidReplicationGroupState: automatic failover wants at least 2 cache clusters")
	}
	if zones.IsBool() && zones.BoolValue() && !on {
		return errors.New("InvalidParameterCombination: multi-AZ wants automatic failover")
	}
	if clusters.IsNumber() {
		var members []resource.PropertyValue
		for i := range int(clusters.NumberValue()) {
			members = append(members, resource.NewProperty(fmt.Sprintf("%s-%03d", o.ID, i+1)))
		}
		o.Outputs["memberClusters"] = resource.NewProperty(members)
	}
	return nil
}

// validations are the records by which each name of a certificate is proved.
func validations(_ *standin.Simulation, o *standin.Object) error {
	names := []string{text(o.Inputs["domainName"])}
	if more := o.Inputs["subjectAlternativeNames"]; more.IsArray() {
		for _, name := range more.ArrayValue() {
			if text(name) != names[0] {
				names = append(names, text(name))
			}
		}
	}
	var options []resource.PropertyValue
	for i, name := range names {
		bare := strings.TrimPrefix(name, "*.")
		options = append(options, resource.NewProperty(resource.PropertyMap{
			"domainName":          resource.NewProperty(name),
			"resourceRecordName":  resource.NewProperty(fmt.Sprintf("_%s%d.%s.", o.Seed[:31], i%10, bare)),
			"resourceRecordType":  resource.NewProperty("CNAME"),
			"resourceRecordValue": resource.NewProperty(fmt.Sprintf("_%s%d.acm-validations.aws.", o.Seed[31:62], i%10)),
		}))
	}
	o.Outputs["domainValidationOptions"] = resource.NewProperty(options)
	return nil
}

// twoZones refuses an application balancer on fewer than two subnets.
func twoZones(_ *standin.Simulation, o *standin.Object) error {
	kind, subnets, mappings := text(o.Inputs["loadBalancerType"]), o.Inputs["subnets"], o.Inputs["subnetMappings"]
	if (kind == "" || kind == "application") && !mappings.IsArray() && (!subnets.IsArray() || len(subnets.ArrayValue()) < 2) {
		return errors.New("ValidationError: at least two subnets in two different Availability Zones must be specified")
	}
	return nil
}

// globalFirewall refuses a firewall for CloudFront anywhere but in its region.
func globalFirewall(s *standin.Simulation, o *standin.Object) error {
	if text(o.Inputs["scope"]) != "CLOUDFRONT" {
		return nil
	}
	if s.Region != "us-east-1" {
		return fmt.Errorf("WAFInvalidParameterException: the scope CLOUDFRONT is valid in us-east-1 alone, not in %s", s.Region)
	}
	arn := strings.Replace(text(o.Outputs["arn"]), ":regional/", ":global/", 1)
	o.Outputs["arn"] = resource.NewProperty(arn)
	return nil
}
