package aws

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"slices"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// document is a policy in IAM's own form.
type document struct {
	Version   string      `json:"Version,omitempty"`
	ID        string      `json:"Id,omitempty"`
	Statement []statement `json:"Statement,omitempty"`
}

type statement struct {
	Sid          string                    `json:"Sid,omitempty"`
	Effect       string                    `json:"Effect,omitempty"`
	Action       any                       `json:"Action,omitempty"`
	NotAction    any                       `json:"NotAction,omitempty"`
	Resource     any                       `json:"Resource,omitempty"`
	NotResource  any                       `json:"NotResource,omitempty"`
	Principal    any                       `json:"Principal,omitempty"`
	NotPrincipal any                       `json:"NotPrincipal,omitempty"`
	Condition    map[string]map[string]any `json:"Condition,omitempty"`
}

// policyDocument builds the JSON that the provider builds: single values are
// no lists, lists are sorted, statements of the same Sid override.
func policyDocument(_ *standin.Simulation, args resource.PropertyMap) (resource.PropertyMap, error) {
	d := document{Version: "2012-10-17", ID: text(args["policyId"])}
	if version := text(args["version"]); version != "" {
		d.Version = version
	}
	if err := d.merge(args["sourcePolicyDocuments"], false); err != nil {
		return nil, err
	}
	if statements := args["statements"]; statements.IsArray() {
		for _, value := range statements.ArrayValue() {
			d.put(statementOf(value.ObjectValue()))
		}
	}
	if err := d.merge(args["overridePolicyDocuments"], true); err != nil {
		return nil, err
	}
	pretty, err := encode(d, "  ")
	if err != nil {
		return nil, err
	}
	minified, err := encode(d, "")
	if err != nil {
		return nil, err
	}
	return resource.PropertyMap{
		"id":   resource.NewProperty(strconv.FormatUint(uint64(crc32.ChecksumIEEE([]byte(pretty))), 10)),
		"json": resource.NewProperty(pretty), "minifiedJson": resource.NewProperty(minified),
	}, nil
}

func encode(d document, indent string) (string, error) {
	var buffer bytes.Buffer
	encoder := json.NewEncoder(&buffer)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", indent)
	if err := encoder.Encode(d); err != nil {
		return "", fmt.Errorf("write the policy: %w", err)
	}
	return string(bytes.TrimSpace(buffer.Bytes())), nil
}

func (d *document) merge(documents resource.PropertyValue, override bool) error {
	if !documents.IsArray() {
		return nil
	}
	for _, value := range documents.ArrayValue() {
		var other document
		if err := json.Unmarshal([]byte(text(value)), &other); err != nil {
			return fmt.Errorf("merging policy documents: %w", err)
		}
		for _, s := range other.Statement {
			if !override && s.Sid != "" && slices.ContainsFunc(d.Statement, func(mine statement) bool { return mine.Sid == s.Sid }) {
				return fmt.Errorf("merging policy documents: the Sid %q is there twice", s.Sid)
			}
			d.put(s)
		}
	}
	return nil
}

// put adds a statement, in place of one with the same Sid.
func (d *document) put(s statement) {
	if i := slices.IndexFunc(d.Statement, func(mine statement) bool { return s.Sid != "" && mine.Sid == s.Sid }); i >= 0 {
		d.Statement[i] = s
		return
	}
	d.Statement = append(d.Statement, s)
}

func statementOf(value resource.PropertyMap) statement {
	s := statement{
		Sid: text(value["sid"]), Effect: "Allow",
		Action: oneOrMore(value["actions"]), NotAction: oneOrMore(value["notActions"]),
		Resource: oneOrMore(value["resources"]), NotResource: oneOrMore(value["notResources"]),
		Principal: principals(value["principals"]), NotPrincipal: principals(value["notPrincipals"]),
	}
	if effect := text(value["effect"]); effect != "" {
		s.Effect = effect
	}
	if conditions := value["conditions"]; conditions.IsArray() {
		s.Condition = map[string]map[string]any{}
		for _, c := range conditions.ArrayValue() {
			test, variable := text(c.ObjectValue()["test"]), text(c.ObjectValue()["variable"])
			if s.Condition[test] == nil {
				s.Condition[test] = map[string]any{}
			}
			s.Condition[test][variable] = oneOrMore(c.ObjectValue()["values"])
		}
	}
	return s
}

func principals(value resource.PropertyValue) any {
	if !value.IsArray() || len(value.ArrayValue()) == 0 {
		return nil
	}
	byType := map[string]any{}
	for _, p := range value.ArrayValue() {
		kind, who := text(p.ObjectValue()["type"]), oneOrMore(p.ObjectValue()["identifiers"])
		if kind == "*" && who == "*" {
			return "*"
		}
		byType[kind] = who
	}
	return byType
}

func oneOrMore(value resource.PropertyValue) any {
	if !value.IsArray() || len(value.ArrayValue()) == 0 {
		return nil
	}
	var texts []string
	for _, v := range value.ArrayValue() {
		texts = append(texts, text(v))
	}
	if len(texts) == 1 {
		return texts[0]
	}
	slices.Sort(texts)
	slices.Reverse(texts) // the provider's own order
	return texts
}

func digest(of string) string {
	sum := sha256.Sum256([]byte(of))
	return hex.EncodeToString(sum[:])
}
