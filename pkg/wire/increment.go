package wire

import "github.com/trivetkv/trivet/pkg/kv"

// Increment is the body of an increment.
type Increment struct {
	By int64 `json:"by"`
}

// IncrementResult is its answer.
type IncrementResult struct {
	Value   int64      `json:"value"`
	Version kv.Version `json:"version"`
}

// DecodeIncrement reads the body of an increment strictly.
func DecodeIncrement(data []byte) (Increment, error) {
	var by *int64
	d := decoder{data: data}
	err := d.document(func(name string) (err error) {
		if name != "by" {
			return errUnknownField
		}
		by, err = d.integer(minInt64, maxInt64)
		return err
	})
	switch {
	case err != nil:
		return Increment{}, err
	case by == nil:
		return Increment{}, kv.Invalid("by", "the field is missing; it has to be an integer")
	}
	return Increment{By: *by}, nil
}

// Restore is the body of a restore: the version to write again.
type Restore struct {
	Version kv.Version `json:"version"`
}

// DecodeRestore reads the body of a restore strictly.
func DecodeRestore(data []byte) (Restore, error) {
	var version *kv.Version
	d := decoder{data: data}
	err := d.document(func(name string) (err error) {
		if name != "version" {
			return errUnknownField
		}
		version, err = d.version()
		return err
	})
	switch {
	case err != nil:
		return Restore{}, err
	case version == nil:
		return Restore{}, kv.Invalid("version", "the field is missing; it has to be the version to restore")
	case *version == 0:
		return Restore{}, kv.Invalid("version", "version 0 is an absent key, which cannot be restored")
	}
	return Restore{Version: *version}, nil
}
