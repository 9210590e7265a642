package kv

import "fmt"

// Target is what a compare looks at.
type Target uint8

// Targets of a compare.
const (
	TargetVersion Target = iota + 1
	TargetValue
	TargetExists
)

// Relation is how a compare holds the key's state against its operand.
type Relation uint8

// Relations of a compare. Values are ordered by their bytes; TargetExists
// takes RelationEqual and RelationNotEqual only.
const (
	RelationEqual Relation = iota + 1
	RelationNotEqual
	RelationGreater
	RelationLess
)

// Compare is one test of a transaction. An absent key has version 0 and no
// value: a compare of its value is never true, but for RelationNotEqual.
type Compare struct {
	Key     string
	Target  Target
	Is      Relation
	Version Version
	Value   []byte
	Exists  bool
}

// Txn is a transaction: when all of Compare hold, Success is run, else
// Failure; all or nothing.
type Txn struct {
	Compare []Compare
	Success []Operation
	Failure []Operation
}

// TxnResult is the outcome of a transaction, one result for each operation of
// the branch that was run.
type TxnResult struct {
	Succeeded bool
	Results   []Result
	Replayed  bool
}

// Check refuses a transaction that no store should see.
func (t Txn) Check() error {
	if len(t.Compare) > MaxTxnCompares {
		return Invalid("compare", "there are %d compares; a transaction may have %d", len(t.Compare), MaxTxnCompares)
	}
	for i, c := range t.Compare {
		field := fmt.Sprintf("compare[%d]", i)
		if err := within(field, CheckKey(c.Key)); err != nil {
			return err
		}
		if c.Target < TargetVersion || c.Target > TargetExists {
			return Invalid(field+".target", "the target has to be version, value or exists")
		}
		if c.Is < RelationEqual || c.Is > RelationLess {
			return Invalid(field+".is", "the relation has to be eq, ne, gt or lt")
		}
		if c.Target == TargetExists && c.Is > RelationNotEqual {
			return Invalid(field+".is", "existence can be compared with eq and ne only")
		}
	}
	if err := checkBranch("success", t.Success); err != nil {
		return err
	}
	return checkBranch("failure", t.Failure)
}

func checkBranch(name string, ops []Operation) error {
	if len(ops) > MaxTxnOperations {
		return Invalid(name, "there are %d operations; a branch may have %d", len(ops), MaxTxnOperations)
	}
	written := make(map[string]bool, len(ops))
	for i, op := range ops {
		field := fmt.Sprintf("%s[%d]", name, i)
		if op.Kind == KindRestore {
			return Invalid(field+".op", "unknown operation; it has to be put, get, delete or increment")
		}
		if err := within(field, op.Check()); err != nil {
			return err
		}
		if !op.If.Always() {
			return Invalid(field, "operations of a transaction carry no conditions; use compare")
		}
		if !op.Kind.Writes() {
			continue
		}
		if written[op.Key] {
			return Invalid(field+".key", "the key is written twice in one branch")
		}
		written[op.Key] = true
	}
	return nil
}

// within puts the place of an operation before the field of its error.
func within(place string, err error) error {
	if err == nil {
		return nil
	}
	e := *AsError(err)
	e.Field = place + "." + e.Field
	return &e
}
