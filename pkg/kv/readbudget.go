package kv

// ReadBudget counts the values that one transaction, or one batch, reads. The
// zero value is a new one.
type ReadBudget struct{ taken int64 }

// Take counts a value before it is read, by its size in bytes, and refuses the
// one by which there are more than [MaxReadBytes]. What was refused does not
// count: a smaller value may be read after it.
func (b *ReadBudget) Take(size int64) error {
	if b.taken+size > MaxReadBytes {
		return &Error{
			Code:   CodeTooLarge,
			Field:  "value",
			Detail: "the values that are read together are larger than 16 MiB; read this key by itself",
		}
	}
	b.taken += size
	return nil
}
