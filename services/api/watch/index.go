package watch

import (
	"iter"
	"slices"
)

// index finds the feeds that want a key: one look-up for each length that a
// watched prefix has, however many feeds there are.
type index struct {
	feeds   map[string]map[*feed]struct{}
	lengths []int       // of the prefixes, ascending
	count   map[int]int // prefixes of each length
	values  int         // feeds that want values
}

func newIndex() *index {
	return &index{feeds: make(map[string]map[*feed]struct{}), count: make(map[int]int)}
}

func (x *index) add(f *feed) {
	set := x.feeds[f.prefix]
	if set == nil {
		set = make(map[*feed]struct{}, 1)
		x.feeds[f.prefix] = set
		length := len(f.prefix)
		if x.count[length]++; x.count[length] == 1 {
			at, _ := slices.BinarySearch(x.lengths, length)
			x.lengths = slices.Insert(x.lengths, at, length)
		}
	}
	set[f] = struct{}{}
	if f.values {
		x.values++
	}
}

func (x *index) remove(f *feed) {
	set := x.feeds[f.prefix]
	if _, ok := set[f]; !ok {
		return
	}
	if f.values {
		x.values--
	}
	delete(set, f)
	if len(set) > 0 {
		return
	}
	delete(x.feeds, f.prefix)
	length := len(f.prefix)
	if x.count[length]--; x.count[length] == 0 {
		delete(x.count, length)
		at, _ := slices.BinarySearch(x.lengths, length)
		x.lengths = slices.Delete(x.lengths, at, at+1)
	}
}

// matching gives the feeds whose prefix the key has.
func (x *index) matching(key string) iter.Seq[*feed] {
	return func(yield func(*feed) bool) {
		for _, length := range x.lengths {
			if length > len(key) {
				return
			}
			for f := range x.feeds[key[:length]] {
				if !yield(f) {
					return
				}
			}
		}
	}
}

// all gives every feed.
func (x *index) all() iter.Seq[*feed] {
	return func(yield func(*feed) bool) {
		for _, set := range x.feeds {
			for f := range set {
				if !yield(f) {
					return
				}
			}
		}
	}
}
