package aws

import (
	"encoding/json"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// A statement of a policy document, with AWS's own names. Resources are text
// or outputs; a document that has outputs goes through [policyOf].
type statement struct {
	Sid       string     `json:"Sid,omitempty"`
	Effect    string     `json:"Effect"`
	Principal principal  `json:"Principal,omitempty"`
	Action    []string   `json:"Action"`
	Resource  []string   `json:"Resource,omitempty"`
	Condition conditions `json:"Condition,omitempty"`
}

// principal is who a statement is about, by kind: AWS, Service, Federated.
type principal map[string][]string

// conditions are by operator, then by key.
type conditions map[string]map[string][]string

const (
	allow = "Allow"
	deny  = "Deny"
)

// anyone is for statements that a condition narrows, or that deny.
var anyone = principal{"AWS": {"*"}}

// service is a principal of AWS's own, such as eks.amazonaws.com.
func service(names ...string) principal { return principal{"Service": names} }

// policy is a policy document of statements.
func policy(statements ...statement) string {
	document, err := json.Marshal(struct {
		Version   string      `json:"Version"`
		Statement []statement `json:"Statement"`
	}{"2012-10-17", statements})
	if err != nil {
		panic(err) // strings, slices and maps of them always marshal
	}
	return string(document)
}

// policyOf is a policy document whose statements are made from values that are
// known once resources exist, in the order given.
func policyOf(values pulumi.StringArray, statements func(values []string) []statement) pulumi.StringOutput {
	return values.ToStringArrayOutput().ApplyT(func(values []string) string {
		return policy(statements(values)...)
	}).(pulumi.StringOutput)
}
