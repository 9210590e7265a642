package kv_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/trivetkv/trivet/pkg/kv"
)

// wantField holds that an error is invalid_argument and names a field.
func wantField(t *testing.T, err error, field string) {
	t.Helper()
	e := kv.AsError(err)
	if field == "" {
		if e != nil {
			t.Errorf("refused: %v", e)
		}
		return
	}
	if e == nil || e.Code != kv.CodeInvalidArgument || e.Field != field {
		t.Errorf("error %+v, want invalid_argument of %q", e, field)
	}
}

func TestKeysHave1To1024Bytes(t *testing.T) {
	t.Parallel()
	for key, field := range map[string]string{
		"":                        "key",
		"\x00":                    "",
		"\xff/../%":               "",
		strings.Repeat("k", 1024): "",
		strings.Repeat("k", 1025): "key",
		strings.Repeat("é", 513):  "key", // 1026 bytes
	} {
		wantField(t, kv.CheckKey(key), field)
	}
}

func TestPrefixesHaveNoMoreBytesThanKeys(t *testing.T) {
	t.Parallel()
	wantField(t, kv.CheckPrefix("prefix", ""), "")
	wantField(t, kv.CheckPrefix("prefix", strings.Repeat("p", 1024)), "")
	wantField(t, kv.CheckPrefix("delimiter", strings.Repeat("p", 1025)), "delimiter")
}

func TestNamespacesAreDNSLabels(t *testing.T) {
	t.Parallel()
	for name, ok := range map[string]bool{
		"a": true, "0": true, "a-b": true, "a--b": true, "9z": true, strings.Repeat("n", 63): true,
		"": false, "-a": false, "a-": false, "-": false, "A": false, "a_b": false, "_tokens": false, "a.b": false,
		"a/b": false, "é": false, "a\n": false, "a b": false, strings.Repeat("n", 64): false,
	} {
		field := "namespace"
		if ok {
			field = ""
		}
		wantField(t, kv.CheckNamespace(name), field)
	}
}

func TestKeysTravelInJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ key, text, encoding string }{
		{"plain", "plain", ""},
		{"dir/é\x00", "dir/é\x00", ""},
		{"\xff", "/w==", kv.KeyEncodingBase64},
		{"a\xc3\x28", "YcMo", kv.KeyEncodingBase64},
	} {
		if text, encoding := kv.EncodeKey(tt.key); text != tt.text || encoding != tt.encoding {
			t.Errorf("%q travels as %q %q", tt.key, text, encoding)
		}
		if key, err := kv.DecodeKey(tt.text, tt.encoding); err != nil || key != tt.key {
			t.Errorf("%q %q is read as %q, %v", tt.text, tt.encoding, key, err)
		}
	}
	_, err := kv.DecodeKey("not base64!", kv.KeyEncodingBase64)
	wantField(t, err, "key")
	_, err = kv.DecodeKey("6b", "hex")
	wantField(t, err, "key_encoding")
}

func TestPrefixEndIsTheFirstKeyAboveAPrefix(t *testing.T) {
	t.Parallel()
	for prefix, want := range map[string]string{
		"a": "b", "ab": "ac", "a\xff": "b", "a\xff\xff": "b", "\x00": "\x01", "a\x00": "a\x01", "\xfe\xff": "\xff",
	} {
		if end, ok := kv.PrefixEnd(prefix); !ok || end != want {
			t.Errorf("the end of %q is %q, %v; want %q", prefix, end, ok, want)
		}
	}
	for _, prefix := range []string{"", "\xff", "\xff\xff"} {
		if end, ok := kv.PrefixEnd(prefix); ok {
			t.Errorf("the end of %q is %q", prefix, end)
		}
	}
}

func FuzzDecodeKey(f *testing.F) {
	for _, seed := range []struct{ text, encoding string }{
		{"key", ""}, {"/w==", "base64"}, {"YcMo", "base64"}, {"", "base64"}, {"=", "base64"}, {"\xff", ""}, {"6b", "hex"}, {"Yc\nMo", "base64"},
	} {
		f.Add(seed.text, seed.encoding)
	}
	f.Fuzz(func(t *testing.T, text, encoding string) {
		key, err := kv.DecodeKey(text, encoding)
		if err != nil {
			if e := kv.AsError(err); e.Code != kv.CodeInvalidArgument || e.Field == "" {
				t.Fatalf("refused with %+v", e)
			}
			return
		}
		again, encoding := kv.EncodeKey(key)
		if !utf8.ValidString(again) {
			t.Fatalf("%q travels as %q", key, again)
		}
		if back, err := kv.DecodeKey(again, encoding); err != nil || back != key {
			t.Fatalf("%q came back as %q, %v", key, back, err)
		}
	})
}

func FuzzPrefixEnd(f *testing.F) {
	f.Add("a", "ab")
	f.Add("\xff", "\xff\xff")
	f.Add("a\xff", "b")
	f.Fuzz(func(t *testing.T, prefix, key string) {
		end, ok := kv.PrefixEnd(prefix)
		if has := strings.HasPrefix(key, prefix); has != (key >= prefix && (!ok || key < end)) {
			t.Fatalf("%q has the prefix %q: %v, but the range ends at %q, %v", key, prefix, has, end, ok)
		}
	})
}
