package wire

import (
	"fmt"

	"github.com/trivetkv/trivet/pkg/kv"
)

// Txn is the body of a transaction. Missing arrays are empty.
type Txn struct {
	Compare []Compare   `json:"compare,omitempty"`
	Success []Operation `json:"success,omitempty"`
	Failure []Operation `json:"failure,omitempty"`
}

// Compare is one test of a transaction, with the operand of its target.
type Compare struct {
	Key         string      `json:"key"`
	KeyEncoding string      `json:"key_encoding,omitempty"`
	Target      string      `json:"target"` // version, value or exists
	Is          string      `json:"is"`     // eq, ne, gt or lt
	Version     *kv.Version `json:"version,omitempty"`
	Value       []byte      `json:"value,omitzero"`
	Exists      *bool       `json:"exists,omitempty"`
}

// TxnResults is the answer to a transaction: the results of the branch that
// was run.
type TxnResults struct {
	Succeeded bool     `json:"succeeded"`
	Results   []Result `json:"results"`
}

var (
	targets   = [...]string{kv.TargetVersion: "version", kv.TargetValue: "value", kv.TargetExists: "exists"}
	relations = [...]string{kv.RelationEqual: "eq", kv.RelationNotEqual: "ne", kv.RelationGreater: "gt", kv.RelationLess: "lt"}
)

// FromTxn makes the shape of a transaction.
func FromTxn(t kv.Txn) (Txn, error) {
	if err := t.Check(); err != nil {
		return Txn{}, err
	}
	var shape Txn
	for _, c := range t.Compare {
		compare := Compare{Target: targets[c.Target], Is: relations[c.Is]}
		compare.Key, compare.KeyEncoding = kv.EncodeKey(c.Key)
		switch c.Target {
		case kv.TargetVersion:
			compare.Version = &c.Version
		case kv.TargetValue:
			compare.Value = present(c.Value)
		case kv.TargetExists:
			compare.Exists = &c.Exists
		}
		shape.Compare = append(shape.Compare, compare)
	}
	var err error
	if shape.Success, err = fromBranch(t.Success); err != nil {
		return Txn{}, err
	}
	shape.Failure, err = fromBranch(t.Failure)
	return shape, err
}

func fromBranch(ops []kv.Operation) ([]Operation, error) {
	shapes := make([]Operation, 0, len(ops))
	for _, op := range ops {
		shape, err := FromOperation(op)
		if err != nil {
			return nil, err
		}
		shapes = append(shapes, shape)
	}
	return shapes, nil
}

// DecodeTxn reads a transaction strictly, and checks it.
func DecodeTxn(data []byte) (kv.Txn, error) {
	var shape Txn
	d := decoder{data: data}
	err := d.document(func(name string) (err error) {
		switch name {
		case "compare":
			shape.Compare, err = d.compares()
		case "success":
			shape.Success, err = d.operations(kv.MaxTxnOperations, "a branch")
		case "failure":
			shape.Failure, err = d.operations(kv.MaxTxnOperations, "a branch")
		default:
			err = errUnknownField
		}
		return err
	})
	if err != nil {
		return kv.Txn{}, err
	}
	return shape.KV()
}

// KV gives the transaction, checked.
func (t Txn) KV() (kv.Txn, error) {
	var txn kv.Txn
	for i, shape := range t.Compare {
		c, err := shape.compare()
		if err != nil {
			return kv.Txn{}, under(fmt.Sprintf("compare[%d]", i), err)
		}
		txn.Compare = append(txn.Compare, c)
	}
	var err error
	if txn.Success, err = branch("success", t.Success); err != nil {
		return kv.Txn{}, err
	}
	if txn.Failure, err = branch("failure", t.Failure); err != nil {
		return kv.Txn{}, err
	}
	return txn, txn.Check()
}

func branch(name string, shapes []Operation) ([]kv.Operation, error) {
	ops := make([]kv.Operation, 0, len(shapes))
	for i, shape := range shapes {
		op, err := shape.operation()
		if err == nil && (shape.IfVersion != nil || shape.IfAbsent != nil) {
			err = errConditionInTxn
		}
		if err != nil {
			return nil, under(fmt.Sprintf("%s[%d]", name, i), err)
		}
		ops = append(ops, op)
	}
	return ops, nil
}

// A condition is refused even where it would always hold, as if_absent: false
// does: who wrote it means it.
var errConditionInTxn = kv.Invalid("", "operations of a transaction carry no conditions; use compare")

func (c Compare) compare() (kv.Compare, error) {
	var out kv.Compare
	for target, name := range targets {
		if name != "" && name == c.Target {
			out.Target = kv.Target(target)
		}
	}
	for relation, name := range relations {
		if name != "" && name == c.Is {
			out.Is = kv.Relation(relation)
		}
	}
	if out.Target == 0 {
		return out, kv.Invalid("target", "the target has to be version, value or exists")
	}
	if out.Is == 0 {
		return out, kv.Invalid("is", "the relation has to be eq, ne, gt or lt")
	}
	given := map[string]bool{"version": c.Version != nil, "value": c.Value != nil, "exists": c.Exists != nil}
	for _, name := range []string{"version", "value", "exists"} {
		switch {
		case given[name] && name != c.Target:
			return out, kv.Invalid(name, "the field does not belong to a compare of the %s", c.Target)
		case !given[name] && name == c.Target:
			return out, kv.Invalid(name, "the field is missing; it is what the %s is held against", c.Target)
		}
	}
	key, err := kv.DecodeKey(c.Key, c.KeyEncoding)
	if err != nil {
		return out, err
	}
	out.Key = key
	out.Value = c.Value
	if c.Version != nil {
		out.Version = *c.Version
	}
	if c.Exists != nil {
		out.Exists = *c.Exists
	}
	return out, nil
}

func (d *decoder) compares() ([]Compare, error) {
	var compares []Compare
	err := d.array(func() error {
		if len(compares) == kv.MaxTxnCompares {
			return &tooMany{fmt.Sprintf("a transaction may have at most %d compares", kv.MaxTxnCompares)}
		}
		c, err := d.compare()
		compares = append(compares, c)
		return err
	})
	return compares, err
}

func (d *decoder) compare() (Compare, error) {
	var c Compare
	err := d.object(func(name string) (err error) {
		switch name {
		case "key":
			c.Key, err = d.text()
		case "key_encoding":
			c.KeyEncoding, err = d.keyEncoding()
		case "target":
			c.Target, err = d.text()
		case "is":
			c.Is, err = d.text()
		case "version":
			c.Version, err = d.version()
		case "value":
			c.Value, err = d.bytes()
		case "exists":
			c.Exists, err = d.boolean()
		default:
			err = errUnknownField
		}
		return err
	})
	return c, err
}
