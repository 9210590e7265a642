package server_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func TestEveryWriteAnswersTheNewEntityTag(t *testing.T) {
	t.Parallel()
	r := start(t)
	first := r.put("/v1/kv/ns/k", "1").want(http.StatusCreated, "").version()
	second := r.put("/v1/kv/ns/k", "2").want(http.StatusOK, "").version()
	third := r.post("/v1/kv/ns/k/increment", `{"by":3}`).want(http.StatusOK, "*").version()
	fourth := r.delete("/v1/kv/ns/k").want(http.StatusNoContent, "").version()
	fifth := r.post("/v1/history/ns/k/restore", `{"version":`+first+`}`).want(http.StatusCreated, "").version()
	sixth := r.post("/v1/history/ns/k/restore", `{"version":`+second+`}`).want(http.StatusOK, "").version()
	versions := []string{first, second, third, fourth, fifth, sixth}
	for i := 1; i < len(versions); i++ {
		if versions[i] <= versions[i-1] {
			t.Errorf("version %d is %s, behind %s", i, versions[i], versions[i-1])
		}
	}
	r.get("/v1/kv/ns/k").want(http.StatusOK, "2").wantHeader("ETag", `"`+sixth+`"`)
	r.delete("/v1/kv/ns/absent").wantProblem(404, kv.CodeNotFound, "", "the key does not exist")
}

func TestWritesAreConditional(t *testing.T) {
	t.Parallel()
	r := start(t)
	mismatch := func(a answer) {
		t.Helper()
		a.wantProblem(412, kv.CodeVersionMismatch, "", "the key's version is another one")
	}
	exists := func(a answer) {
		t.Helper()
		a.wantProblem(412, kv.CodeAlreadyExists, "", "the key exists")
	}
	path := "/v1/kv/ns/k"
	mismatch(r.put(path, "v", "If-Match", "*"))
	mismatch(r.put(path, "v", "If-Match", `"0"`)) // 0 is no entity tag of an absent key
	mismatch(r.delete(path, "If-Match", `"7"`))
	mismatch(r.post(path+"/increment", `{"by":1}`, "If-Match", `"7"`))
	v1 := r.put(path, "1", "If-None-Match", "*").want(http.StatusCreated, "").version()
	exists(r.put(path, "v", "If-None-Match", "*"))
	exists(r.post(path+"/increment", `{"by":1}`, "If-None-Match", "*"))
	exists(r.post("/v1/history/ns/k/restore", `{"version":`+v1+`}`, "If-None-Match", "*"))
	exists(r.put(path, "v", "If-Match", "*", "If-None-Match", "*"))
	mismatch(r.put(path, "v", "If-Match", `"`+v1+`0"`))
	mismatch(r.put(path, "v", "If-Match", `W/"`+v1+`"`))
	mismatch(r.put(path, "v", "If-Match", `"0`+v1+`"`))
	mismatch(r.put(path, "v", "If-Match", `"abc", "", "`+v1+`,"`))
	v2 := r.put(path, "2", "If-Match", `"abc", W/"1" ,, "`+v1+`"`).want(http.StatusOK, "").version()
	v3 := r.put(path, "3", "If-Match", `"1"`, "If-Match", `"`+v2+`"`).want(http.StatusOK, "").version()
	mismatch(r.post("/v1/history/ns/k/restore", `{"version":`+v1+`}`, "If-Match", `"`+v2+`"`))
	v4 := r.post("/v1/history/ns/k/restore", `{"version":`+v1+`}`, "If-Match", `"`+v3+`"`).want(http.StatusOK, "").version()
	mismatch(r.post(path+"/increment", `{"by":1}`, "If-Match", `"`+v3+`"`))
	v5 := r.post(path+"/increment", `{"by":1}`, "If-Match", `"`+v4+`"`).want(http.StatusOK, "*").version()
	mismatch(r.delete(path, "If-Match", `"`+v4+`"`))
	r.delete(path, "If-Match", `"`+v5+`"`).want(http.StatusNoContent, "")
	mismatch(r.put(path, "v", "If-Match", `"`+v5+`"`))
}

func TestTheConditionsOfAReadFollowHTTP(t *testing.T) {
	t.Parallel()
	r := start(t)
	path := "/v1/kv/ns/k"
	tag := r.put(path, "0123456789").header.Get("ETag")
	for _, c := range []struct {
		name   string
		header []string
		status int
		body   string
		ranges string
	}{
		{"no condition", nil, 200, "0123456789", ""},
		{"if-none-match", []string{"If-None-Match", tag}, 304, "", ""},
		{"if-none-match compares weakly", []string{"If-None-Match", "W/" + tag}, 304, "", ""},
		{"if-none-match in a list", []string{"If-None-Match", `"1", ` + tag}, 304, "", ""},
		{"if-none-match in two headers", []string{"If-None-Match", `"1"`, "If-None-Match", tag}, 304, "", ""},
		{"if-none-match any", []string{"If-None-Match", "*"}, 304, "", ""},
		{"if-none-match another", []string{"If-None-Match", `"1"`}, 200, "0123456789", ""},
		{"if-none-match of another form", []string{"If-None-Match", `"x` + tag[1:]}, 200, "0123456789", ""},
		{"if-match", []string{"If-Match", tag}, 200, "0123456789", ""},
		{"if-match any", []string{"If-Match", "*"}, 200, "0123456789", ""},
		{"if-match and none-match", []string{"If-Match", tag, "If-None-Match", tag}, 304, "", ""},
		{"range", []string{"Range", "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{"open range", []string{"Range", "bytes=7-"}, 206, "789", "bytes 7-9/10"},
		{"range beyond the end", []string{"Range", "bytes=7-99999999999999999999999"}, 206, "789", "bytes 7-9/10"},
		{"suffix", []string{"Range", "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{"long suffix", []string{"Range", "bytes=-300"}, 206, "0123456789", "bytes 0-9/10"},
		{"unit in capitals", []string{"Range", "BYTES=0-0"}, 206, "0", "bytes 0-0/10"},
		{"several ranges", []string{"Range", "bytes=0-1,3-4"}, 200, "0123456789", ""},
		{"two range headers", []string{"Range", "bytes=0-1", "Range", "bytes=0-1"}, 200, "0123456789", ""},
		{"another unit", []string{"Range", "lines=0-1"}, 200, "0123456789", ""},
		{"backward range", []string{"Range", "bytes=4-2"}, 200, "0123456789", ""},
		{"malformed range", []string{"Range", "bytes=a-b"}, 200, "0123456789", ""},
		{"signed range", []string{"Range", "bytes=+1-2"}, 200, "0123456789", ""},
		{"no range", []string{"Range", "bytes"}, 200, "0123456789", ""},
		{"empty range", []string{"Range", "bytes=-"}, 200, "0123456789", ""},
		{"if-range", []string{"Range", "bytes=0-0", "If-Range", tag}, 206, "0", "bytes 0-0/10"},
		{"if-range of another", []string{"Range", "bytes=0-0", "If-Range", `"1"`}, 200, "0123456789", ""},
		{"if-range is strong", []string{"Range", "bytes=0-0", "If-Range", "W/" + tag}, 200, "0123456789", ""},
		{"if-range with a date", []string{"Range", "bytes=0-0", "If-Range", "Fri, 01 Jan 2100 00:00:00 GMT"}, 200, "0123456789", ""},
		{"none-match goes before range", []string{"Range", "bytes=0-0", "If-None-Match", tag}, 304, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.get(path, c.header...).want(c.status, c.body).wantHeader("Content-Range", c.ranges, "ETag", tag)
			if a.header.Get("Trivet-Position") == "" || a.header.Get("Trivet-Source") == "" {
				t.Errorf("got the headers %v", a.header)
			}
		})
	}
	r.get(path, "If-Match", `"1"`).wantProblem(412, kv.CodeVersionMismatch, "", "the key's version is another one")
	r.get(path, "If-Match", "W/"+tag).wantProblem(412, kv.CodeVersionMismatch, "", "the key's version is another one")
	r.get("/v1/kv/ns/absent", "If-Match", "*").wantProblem(404, kv.CodeNotFound, "", "the key does not exist")
	for _, ranges := range []string{"bytes=10-", "bytes=10-20", "bytes=-0", "bytes=99999999999999999999-"} {
		r.get(path, "Range", ranges).wantHeader("Content-Range", "bytes */10").
			wantProblem(416, kv.CodeRangeNotSatisfiable, "Range", "the value has 10 bytes; the range begins behind them")
	}
	r.put("/v1/kv/ns/empty", "")
	r.get("/v1/kv/ns/empty", "Range", "bytes=-5").
		wantProblem(416, kv.CodeRangeNotSatisfiable, "Range", "the value has 0 bytes; the range begins behind them")
	r.get("/v1/kv/ns/empty").want(http.StatusOK, "").wantHeader("Content-Length", "0")
	r.do(http.MethodHead, path, headers("Range", "bytes=0-0"), "").want(http.StatusOK, "").wantHeader("Content-Length", "10")
}

func TestIncrementsAreAtomicAndKeepWhatTheEntryHas(t *testing.T) {
	t.Parallel()
	r := start(t)
	a := r.post("/v1/kv/ns/n/increment", `{"by":-5}`).want(http.StatusOK, "*")
	var got wire.IncrementResult
	a.json(&got)
	if got.Value != -5 || fmt.Sprint(got.Version) != a.version() {
		t.Errorf("got %s", a.body)
	}
	r.put("/v1/kv/ns/n", "9223372036854775806", "Trivet-TTL", "1h", "Trivet-Meta-Unit", "kg")
	r.post("/v1/kv/ns/n/increment", `{"by":1}`).want(http.StatusOK, "*")
	after := r.get("/v1/kv/ns/n").want(http.StatusOK, "9223372036854775807").wantHeader("Trivet-Meta-Unit", "kg")
	if after.header.Get("Trivet-Expires-At") == "" {
		t.Error("the increment took the time to live away")
	}
	if a := r.post("/v1/kv/ns/n/increment", `{"by":1}`); a.status != http.StatusConflict {
		t.Errorf("an overflow answers %d %s", a.status, a.body)
	}
	r.put("/v1/kv/ns/text", "abc")
	if a := r.post("/v1/kv/ns/text/increment", `{"by":1}`); a.status != http.StatusConflict {
		t.Errorf("text answers %d %s", a.status, a.body)
	}
}

func TestATimeToLiveEndsAnEntry(t *testing.T) {
	t.Parallel()
	r := start(t)
	put := r.put("/v1/kv/ns/k", "v", "Trivet-TTL", "20ms").want(http.StatusCreated, "")
	expires, err := time.Parse(wire.TimeFormat, put.header.Get("Trivet-Expires-At"))
	if err != nil || time.Until(expires) > 21*time.Millisecond {
		t.Errorf("it expires at %v, %v", expires, err)
	}
	eventually(t, func() bool { return r.get("/v1/kv/ns/k").status == http.StatusNotFound })
	r.put("/v1/kv/ns/k", "v", "If-None-Match", "*").want(http.StatusCreated, "")
}

func TestANamespaceHasADefaultTimeToLive(t *testing.T) {
	t.Parallel()
	r := start(t)
	r.do(http.MethodPut, "/v1/namespaces/ns", nil, `{"default_ttl":"1h"}`).want(http.StatusOK, "*")
	if r.put("/v1/kv/ns/k", "v").header.Get("Trivet-Expires-At") == "" {
		t.Error("the entry has no time to live")
	}
}

// eventually waits for a condition that has to come true.
func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); ; {
		if condition() {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("it never came true")
		}
		time.Sleep(time.Millisecond)
	}
}
