package transfer

import (
	"bytes"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
)

func FuzzCSVReadsWhatItHasWritten(f *testing.F) {
	f.Add("fruit/apple", []byte("three"), "text/plain", "owner", "me")
	f.Add("\xff\x00", []byte("a,\"b\"\r\nc"), "", "", "")
	f.Add("\ufeffkey", []byte{}, "a/b; c=\"d\"", "a", "=1+1")
	f.Fuzz(func(t *testing.T, key string, value []byte, contentType, name, text string) {
		want := kv.Entry{Key: key, Value: value, ContentType: contentType, Meta: map[string]string{name: text}}
		if kv.CheckKey(key) != nil || (kv.Operation{Kind: kv.KindPut, Key: key, Value: value, ContentType: contentType, Meta: want.Meta}).Check() != nil {
			return // no store has it
		}
		var written bytes.Buffer
		if err := (csvWriter{&written}).entry(want); err != nil {
			t.Fatal(err)
		}
		header := &csvReader{columns}
		got, err := header.decode(written.Bytes())
		if err != nil {
			t.Fatalf("%v: %q", err, written.Bytes())
		}
		if got.Key != key || !bytes.Equal(got.Value, value) || got.ContentType != contentType || got.Meta[name] != text {
			t.Fatalf("got %+v of %q, want %+v", got, written.Bytes(), want)
		}
	})
}

func FuzzCSVRefusesWithAField(f *testing.F) {
	f.Add([]byte("key,value"), []byte("a,b"))
	f.Add([]byte("\ufeffvalue,key,value_encoding,expires_at,meta"), []byte("aGk=,k,base64,2026-01-02T15:04:05Z,\"{\"\"a\"\":\"\"1\"\"}\""))
	f.Fuzz(func(t *testing.T, header, row []byte) {
		r, err := newCSVReader(header)
		if err == nil {
			_, err = r.decode(row)
		}
		if e := kv.AsError(err); err != nil && e.Code != kv.CodeInvalidArgument {
			t.Fatalf("refused with %+v", e)
		}
	})
}
