// Package random is the stand-in for the provider of random values. Ids and
// names are the same in every rehearsal; passwords are not, since a rehearsal
// may put them on a real cluster.
package random

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"github.com/trivetkv/trivet/infra/rehearsal/schema"
	"github.com/trivetkv/trivet/infra/rehearsal/standin"
)

// New gives the stand-in over a cloud.
func New(cloud *standin.Cloud) (*standin.Simulated, error) {
	definition, err := schema.Load("random")
	if err != nil {
		return nil, err
	}
	return &standin.Simulated{
		Schema: definition, Cloud: cloud, Kinds: kinds,
		Ordinary: func(string) standin.Kind { return standin.Kind{Fixed: true} },
	}, nil
}

var kinds = map[string]standin.Kind{
	"random:index/randomPassword:RandomPassword": {ID: "{hex:16}", Fixed: true, Refine: password},
	"random:index/randomString:RandomString":     {ID: "{hex:16}", Fixed: true, Refine: password},
	"random:index/randomBytes:RandomBytes":       {ID: "{hex:16}", Fixed: true, Refine: secretBytes},
	"random:index/randomUuid:RandomUuid":         {ID: "{uuid}", Fixed: true, Outputs: map[string]any{"result": "{uuid}"}},
	"random:index/randomPet:RandomPet":           {ID: "calm-otter-{hex:4}", Fixed: true, Outputs: map[string]any{"length": 2, "separator": "-"}},
	"random:index/randomInteger:RandomInteger":   {ID: "{.min}", Fixed: true, Refine: leastInteger},
	"random:index/randomId:RandomId":             {ID: "{hex:16}", Fixed: true, Refine: identifier},
}

// sets are the characters that a password is made of, by the inputs that
// switch them on.
var sets = []struct{ input, least, characters string }{
	{"lower", "minLower", "abcdefghijklmnopqrstuvwxyz"},
	{"upper", "minUpper", "ABCDEFGHIJKLMNOPQRSTUVWXYZ"},
	{"numeric", "minNumeric", "0123456789"},
	{"special", "minSpecial", "!@#$%&*()-_=+[]{}<>:?"},
}

func password(_ *standin.Simulation, o *standin.Object) error {
	length := number(o.Inputs["length"])
	if length < 1 {
		return fmt.Errorf("expected length to be at least 1, got %d", length)
	}
	var all string
	var text strings.Builder
	for _, set := range sets {
		characters := set.characters
		if own := o.Inputs["overrideSpecial"]; set.input == "special" && own.IsString() && own.StringValue() != "" {
			characters = own.StringValue()
		}
		on := true
		if given := o.Inputs[resource.PropertyKey(set.input)]; given.IsBool() {
			on = given.BoolValue()
		}
		o.Outputs[resource.PropertyKey(set.input)] = resource.NewProperty(on)
		if on {
			all += characters
		}
		for range number(o.Inputs[resource.PropertyKey(set.least)]) {
			c, err := pick(characters)
			if err != nil {
				return err
			}
			text.WriteByte(c)
		}
	}
	o.Outputs["number"] = o.Outputs["numeric"]
	if all == "" {
		return fmt.Errorf("no kind of character is allowed")
	}
	for text.Len() < length {
		c, err := pick(all)
		if err != nil {
			return err
		}
		text.WriteByte(c)
	}
	o.Outputs["result"] = resource.NewProperty(text.String())
	return nil
}

func pick(characters string) (byte, error) {
	i, err := rand.Int(rand.Reader, big.NewInt(int64(len(characters))))
	if err != nil {
		return 0, err
	}
	return characters[i.Int64()], nil
}

func secretBytes(_ *standin.Simulation, o *standin.Object) error {
	value := make([]byte, number(o.Inputs["length"]))
	if _, err := io.ReadFull(rand.Reader, value); err != nil {
		return err
	}
	o.Outputs["hex"] = resource.NewProperty(hex.EncodeToString(value))
	o.Outputs["base64"] = resource.NewProperty(base64.StdEncoding.EncodeToString(value))
	return nil
}

func identifier(_ *standin.Simulation, o *standin.Object) error {
	length := number(o.Inputs["byteLength"])
	if length < 1 || 2*length > len(o.Seed) {
		return fmt.Errorf("byteLength has to be between 1 and %d", len(o.Seed)/2)
	}
	value, err := hex.DecodeString(o.Seed[:2*length])
	if err != nil {
		return err
	}
	var prefix string
	if p := o.Inputs["prefix"]; p.IsString() {
		prefix = p.StringValue()
	}
	o.ID = base64.RawURLEncoding.EncodeToString(value)
	o.Outputs["hex"] = resource.NewProperty(prefix + hex.EncodeToString(value))
	o.Outputs["dec"] = resource.NewProperty(prefix + new(big.Int).SetBytes(value).String())
	o.Outputs["b64Std"] = resource.NewProperty(prefix + base64.StdEncoding.EncodeToString(value))
	o.Outputs["b64Url"] = resource.NewProperty(prefix + o.ID)
	return nil
}

func leastInteger(_ *standin.Simulation, o *standin.Object) error {
	o.Outputs["result"] = o.Inputs["min"]
	return nil
}

func number(value resource.PropertyValue) int {
	if value.IsNumber() {
		return int(value.NumberValue())
	}
	return 0
}
