package kv_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
)

func TestConditions(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		condition       kv.Condition
		absent, present error // present at version 5
	}{
		{kv.Condition{}, nil, nil},
		{kv.Condition{Absent: true}, nil, kv.ErrAlreadyExists},
		{kv.Condition{Exists: true}, kv.ErrVersionMismatch, nil},
		{kv.Condition{Versions: []kv.Version{5}}, kv.ErrVersionMismatch, nil},
		{kv.Condition{Versions: []kv.Version{4, 6}}, kv.ErrVersionMismatch, kv.ErrVersionMismatch},
		{kv.Condition{Versions: []kv.Version{0}}, nil, kv.ErrVersionMismatch},
		{kv.Condition{Versions: []kv.Version{0, 5}}, nil, nil},
		{kv.Condition{Versions: []kv.Version{}}, kv.ErrVersionMismatch, kv.ErrVersionMismatch},
		{kv.Condition{Exists: true, Versions: []kv.Version{5}}, kv.ErrVersionMismatch, nil},
		{kv.Condition{Exists: true, Versions: []kv.Version{4}}, kv.ErrVersionMismatch, kv.ErrVersionMismatch},
	} {
		for version, want := range map[kv.Version]error{0: tt.absent, 5: tt.present} {
			if got := tt.condition.Check(version); kv.CodeOf(got) != kv.CodeOf(want) {
				t.Errorf("%+v at version %d: %v, want %v", tt.condition, version, got, want)
			}
		}
	}
	if !(kv.Condition{}).Always() || (kv.Condition{Absent: true}).Always() || (kv.Condition{Exists: true}).Always() ||
		(kv.Condition{Versions: []kv.Version{}}).Always() {
		t.Error("only the zero condition always holds")
	}
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for kind, name := range map[kv.Kind]string{
		kv.KindGet: "get", kv.KindPut: "put", kv.KindDelete: "delete", kv.KindIncrement: "increment", kv.KindRestore: "restore", 0: "unknown", 99: "unknown",
	} {
		if kind.String() != name {
			t.Errorf("kind %d is called %q, want %q", kind, kind, name)
		}
		if kind.Writes() != (kind != kv.KindGet) {
			t.Errorf("%s writes: %v", kind, kind.Writes())
		}
	}
}

func TestOperationsAreChecked(t *testing.T) {
	t.Parallel()
	put := func(change func(*kv.Operation)) kv.Operation {
		op := kv.Operation{Kind: kv.KindPut, Key: "k"}
		change(&op)
		return op
	}
	pairs := func(n int) map[string]string {
		meta := map[string]string{}
		for i := range n {
			meta[fmt.Sprintf("n%d", i)] = ""
		}
		return meta
	}
	for name, tt := range map[string]struct {
		op    kv.Operation
		field string
	}{
		"put":              {put(func(*kv.Operation) {}), ""},
		"get":              {kv.Operation{Kind: kv.KindGet, Key: "k"}, ""},
		"restore":          {kv.Operation{Kind: kv.KindRestore, Key: "k"}, ""},
		"no kind":          {kv.Operation{Key: "k"}, "op"},
		"no key":           {kv.Operation{Kind: kv.KindGet}, "key"},
		"content type":     {put(func(op *kv.Operation) { op.ContentType = strings.Repeat("t", 255) }), ""},
		"long type":        {put(func(op *kv.Operation) { op.ContentType = strings.Repeat("t", 256) }), "content_type"},
		"type of 2 lines":  {put(func(op *kv.Operation) { op.ContentType = "a\r\nb" }), "content_type"},
		"shortest TTL":     {put(func(op *kv.Operation) { op.TTL = time.Millisecond }), ""},
		"too short a TTL":  {put(func(op *kv.Operation) { op.TTL = time.Millisecond - 1 }), "ttl"},
		"negative TTL":     {put(func(op *kv.Operation) { op.TTL = -time.Second }), "ttl"},
		"longest TTL":      {put(func(op *kv.Operation) { op.TTL = 87600 * time.Hour }), ""},
		"too long a TTL":   {put(func(op *kv.Operation) { op.TTL = 87600*time.Hour + 1 }), "ttl"},
		"64 pairs":         {put(func(op *kv.Operation) { op.Meta = pairs(64) }), ""},
		"65 pairs":         {put(func(op *kv.Operation) { op.Meta = pairs(65) }), "meta"},
		"8 KiB of pairs":   {put(func(op *kv.Operation) { op.Meta = map[string]string{"n": strings.Repeat("v", 8191)} }), ""},
		"more than 8 KiB":  {put(func(op *kv.Operation) { op.Meta = map[string]string{"n": strings.Repeat("v", 8192)} }), "meta"},
		"nameless pair":    {put(func(op *kv.Operation) { op.Meta = map[string]string{"": "v"} }), "meta"},
		"upper-case name":  {put(func(op *kv.Operation) { op.Meta = map[string]string{"Name": "v"} }), "meta"},
		"name_with_score":  {put(func(op *kv.Operation) { op.Meta = map[string]string{"a_b": "v"} }), "meta"},
		"value of 2 lines": {put(func(op *kv.Operation) { op.Meta = map[string]string{"n": "a\nb"} }), "meta"},
		"value of é":       {put(func(op *kv.Operation) { op.Meta = map[string]string{"n": "é"} }), "meta"},
		"spaced value":     {put(func(op *kv.Operation) { op.Meta = map[string]string{"n": " v"} }), "meta"},
		"inner space":      {put(func(op *kv.Operation) { op.Meta = map[string]string{"n": "a b"} }), ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantField(t, tt.op.Check(), tt.field)
		})
	}
	large := put(func(op *kv.Operation) { op.Value = make([]byte, kv.MaxValueBytes) })
	wantField(t, large.Check(), "")
	large.Value = append(large.Value, 0)
	if e := kv.AsError(large.Check()); e == nil || e.Code != kv.CodeTooLarge || e.Field != "value" {
		t.Errorf("a value of more than 8 MiB: %+v", e)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for field, n := range map[string]kv.Namespace{
		"":            {Name: "a", DefaultTTL: time.Second, Retention: 87600 * time.Hour, MaxKeys: math.MaxInt64, MaxBytes: 1},
		"namespace":   {Name: "_a"},
		"default_ttl": {Name: "a", DefaultTTL: -1},
		"retention":   {Name: "a", Retention: -1},
		"max_keys":    {Name: "a", MaxKeys: -1},
		"max_bytes":   {Name: "a", MaxBytes: -1},
	} {
		wantField(t, n.CheckSettings(), field)
	}
	wantField(t, kv.Namespace{Name: "a", Retention: 87600*time.Hour + 1}.CheckSettings(), "retention")
	wantField(t, kv.Namespace{Name: "a"}.CheckSettings(), "")
}

func TestTransactionsAreChecked(t *testing.T) {
	t.Parallel()
	compare := kv.Compare{Key: "k", Target: kv.TargetVersion, Is: kv.RelationEqual}
	put := kv.Operation{Kind: kv.KindPut, Key: "k"}
	get := kv.Operation{Kind: kv.KindGet, Key: "k"}
	distinct := make([]kv.Operation, 129)
	for i := range distinct {
		distinct[i] = kv.Operation{Kind: kv.KindPut, Key: fmt.Sprint(i)}
	}
	ops := func(ops ...kv.Operation) []kv.Operation { return ops }
	for name, tt := range map[string]struct {
		txn   kv.Txn
		field string
	}{
		"empty":                  {kv.Txn{}, ""},
		"full":                   {kv.Txn{Compare: make([]kv.Compare, 0), Success: distinct[:128], Failure: distinct[:128]}, ""},
		"129 operations":         {kv.Txn{Success: distinct}, "success"},
		"129 others":             {kv.Txn{Failure: distinct}, "failure"},
		"129 compares":           {kv.Txn{Compare: make([]kv.Compare, 129)}, "compare"},
		"read twice":             {kv.Txn{Success: ops(get, put, get)}, ""},
		"written in both":        {kv.Txn{Success: ops(put), Failure: ops(put)}, ""},
		"written twice":          {kv.Txn{Success: ops(get, put, put)}, "success[2].key"},
		"put, then deleted":      {kv.Txn{Failure: ops(put, kv.Operation{Kind: kv.KindDelete, Key: "k"})}, "failure[1].key"},
		"a condition":            {kv.Txn{Success: ops(kv.Operation{Kind: kv.KindPut, Key: "k", If: kv.Condition{Absent: true}})}, "success[0]"},
		"a condition of a get":   {kv.Txn{Success: ops(kv.Operation{Kind: kv.KindGet, Key: "k", If: kv.Condition{Exists: true}})}, "success[0]"},
		"a restore":              {kv.Txn{Success: ops(kv.Operation{Kind: kv.KindRestore, Key: "k"})}, "success[0].op"},
		"no kind":                {kv.Txn{Success: ops(kv.Operation{Key: "k"})}, "success[0].op"},
		"a bad operation":        {kv.Txn{Failure: ops(get, kv.Operation{Kind: kv.KindPut, Key: "k", TTL: -1})}, "failure[1].ttl"},
		"a compare without key":  {kv.Txn{Compare: []kv.Compare{compare, {Target: kv.TargetVersion, Is: kv.RelationEqual}}}, "compare[1].key"},
		"no target":              {kv.Txn{Compare: []kv.Compare{{Key: "k", Is: kv.RelationEqual}}}, "compare[0].target"},
		"no relation":            {kv.Txn{Compare: []kv.Compare{{Key: "k", Target: kv.TargetValue}}}, "compare[0].is"},
		"an order of existences": {kv.Txn{Compare: []kv.Compare{{Key: "k", Target: kv.TargetExists, Is: kv.RelationGreater}}}, "compare[0].is"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			wantField(t, tt.txn.Check(), tt.field)
		})
	}
}
