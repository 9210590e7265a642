package aws

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// functions are the questions that programs ask an account, with the answers
// of one that has everything: three zones, ample quotas, the zone delegated
// and the images pushed.
var functions = map[string]standin.Function{
	"aws:index/getAvailabilityZones:getAvailabilityZones": func(s *standin.Simulation, _ resource.PropertyMap) (resource.PropertyMap, error) {
		var names, ids []string
		for i, letter := range []string{"a", "b", "c"} {
			names = append(names, s.Region+letter)
			ids = append(ids, fmt.Sprintf("%s-az%d", shortRegion(s.Region), i+1))
		}
		return resource.PropertyMap{
			"id": resource.NewProperty(s.Region), "names": list(names...), "zoneIds": list(ids...), "groupNames": list(s.Region),
		}, nil
	},
	"aws:index/getCallerIdentity:getCallerIdentity": func(s *standin.Simulation, _ resource.PropertyMap) (resource.PropertyMap, error) {
		return resource.PropertyMap{
			"accountId": resource.NewProperty(accountID), "id": resource.NewProperty(accountID), "userId": resource.NewProperty("AROAREHEARSAL:rehearsal"),
			"arn": resource.NewProperty("arn:" + s.Facts["partition"] + ":sts::" + accountID + ":assumed-role/rehearsal/rehearsal"),
		}, nil
	},
	"aws:index/getRegion:getRegion": func(s *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
		name := s.Region
		if asked := text(args["name"]); asked != "" {
			name = asked
		}
		return resource.PropertyMap{
			"id": resource.NewProperty(name), "name": resource.NewProperty(name), "description": resource.NewProperty("a region of this rehearsal"),
			"endpoint": resource.NewProperty("ec2." + name + "." + suffix(name)),
		}, nil
	},
	"aws:index/getPartition:getPartition": func(s *standin.Simulation, _ resource.PropertyMap) (resource.PropertyMap, error) {
		return resource.PropertyMap{
			"id": resource.NewProperty(s.Facts["partition"]), "partition": resource.NewProperty(s.Facts["partition"]),
			"dnsSuffix": resource.NewProperty(s.Facts["suffix"]), "reverseDnsPrefix": resource.NewProperty("com.amazonaws"),
		}, nil
	},
	"aws:iam/getPolicyDocument:getPolicyDocument": policyDocument,
	"aws:ec2/getPrefixList:getPrefixList":         prefixList,
	"aws:ec2/getManagedPrefixList:getManagedPrefixList": func(_ *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
		name := text(args["name"])
		if name == "" {
			return nil, fmt.Errorf("no matching EC2 managed prefix list: a name has to be given")
		}
		return resource.PropertyMap{
			"id": resource.NewProperty("pl-" + digest(name)[:8]), "name": resource.NewProperty(name), "addressFamily": resource.NewProperty("IPv4"),
			"maxEntries": resource.NewProperty(55.0), "ownerId": resource.NewProperty("AWS"),
		}, nil
	},
	"aws:route53/getZone:getZone": func(_ *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
		id, name := text(args["zoneId"]), strings.TrimSuffix(text(args["name"]), ".")
		switch {
		case id == "" && name == "":
			return nil, fmt.Errorf("either name or zone_id must be set")
		case id == "":
			id = "Z" + strings.ToUpper(digest(name)[:20])
		case name == "":
			name = "example.com"
		}
		return resource.PropertyMap{
			"id": resource.NewProperty(id), "zoneId": resource.NewProperty(id), "name": resource.NewProperty(name),
			"arn":         resource.NewProperty("arn:aws:route53:::hostedzone/" + id),
			"nameServers": list("ns-1.awsdns-01.org", "ns-2.awsdns-02.co.uk", "ns-3.awsdns-03.com", "ns-4.awsdns-04.net"),
		}, nil
	},
	"aws:ecr/getImage:getImage": func(_ *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
		reference := text(args["imageDigest"])
		if reference == "" {
			reference = "sha256:" + digest(text(args["repositoryName"])+text(args["imageTag"]))
		}
		return resource.PropertyMap{
			"id": resource.NewProperty(reference), "imageDigest": resource.NewProperty(reference), "registryId": resource.NewProperty(accountID),
			"imagePushedAt": resource.NewProperty(1767225600.0), "imageSizeInBytes": resource.NewProperty(16777216.0), "imageTags": list(),
		}, nil
	},
	"aws:servicequotas/getServiceQuota:getServiceQuota": func(_ *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
		code := text(args["quotaCode"])
		return resource.PropertyMap{
			"id": resource.NewProperty(code), "quotaCode": resource.NewProperty(code), "quotaName": resource.NewProperty("a quota"),
			"value": resource.NewProperty(1000.0), "defaultValue": resource.NewProperty(1000.0), "adjustable": resource.NewProperty(true),
		}, nil
	},
	"aws:ssm/getParameter:getParameter": func(_ *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
		return resource.PropertyMap{
			"id": args["name"], "type": resource.NewProperty("String"), "value": resource.NewProperty("ami-" + digest(text(args["name"]))[:17]),
			"version": resource.NewProperty(1.0),
		}, nil
	},
	"aws:eks/getAddonVersion:getAddonVersion": func(_ *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
		return resource.PropertyMap{"id": args["addonName"], "version": resource.NewProperty("v1.0.0-eksbuild.1")}, nil
	},
}

// prefixList answers for the gateway endpoints' services.
func prefixList(_ *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
	name := text(args["name"])
	if name == "" {
		name = "com.amazonaws.region.s3"
	}
	return resource.PropertyMap{
		"id": resource.NewProperty("pl-" + digest(name)[:8]), "name": resource.NewProperty(name), "cidrBlocks": list("198.51.100.0/24"),
	}, nil
}

func partition(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	}
	return "aws"
}

func suffix(region string) string {
	if strings.HasPrefix(region, "cn-") {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// shortRegion is how zone ids begin: euc1 for eu-central-1.
func shortRegion(region string) string {
	parts := strings.Split(region, "-")
	if len(parts) < 3 {
		return region
	}
	return parts[0] + parts[1][:1] + parts[len(parts)-1]
}

func list(texts ...string) resource.PropertyValue {
	values := make([]resource.PropertyValue, len(texts))
	for i, s := range texts {
		values[i] = resource.NewProperty(s)
	}
	return resource.NewProperty(values)
}
