package random

import (
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

func create(t *testing.T, cloud *standin.Cloud, typ, name string, inputs map[string]any) (*standin.Object, error) {
	t.Helper()
	provider, err := New(cloud)
	if err != nil {
		t.Fatal(err)
	}
	session, err := provider.Configure(nil)
	if err != nil {
		t.Fatal(err)
	}
	r := standin.Resource{URN: resource.URN("urn:pulumi:test::trivet::" + typ + "::" + name), Type: typ, Name: name}
	object, err := session.Create(t.Context(), r, resource.NewPropertyMapFromMap(inputs))
	if err == nil {
		if failures := provider.Schema.Check(provider.Schema.Resources[typ].Outputs, object.Outputs); len(failures) > 0 {
			t.Error(failures)
		}
	}
	return object, err
}

func TestPasswordsAreAsTheyWereAskedFor(t *testing.T) {
	t.Parallel()
	const typ = "random:index/randomPassword:RandomPassword"
	first, err := create(t, standin.NewCloud(), typ, "a", map[string]any{"length": 40, "special": false, "minNumeric": 2})
	if err != nil {
		t.Fatal(err)
	}
	password := first.Outputs["result"].StringValue()
	if len(password) != 40 || strings.ContainsAny(password, sets[3].characters) || !strings.ContainsAny(password, "0123456789") {
		t.Errorf("a password of %d characters, not as asked for", len(password))
	}
	second, err := create(t, standin.NewCloud(), typ, "a", map[string]any{"length": 40, "special": false})
	if err != nil {
		t.Fatal(err)
	}
	if second.Outputs["result"].StringValue() == password {
		t.Error("the same password twice")
	}
}

func TestIdsAreTheSameInEveryRehearsal(t *testing.T) {
	t.Parallel()
	for typ, inputs := range map[string]map[string]any{
		"random:index/randomId:RandomId":     {"byteLength": 4},
		"random:index/randomUuid:RandomUuid": {},
		"random:index/randomPet:RandomPet":   {},
	} {
		first, err := create(t, standin.NewCloud(), typ, "a", inputs)
		if err != nil {
			t.Fatal(err)
		}
		second, err := create(t, standin.NewCloud(), typ, "a", inputs)
		if err != nil {
			t.Fatal(err)
		}
		if first.ID != second.ID {
			t.Errorf("%s: %s, then %s", typ, first.ID, second.ID)
		}
	}
}
