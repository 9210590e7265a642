package server_test

import (
	"encoding/base64"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/services/api/server"
)

func TestABatchAnswersForEachOperationWhatTheSingleCallWould(t *testing.T) {
	t.Parallel()
	r := start(t)
	old := r.put("/v1/kv/ns/old", "1").version()
	long := strings.Repeat("k", 1025)
	body := `{"operations":[
		{"op":"put","key":"new","value":"aGk=","content_type":"text/plain","meta":{"a":"1"},"ttl":"1h"},
		{"op":"put","key":"old","value":"Mg==","if_version":` + old + `},
		{"op":"put","key":"old","value":"Mw==","if_version":` + old + `},
		{"op":"put","key":"old","value":"Mw==","if_absent":true},
		{"op":"get","key":"old"},
		{"op":"get","key":"absent"},
		{"op":"increment","key":"old","by":40},
		{"op":"increment","key":"new","by":1},
		{"op":"delete","key":"old"},
		{"op":"delete","key":"old"},
		{"op":"get","key":"/w==","key_encoding":"base64"},
		{"op":"put","key":"/w==","key_encoding":"base64","value":""},
		{"op":"get","key":"/w==","key_encoding":"base64"},
		{"op":"get","key":""},
		{"op":"get","key":"` + long + `"},
		{"op":"put","key":"k","value":"","ttl":"0s"},
		{"op":"put","key":"k","value":"","meta":{"A":"1"}},
		{"op":"restore","key":"k"},
		{"op":"put","key":"k"},
		{"op":"get","key":"k","if_version":1}
	]}`
	a := r.post("/v1/batch/ns", body, "Content-Type", "application/json; charset=utf-8").want(http.StatusOK, "*")
	var got outcomes
	a.json(&got)
	if want := "[201 200 412 412 200 404 200 409 204 404 404 201 200 400 400 400 400 400 400 400]"; got.statuses() != want {
		t.Fatalf("got the statuses %s\nwant             %s\n%s", got.statuses(), want, a.body)
	}
	for i, want := range map[int]string{2: "version_mismatch ", 3: "already_exists ", 5: "not_found ", 7: "conflict ", 9: "not_found ",
		13: "invalid_argument key", 14: "invalid_argument key", 15: "invalid_argument ttl", 16: "invalid_argument meta",
		17: "invalid_argument op", 18: "invalid_argument value", 19: "invalid_argument if_version"} {
		if p := got.Results[i].Problem; p.Code+" "+p.Field != want {
			t.Errorf("operation %d: got the problem %+v, want %s", i, p, want)
		}
	}
	if v := got.Results[4].Value; v != "Mg==" {
		t.Errorf("the get answers %q", v)
	}
	if v := got.Results[6].Value; v != base64.StdEncoding.EncodeToString([]byte("42")) {
		t.Errorf("the increment answers %q", v)
	}
	r.get("/v1/kv/ns/new").want(http.StatusOK, "hi").wantHeader("Content-Type", "text/plain", "Trivet-Meta-A", "1")
	r.get("/v1/kv/ns/%ff").want(http.StatusOK, "")
	r.post("/v1/batch/ns", `{"operations":[]}`).want(http.StatusOK, "{\"results\":[]}\n")
}

func TestABatchTakesAsManyOperationsAsItSays(t *testing.T) {
	t.Parallel()
	r := start(t)
	var body strings.Builder
	body.WriteString(`{"operations":[`)
	for i := range 1000 {
		if i > 0 {
			body.WriteByte(',')
		}
		fmt.Fprintf(&body, `{"op":"put","key":"k%d","value":""}`, i)
	}
	body.WriteString(`]}`)
	var got outcomes
	r.post("/v1/batch/ns", body.String()).want(http.StatusOK, "*").json(&got)
	if len(got.Results) != 1000 || got.Results[999].Status != 201 {
		t.Errorf("got %d results", len(got.Results))
	}
}

func TestABatchRunsInTheOrderGiven(t *testing.T) {
	t.Parallel()
	r := start(t)
	body := `{"operations":[
		{"op":"get","key":"n"},{"op":"increment","key":"n","by":1},{"op":"get","key":"n"},
		{"op":"increment","key":"n","by":1},{"op":"put","key":"m","value":""},{"op":"get","key":"n"},{"op":"delete","key":"n"},{"op":"get","key":"n"}]}`
	for _, key := range [][]string{nil, {"Idempotency-Key", "k"}} {
		var got outcomes
		a := r.post("/v1/batch/ns", body, key...).want(http.StatusOK, "*")
		a.json(&got)
		values := ""
		for _, result := range got.Results {
			values += result.Value + " "
		}
		if values != " MQ== MQ== Mg==  Mg==   " || !strings.HasPrefix(got.statuses(), "[404 200 200 200 20") {
			t.Errorf("got %s", a.body)
		}
	}
	// Each part that writes has its own records: a repetition writes nothing.
	again := r.post("/v1/batch/ns", body, "Idempotency-Key", "k").want(http.StatusOK, "*").wantHeader("Idempotency-Replayed", "true")
	var got outcomes
	again.json(&got)
	if want := "[404 200 404 200 200 404 204 404]"; got.statuses() != want {
		t.Errorf("got %s, want %s", got.statuses(), want)
	}
	r.post("/v1/batch/ns", `{"operations":[{"op":"get","key":"n"}]}`, "Idempotency-Key", "k").want(http.StatusUnprocessableEntity, "*")
}

func TestTheValuesOfOneAnswerAreBounded(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) { o.MaxResultBytes = 100 })
	r.put("/v1/kv/ns/k", strings.Repeat("v", 60))
	gets := `[{"op":"get","key":"k"},{"op":"get","key":"k"},{"op":"put","key":"other","value":""}]`
	for path, body := range map[string]string{"/v1/batch/ns": `{"operations":` + gets + `}`, "/v1/txn/ns": `{"success":` + gets + `}`} {
		var got outcomes
		a := r.post(path, body).want(http.StatusOK, "*")
		a.json(&got)
		if !strings.HasPrefix(got.statuses(), "[200 413 20") || got.Results[1].Problem.Code != "too_large" {
			t.Errorf("%s answers %s", path, a.body)
		}
	}
}

func TestATransactionIsAllOrNothing(t *testing.T) {
	t.Parallel()
	r := start(t)
	run := func(body string, succeeded bool, statuses string) outcomes {
		t.Helper()
		var got outcomes
		a := r.post("/v1/txn/ns", body).want(http.StatusOK, "*")
		a.json(&got)
		if got.Succeeded != succeeded || got.statuses() != statuses {
			t.Errorf("got %s, want %v %s", a.body, succeeded, statuses)
		}
		return got
	}
	run(`{}`, true, "[]")
	run(`{"compare":[{"key":"a","target":"version","is":"eq","version":0},{"key":"a","target":"exists","is":"eq","exists":false},{"key":"a","target":"value","is":"ne","value":""}],
		"success":[{"op":"put","key":"a","value":"MQ=="},{"op":"put","key":"b","value":"Mg=="},{"op":"get","key":"a"}]}`, true, "[201 201 200]")
	run(`{"compare":[{"key":"a","target":"value","is":"gt","value":"MQ=="}],"success":[{"op":"delete","key":"a"}],"failure":[{"op":"get","key":"b"}]}`, false, "[200]")
	run(`{"compare":[{"key":"a","target":"version","is":"eq","version":0}],"success":[{"op":"delete","key":"a"}]}`, false, "[]")
	a := r.post("/v1/txn/ns", `{"success":[{"op":"put","key":"a","value":""},{"op":"increment","key":"a","by":1}]}`)
	if a.status != http.StatusBadRequest { // a key written twice
		t.Errorf("got %d %s", a.status, a.body)
	}
	r.put("/v1/kv/ns/text", "x")
	if a := r.post("/v1/txn/ns", `{"success":[{"op":"put","key":"a","value":""},{"op":"increment","key":"text","by":1}]}`); a.status != http.StatusConflict {
		t.Errorf("got %d %s", a.status, a.body)
	}
	r.get("/v1/kv/ns/a").want(http.StatusOK, "1")
	got := run(`{"success":[{"op":"increment","key":"a","by":1},{"op":"get","key":"a"},{"op":"delete","key":"b"},{"op":"get","key":"text"}]}`, true, "[200 200 204 200]")
	if got.Results[1].Value != "Mg==" {
		t.Errorf("a get does not see the operation before it: %+v", got)
	}
}
