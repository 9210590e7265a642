package kv_test

import (
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

func TestWriteIDsHaveATextForm(t *testing.T) {
	t.Parallel()
	for _, id := range []kv.WriteID{{}, {1}, {15: 1}, {0xff, 15: 0xff}, kv.NewWriteID(time.Now()), kv.DeriveWriteID("a", "b", "c")} {
		text := id.String()
		if len(text) != 26 || text != strings.ToLower(text) {
			t.Errorf("the text of an id is %q", text)
		}
		for _, form := range []string{text, strings.ToUpper(text)} {
			if got, err := kv.ParseWriteID(form); err != nil || got != id {
				t.Errorf("%q is read as %v, %v", form, got, err)
			}
		}
	}
}

func TestOtherTextsAreNoWriteIDs(t *testing.T) {
	t.Parallel()
	good := kv.WriteID{1, 2, 3}.String()
	for _, text := range []string{
		"", "x", good[:25], good + "0", good + "=", good[:25] + "1", " " + good, good[:25] + "u", good[:25] + "\n",
		good[:13] + "\n" + good[13:],
		"\u212a" + good[1:], // the Kelvin sign is a k in lower case
	} {
		_, err := kv.ParseWriteID(text)
		wantField(t, err, "id")
	}
}

func TestANewWriteIDTellsWhenItWasIssued(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, time.January, 2, 3, 4, 5, 678_000_000, time.UTC)
	seen := map[kv.WriteID]bool{}
	for range 1000 {
		id := kv.NewWriteID(at)
		if issued, ok := id.IssuedAt(); !ok || !issued.Equal(at) {
			t.Fatalf("issued at %s, %v; want %s", issued, ok, at)
		}
		if seen[id] || id.IsZero() {
			t.Fatalf("the id %s was made twice", id)
		}
		seen[id] = true
	}
	if kv.NewWriteID(at).String() >= kv.NewWriteID(at.Add(time.Millisecond)).String() {
		t.Error("ids are not in the order of their time")
	}
}

func TestAMadeUpWriteIDWasNeverIssued(t *testing.T) {
	t.Parallel()
	issued := kv.NewWriteID(time.Now())
	for i := range issued {
		forged := issued
		forged[i] ^= 1
		if at, ok := forged.IssuedAt(); ok {
			t.Errorf("with byte %d changed it was issued at %s", i, at)
		}
	}
	for _, id := range []kv.WriteID{{}, kv.DeriveWriteID("a", "b", "c"), issued.Item(0)} {
		if at, ok := id.IssuedAt(); ok {
			t.Errorf("%s was issued at %s", id, at)
		}
	}
}

func TestDerivedWriteIDsAreTheSameForTheSameRequest(t *testing.T) {
	t.Parallel()
	id := kv.DeriveWriteID("caller", "space", "key")
	if id != kv.DeriveWriteID("caller", "space", "key") || id.IsZero() {
		t.Error("the same request has two ids")
	}
	for _, other := range []kv.WriteID{
		kv.DeriveWriteID("callers", "pace", "key"), kv.DeriveWriteID("caller", "spacek", "ey"), kv.DeriveWriteID("caller", "key", "space"),
		kv.DeriveWriteID("", "callerspace", "key"), kv.DeriveWriteID("caller", "space", "key2"),
	} {
		if other == id {
			t.Error("two requests have one id")
		}
	}
}

func TestItemsOfABatchHaveIDsOfTheirOwn(t *testing.T) {
	t.Parallel()
	seen := map[kv.WriteID]bool{}
	for _, id := range []kv.WriteID{kv.DeriveWriteID("a", "b", "c"), kv.DeriveWriteID("a", "b", "d")} {
		seen[id] = true
		for i := range kv.MaxBatchOperations {
			item := id.Item(i)
			if seen[item] || item != id.Item(i) {
				t.Fatalf("item %d has the id %s", i, item)
			}
			seen[item] = true
		}
	}
	if !(kv.WriteID{}).Item(3).IsZero() {
		t.Error("an item of an unnamed batch is named")
	}
}

func FuzzParseWriteID(f *testing.F) {
	f.Add(kv.NewWriteID(time.Now()).String())
	f.Add(strings.ToUpper(kv.DeriveWriteID("a", "b", "c").String()))
	f.Add("00000000000000000000000000")
	f.Add("zzzzzzzzzzzzzzzzzzzzzzzzzz")
	f.Add("\u212a0000000000000000000000000")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := kv.ParseWriteID(text)
		if err != nil {
			return
		}
		if len(text) != 26 || !strings.EqualFold(id.String(), text) {
			t.Fatalf("%q is read as %s", text, id)
		}
		if at, ok := id.IssuedAt(); ok && at.Before(time.Unix(0, 0)) {
			t.Fatalf("%q was issued at %s", text, at)
		}
	})
}
