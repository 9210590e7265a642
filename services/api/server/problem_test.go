package server_test

import (
	"bufio"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server"
)

// What several rows of the table say.
const (
	notATag       = `the header has to be * or a list of entity tags such as "1718"`
	notANamespace = "the namespace has to be 1 to 63 lower-case letters, digits and inner hyphens"
	notATTL       = "the time to live has to be from 1ms to 87600h, such as 90s"
	notADuration  = "the time to live has to be a duration such as 90s or 1h30m"
	notALimit     = "the limit has to be a number from 1 to 1000"
	notAVersion   = "a version is a number from 1 to 9007199254740991, as an ETag has it between its quotes"
	notAPosition  = "a position is a number, as a list, Trivet-Position or an event's id gave it"
	notACursor    = "the cursor is not one that a list answered"
	notAKind      = "unknown operation; it has to be put, get, delete or increment"
	emptyKey      = "the key is empty; it has to have 1 to 1024 bytes"
	longKey       = "the key has 1025 bytes; it has to have 1 to 1024"
	onlyTags      = "writes are guarded by entity tags; use If-Match or If-None-Match"
	unknownQuery  = "unknown query parameter"
	unknownField  = "unknown field"
	noCondition   = "operations of a transaction carry no conditions; use compare"
	notAnID       = "an operation id has 26 characters, as a Location header gave it"
	idemKeyRule   = "the key has to be 1 to 255 printable ASCII characters"
	notJSON       = "the body has to be JSON: Content-Type: application/json"
	notANumber    = "the value is not a decimal number of 64 bits, so that it cannot be incremented"
	notBase64     = "the value has to be standard base64 with padding"
)

func TestEveryRefusalIsAnExactProblem(t *testing.T) {
	t.Parallel()
	r := start(t, func(o *server.Options) {
		o.MaxValueBytes = 1 << 10
		o.MaxJSONBytes = 16 << 10
	})
	r.put("/v1/kv/ns/k", "v")
	long := strings.Repeat("k", 1025)
	many := func(n int, element string) string { return strings.TrimSuffix(strings.Repeat(element+",", n), ",") }

	type row struct {
		name   string
		method string
		target string
		header header
		body   string
		status int
		code   kv.Code
		field  string
		detail string
	}
	const (
		get, put, del, post = http.MethodGet, http.MethodPut, http.MethodDelete, http.MethodPost
		bad                 = kv.CodeInvalidArgument
		key                 = "/v1/kv/ns/k"
	)
	for _, c := range []row{
		// Paths.
		{"unknown path", get, "/v2/kv", nil, "", 404, kv.CodeNotFound, "", "there is no such path in this API"},
		{"root", get, "/", nil, "", 404, kv.CodeNotFound, "", "there is no such path in this API"},
		{"no namespace", get, "/v1/kv/", nil, "", 404, kv.CodeNotFound, "", "there is no such path in this API"},
		{"empty namespace", get, "/v1/kv//k", nil, "", 400, bad, "namespace", notANamespace},
		{"capital namespace", get, "/v1/kv/NS/k", nil, "", 400, bad, "namespace", notANamespace},
		{"reserved namespace", get, "/v1/kv/_tokens/k", nil, "", 400, bad, "namespace", notANamespace},
		{"namespace with a slash", get, "/v1/kv/a%2Fb/k", nil, "", 400, bad, "namespace", notANamespace},
		{"namespace with a hyphen at the end", put, "/v1/kv/ns-/k", nil, "v", 400, bad, "namespace", notANamespace},
		{"long namespace", get, "/v1/kv/" + strings.Repeat("n", 64), nil, "", 400, bad, "namespace", notANamespace},
		{"namespace of a batch", post, "/v1/batch/NS", nil, "{}", 400, bad, "namespace", notANamespace},
		{"namespace of a txn", post, "/v1/txn/NS", nil, "{}", 400, bad, "namespace", notANamespace},
		{"namespace of a watch", get, "/v1/watch/NS", nil, "", 400, bad, "namespace", notANamespace},
		{"namespace of a history", get, "/v1/history/NS/k", nil, "", 400, bad, "namespace", notANamespace},
		{"namespace's settings", get, "/v1/namespaces/NS", nil, "", 400, bad, "namespace", notANamespace},
		{"empty key", get, "/v1/kv/ns/", nil, "", 400, bad, "key", emptyKey},
		{"empty key to write", put, "/v1/kv/ns/", nil, "v", 400, bad, "key", emptyKey},
		{"empty key to increment", post, "/v1/kv/ns//increment", nil, `{"by":1}`, 400, bad, "key", emptyKey},
		{"empty key in base64", get, "/v1/kv/ns/?key_encoding=base64", nil, "", 400, bad, "key", emptyKey},
		{"long key", put, "/v1/kv/ns/" + long, nil, "v", 400, bad, "key", longKey},
		{"long key with a history", get, "/v1/history/ns/" + long, nil, "", 400, bad, "key", longKey},
		{"key that is not base64", get, "/v1/kv/ns/a%2Bb?key_encoding=base64", nil, "", 400, bad, "key", "the key is not base64url, as key_encoding says"},
		{"key with stray bits", get, "/v1/kv/ns/YR?key_encoding=base64", nil, "", 400, bad, "key", "the key is not base64url, as key_encoding says"},
		{"unknown key encoding", get, key + "?key_encoding=hex", nil, "", 400, bad, "key_encoding", `unknown key_encoding; it has to be "base64" or absent`},
		{"no such operation", get, "/v1/operations/x", nil, "", 400, bad, "id", notAnID},

		// Methods.
		{"post without an action", post, key, nil, "", 405, kv.CodeMethodNotAllowed, "", "this path takes GET, HEAD, PUT, DELETE"},
		{"post of a key called increment", post, "/v1/kv/ns/increment", nil, "", 405, kv.CodeMethodNotAllowed, "", "this path takes GET, HEAD, PUT, DELETE"},
		{"post of an escaped action", post, key + "%2Fincrement", nil, "", 405, kv.CodeMethodNotAllowed, "", "this path takes GET, HEAD, PUT, DELETE"},
		{"patch", http.MethodPatch, key, nil, "", 405, kv.CodeMethodNotAllowed, "", "this path takes GET, HEAD, PUT, DELETE"},
		{"patch of an action", http.MethodPatch, key + "/increment", nil, "", 405, kv.CodeMethodNotAllowed, "", "this path takes GET, HEAD, PUT, DELETE, POST"},
		{"delete of a list", del, "/v1/kv/ns", nil, "", 405, kv.CodeMethodNotAllowed, "", "this path takes GET"},
		{"get of a batch", get, "/v1/batch/ns", nil, "", 405, kv.CodeMethodNotAllowed, "", "this path takes POST"},
		{"made-up method", "BREW", "/health", nil, "", 405, kv.CodeMethodNotAllowed, "", "this path takes GET"},

		// Queries.
		{"unknown parameter", get, key + "?what=ever", nil, "", 400, bad, "what", unknownQuery},
		{"unknown parameter of a write", put, key + "?ttl=1s", nil, "v", 400, bad, "ttl", unknownQuery},
		{"unknown parameter of health", get, "/health?verbose", nil, "", 400, bad, "verbose", unknownQuery},
		{"long unknown parameter", get, key + "?" + long, nil, "", 400, bad, strings.Repeat("k", 64) + "…", unknownQuery},
		{"parameter given twice", get, "/v1/kv/ns?limit=1&limit=1", nil, "", 400, bad, "limit", "the query parameter is given twice"},
		{"parameter that is not encoded", get, "/v1/kv/ns?prefix=%zz", nil, "", 400, bad, "prefix", "the query parameter is not percent-encoded as a query has to be"},
		{"parameter's name that is not encoded", get, "/v1/kv/ns?%zz=1", nil, "", 400, bad, "query", "a parameter's name is not percent-encoded as a query has to be"},
		{"limit 0", get, "/v1/kv/ns?limit=0", nil, "", 400, bad, "limit", notALimit},
		{"limit 1001", get, "/v1/kv/ns?limit=1001", nil, "", 400, bad, "limit", notALimit},
		{"limit below 0", get, "/v1/kv/ns?limit=-1", nil, "", 400, bad, "limit", notALimit},
		{"huge limit", get, "/v1/kv/ns?limit=99999999999999999999", nil, "", 400, bad, "limit", notALimit},
		{"limit in words", get, "/v1/kv/ns?limit=ten", nil, "", 400, bad, "limit", notALimit},
		{"no limit", get, "/v1/kv/ns?limit=", nil, "", 400, bad, "limit", notALimit},
		{"limit of a history", get, "/v1/history/ns/k?limit=0", nil, "", 400, bad, "limit", notALimit},
		{"limit of namespaces", get, "/v1/namespaces?limit=0", nil, "", 400, bad, "limit", notALimit},
		{"values that is no boolean", get, "/v1/kv/ns?values=yes", nil, "", 400, bad, "values", "the query parameter has to be true or false"},
		{"long prefix", get, "/v1/kv/ns?prefix=" + long, nil, "", 400, bad, "prefix", "the prefix has 1025 bytes; it may have at most 1024"},
		{"long delimiter", get, "/v1/kv/ns?delimiter=" + long, nil, "", 400, bad, "delimiter", "the delimiter has 1025 bytes; it may have at most 1024"},
		{"cursor that is none", get, "/v1/kv/ns?cursor=x", nil, "", 400, bad, "cursor", notACursor},
		{"cursor of another format", get, "/v1/kv/ns?cursor=AgAAAAAAAAAAAA", nil, "", 400, bad, "cursor", notACursor},
		{"cursor of another list", get, "/v1/kv/ns?cursor=" + kv.ListQuery{Prefix: "p"}.CursorAt("pq"), nil, "", 400, bad, "cursor", "the cursor belongs to a list with another prefix or delimiter"},
		{"cursor of no history", get, "/v1/history/ns/k?cursor=-", nil, "", 400, bad, "cursor", "the cursor is not one that a history answered"},
		{"cursor of no namespaces", get, "/v1/namespaces?cursor=A", nil, "", 400, bad, "cursor", "the cursor is not one that a list of namespaces answered"},
		{"version 0", get, "/v1/history/ns/k?version=0", nil, "", 400, bad, "version", notAVersion},
		{"version in quotes", get, "/v1/history/ns/k?version=%221%22", nil, "", 400, bad, "version", notAVersion},
		{"version 2^53", get, "/v1/history/ns/k?version=9007199254740992", nil, "", 400, bad, "version", notAVersion},
		{"version with a limit", get, "/v1/history/ns/k?version=1&limit=1", nil, "", 400, bad, "limit", "the query parameter does not go with version"},
		{"since in words", get, "/v1/watch/ns?since=now", nil, "", 400, bad, "since", notAPosition},
		{"since below 0", get, "/v1/watch/ns?since=-1", nil, "", 400, bad, "since", notAPosition},
		{"long prefix of a watch", get, "/v1/watch/ns?prefix=" + long, nil, "", 400, bad, "prefix", "the prefix has 1025 bytes; it may have at most 1024"},
		{"values of a watch", get, "/v1/watch/ns?values=1", nil, "", 400, bad, "values", "the query parameter has to be true or false"},

		// Headers of reads.
		{"min version in words", get, key, headers("Trivet-Min-Version", "x"), "", 400, bad, "Trivet-Min-Version", notAVersion},
		{"min version 0", get, key, headers("Trivet-Min-Version", "0"), "", 400, bad, "Trivet-Min-Version", notAVersion},
		{"two min versions", get, key, headers("Trivet-Min-Version", "1", "Trivet-Min-Version", "2"), "", 400, bad, "Trivet-Min-Version", "the header is given 2 times; it may be there once"},
		{"max-age in words", get, key, headers("Cache-Control", "max-age=soon"), "", 400, bad, "Cache-Control", "max-age has to be a number of seconds, such as max-age=5"},
		{"max-age without a number", get, key, headers("Cache-Control", "max-age"), "", 400, bad, "Cache-Control", "max-age has to be a number of seconds, such as max-age=5"},
		{"if-match without quotes", get, key, headers("If-Match", "1"), "", 400, bad, "If-Match", notATag},
		{"if-none-match without an end", get, key, headers("If-None-Match", `"1`), "", 400, bad, "If-None-Match", notATag},
		{"empty if-none-match", get, key, headers("If-None-Match", ""), "", 400, bad, "If-None-Match", notATag},
		{"any among tags", get, key, headers("If-None-Match", `*, "1"`), "", 400, bad, "If-None-Match", notATag},
		{"tags without a comma", get, key, headers("If-None-Match", `"1" "2"`), "", 400, bad, "If-None-Match", notATag},
		{"small weak mark", get, key, headers("If-None-Match", `w/"1"`), "", 400, bad, "If-None-Match", notATag},
		{"space within a tag", get, key, headers("If-None-Match", `"1 2"`), "", 400, bad, "If-None-Match", notATag},
		{"last event id in words", get, "/v1/watch/ns", headers("Last-Event-ID", "x"), "", 400, bad, "Last-Event-ID", notAPosition},

		// Headers of writes.
		{"if-match of a put", put, key, headers("If-Match", "v1"), "v", 400, bad, "If-Match", notATag},
		{"if-match of a delete", del, key, headers("If-Match", ","), "", 400, bad, "If-Match", notATag},
		{"if-none-match with a tag", put, key, headers("If-None-Match", `"1"`), "v", 400, bad, "If-None-Match", "a write takes If-None-Match: * only"},
		{"if-unmodified-since", put, key, headers("If-Unmodified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"), "v", 400, bad, "If-Unmodified-Since", onlyTags},
		{"if-modified-since", del, key, headers("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"), "", 400, bad, "If-Modified-Since", onlyTags},
		{"ttl 0", put, key, headers("Trivet-TTL", "0"), "v", 400, bad, "Trivet-TTL", notATTL},
		{"ttl 0s", put, key, headers("Trivet-TTL", "0s"), "v", 400, bad, "Trivet-TTL", notATTL},
		{"ttl below 0", put, key, headers("Trivet-TTL", "-1s"), "v", 400, bad, "Trivet-TTL", notATTL},
		{"ttl too short", put, key, headers("Trivet-TTL", "999us"), "v", 400, bad, "Trivet-TTL", notATTL},
		{"ttl too long", put, key, headers("Trivet-TTL", "87600h1ns"), "v", 400, bad, "Trivet-TTL", notATTL},
		{"ttl without a unit", put, key, headers("Trivet-TTL", "90"), "v", 400, bad, "Trivet-TTL", notADuration},
		{"ttl in words", put, key, headers("Trivet-TTL", "soon"), "v", 400, bad, "Trivet-TTL", notADuration},
		{"empty ttl", put, key, headers("Trivet-TTL", ""), "v", 400, bad, "Trivet-TTL", notADuration},
		{"ttl that overflows", put, key, headers("Trivet-TTL", "99999999999h"), "v", 400, bad, "Trivet-TTL", notADuration},
		{"two ttls", put, key, headers("Trivet-TTL", "1s", "Trivet-TTL", "2s"), "v", 400, bad, "Trivet-TTL", "the header is given 2 times; it may be there once"},
		{"long content type", put, key, headers("Content-Type", "text/"+strings.Repeat("x", 251)), "v", 400, bad, "Content-Type", "the content type has to be at most 255 printable bytes"},
		{"content type that is not ASCII", put, key, headers("Content-Type", "text/é"), "v", 400, bad, "Content-Type", "the content type has to be at most 255 printable bytes"},
		{"two content types", put, key, headers("Content-Type", "a/b", "Content-Type", "a/b"), "v", 400, bad, "Content-Type", "the header is given 2 times; it may be there once"},
		{"metadata without a name", put, key, headers("Trivet-Meta-", "v"), "v", 400, bad, "Trivet-Meta-*", "metadata names have to be lower-case letters, digits and hyphens"},
		{"metadata with a dot", put, key, headers("Trivet-Meta-A.b", "v"), "v", 400, bad, "Trivet-Meta-*", "metadata names have to be lower-case letters, digits and hyphens"},
		{"metadata that is not ASCII", put, key, headers("Trivet-Meta-A", "é"), "v", 400, bad, "Trivet-Meta-*", `the metadata value of "a" has to be printable ASCII without surrounding spaces`},
		{"metadata given twice", put, key, headers("Trivet-Meta-A", "1", "Trivet-Meta-A", "2"), "v", 400, bad, "Trivet-Meta-A", "the header is given 2 times; it may be there once"},
		{"too much metadata", put, key, headers("Trivet-Meta-A", strings.Repeat("x", 8192)), "v", 400, bad, "Trivet-Meta-*", "the metadata has 8193 bytes; at most 8192 are kept"},
		{"too many metadata", put, key, manyMeta(65), "v", 400, bad, "Trivet-Meta-*", "there are 65 metadata pairs; at most 64 are kept"},
		{"encoded body", put, key, headers("Content-Encoding", "gzip"), "v", 415, kv.CodeUnsupportedMediaType, "Content-Encoding", "encoded bodies are not taken; send the bytes as they are"},
		{"empty idempotency key", put, key, headers("Idempotency-Key", ""), "v", 400, bad, "Idempotency-Key", idemKeyRule},
		{"long idempotency key", put, key, headers("Idempotency-Key", strings.Repeat("x", 256)), "v", 400, bad, "Idempotency-Key", idemKeyRule},
		{"idempotency key that is not ASCII", del, key, headers("Idempotency-Key", "é"), "", 400, bad, "Idempotency-Key", idemKeyRule},
		{"two idempotency keys", post, "/v1/batch/ns", headers("Idempotency-Key", "a", "Idempotency-Key", "b"), `{"operations":[]}`, 400, bad, "Idempotency-Key", "the header is given 2 times; it may be there once"},

		// Sizes.
		{"large value", put, key, nil, strings.Repeat("v", 1025), 413, kv.CodeTooLarge, "body", "the value is larger than 1 KiB"},
		{"large JSON", post, "/v1/txn/ns", nil, strings.Repeat(" ", 16<<10+1), 413, kv.CodeTooLarge, "body", "the body is larger than 16 KiB"},
		{"large increment", post, key + "/increment", nil, strings.Repeat(" ", 16<<10+1), 413, kv.CodeTooLarge, "body", "the body is larger than 16 KiB"},

		// Media types of JSON.
		{"plain text", post, "/v1/batch/ns", headers("Content-Type", "text/plain"), "{}", 415, kv.CodeUnsupportedMediaType, "Content-Type", notJSON},
		{"malformed media type", post, key + "/increment", headers("Content-Type", ";"), `{"by":1}`, 415, kv.CodeUnsupportedMediaType, "Content-Type", notJSON},
		{"text", put, "/v1/namespaces/ns", headers("Content-Type", "text/plain"), "{}", 415, kv.CodeUnsupportedMediaType, "Content-Type", notJSON},

		// JSON as such.
		{"no body", post, key + "/increment", nil, "", 400, bad, "body", "the body is empty; it has to be a JSON object"},
		{"spaces", post, key + "/increment", nil, " \n", 400, bad, "body", "the body is empty; it has to be a JSON object"},
		{"not JSON", post, key + "/increment", nil, "by=1", 400, bad, "body", "the JSON is malformed at byte 0: expected an object"},
		{"array", post, key + "/increment", nil, "[]", 400, bad, "body", "the value has to be an object, not an array"},
		{"null", post, key + "/increment", nil, "null", 400, bad, "body", "the value has to be an object, not null"},
		{"cut off", post, key + "/increment", nil, `{"by":1`, 400, bad, "body", "the JSON ends early: expected a comma or }"},
		{"cut off in a string", post, key + "/increment", nil, `{"b`, 400, bad, "body", "the JSON ends early: expected the end of a string"},
		{"trailing comma", post, key + "/increment", nil, `{"by":1,}`, 400, bad, "body", "the JSON is malformed at byte 8: expected a field name or }"},
		{"no colon", post, key + "/increment", nil, `{"by" 1}`, 400, bad, "body", "the JSON is malformed at byte 6: expected a colon behind a field name"},
		{"trailing data", post, key + "/increment", nil, `{"by":1} {}`, 400, bad, "body", "there is data behind the end of the JSON object, at byte 9"},
		{"control character", post, "/v1/batch/ns", nil, "{\"operations\":[{\"key\":\"a\nb\"}]}", 400, bad, "operations[0].key", "the JSON is malformed at byte 24: expected no control character in a string"},
		{"bad escape", post, "/v1/batch/ns", nil, `{"operations":[{"key":"\x"}]}`, 400, bad, "operations[0].key", "the JSON is malformed at byte 24: expected an escape"},
		{"bad unicode escape", post, "/v1/batch/ns", nil, `{"operations":[{"key":"\u12g4"}]}`, 400, bad, "operations[0].key", "the JSON is malformed at byte 24: expected an escape of four hexadecimal digits"},
		{"half a surrogate pair", post, "/v1/batch/ns", nil, `{"operations":[{"key":"\ud800x"}]}`, 400, bad, "operations[0].key", "the string has half of a surrogate pair"},
		{"not UTF-8", post, "/v1/batch/ns", nil, "{\"operations\":[{\"key\":\"\xff\"}]}", 400, bad, "operations[0].key", "the string is not UTF-8"},

		// Increment and restore.
		{"increment without by", post, key + "/increment", nil, "{}", 400, bad, "by", "the field is missing; it has to be an integer"},
		{"increment by text", post, key + "/increment", nil, `{"by":"1"}`, 400, bad, "by", "the value has to be an integer, not a string"},
		{"increment by a fraction", post, key + "/increment", nil, `{"by":1.5}`, 400, bad, "by", "the value has to be an integer"},
		{"increment by an exponent", post, key + "/increment", nil, `{"by":1e3}`, 400, bad, "by", "the value has to be an integer"},
		{"increment by 01", post, key + "/increment", nil, `{"by":01}`, 400, bad, "by", "the value has to be an integer"},
		{"increment by too much", post, key + "/increment", nil, `{"by":9223372036854775808}`, 400, bad, "by", "the value has to be an integer from -9223372036854775808 to 9223372036854775807"},
		{"increment by null", post, key + "/increment", nil, `{"by":null}`, 400, bad, "by", "the value has to be an integer, not null"},
		{"increment with an unknown field", post, key + "/increment", nil, `{"by":1,"to":2}`, 400, bad, "to", unknownField},
		{"field of another case", post, key + "/increment", nil, `{"By":1}`, 400, bad, "By", unknownField},
		{"field given twice", post, key + "/increment", nil, `{"by":1,"by":1}`, 400, bad, "by", "the field is given twice"},
		{"long unknown field", post, key + "/increment", nil, `{"` + long + `":1}`, 400, bad, strings.Repeat("k", 64) + "…", unknownField},
		{"increment of text", post, key + "/increment", nil, `{"by":1}`, 409, kv.CodeConflict, "", notANumber},
		{"restore without a version", post, "/v1/history/ns/k/restore", nil, "{}", 400, bad, "version", "the field is missing; it has to be the version to restore"},
		{"restore of version 0", post, "/v1/history/ns/k/restore", nil, `{"version":0}`, 400, bad, "version", "version 0 is an absent key, which cannot be restored"},
		{"restore of a version below 0", post, "/v1/history/ns/k/restore", nil, `{"version":-1}`, 400, bad, "version", "the value has to be an integer from 0 to 9007199254740991"},

		// Batches.
		{"batch without operations", post, "/v1/batch/ns", nil, "{}", 400, bad, "operations", "the field is missing; it has to be an array of operations"},
		{"batch of too many", post, "/v1/batch/ns", nil, `{"operations":[` + many(1001, "{}") + `]}`, 400, bad, "operations", "a batch may have at most 1000 operations"},
		{"batch that is no array", post, "/v1/batch/ns", nil, `{"operations":{}}`, 400, bad, "operations", "the value has to be an array, not an object"},
		{"batch of text", post, "/v1/batch/ns", nil, `{"operations":["put"]}`, 400, bad, "operations[0]", "the value has to be an object, not a string"},
		{"batch with an unknown field", post, "/v1/batch/ns", nil, `{"operations":[],"atomic":true}`, 400, bad, "atomic", unknownField},
		{"operation with an unknown field", post, "/v1/batch/ns", nil, `{"operations":[{"op":"get","key":"k"},{"op":"get","keys":"k"}]}`, 400, bad, "operations[1].keys", unknownField},
		{"operation with a number as key", post, "/v1/batch/ns", nil, `{"operations":[{"op":"get","key":7}]}`, 400, bad, "operations[0].key", "the value has to be a string, not a number"},
		{"value that is not base64", post, "/v1/batch/ns", nil, `{"operations":[{"op":"put","key":"k","value":"a b"}]}`, 400, bad, "operations[0].value", notBase64},
		{"value without padding", post, "/v1/batch/ns", nil, `{"operations":[{"op":"put","key":"k","value":"YQ"}]}`, 400, bad, "operations[0].value", notBase64},
		{"value that is null", post, "/v1/batch/ns", nil, `{"operations":[{"op":"put","key":"k","value":null}]}`, 400, bad, "operations[0].value", "the value has to be a string of base64, not null"},
		{"ttl that is a number", post, "/v1/batch/ns", nil, `{"operations":[{"op":"put","key":"k","ttl":90}]}`, 400, bad, "operations[0].ttl", "the value has to be a duration such as 90s or 1h30m, not a number"},
		{"ttl that is no duration", post, "/v1/batch/ns", nil, `{"operations":[{"op":"put","key":"k","ttl":"90"}]}`, 400, bad, "operations[0].ttl", "the value has to be a duration such as 90s or 1h30m"},
		{"metadata that is no text", post, "/v1/batch/ns", nil, `{"operations":[{"op":"put","key":"k","meta":{"a":1}}]}`, 400, bad, "operations[0].meta.a", "the value has to be a string, not a number"},
		{"condition that is text", post, "/v1/batch/ns", nil, `{"operations":[{"op":"put","key":"k","if_absent":"true"}]}`, 400, bad, "operations[0].if_absent", "the value has to be true or false, not a string"},
		{"version above 2^53", post, "/v1/batch/ns", nil, `{"operations":[{"op":"put","key":"k","if_version":9007199254740992}]}`, 400, bad, "operations[0].if_version", "the value has to be an integer from 0 to 9007199254740991"},
		{"key encoding of another kind", post, "/v1/batch/ns", nil, `{"operations":[{"op":"get","key":"k","key_encoding":"hex"}]}`, 400, bad, "operations[0].key_encoding", `unknown key_encoding; it has to be "base64" or absent`},

		// Transactions.
		{"txn with an unknown field", post, "/v1/txn/ns", nil, `{"then":[]}`, 400, bad, "then", unknownField},
		{"txn of too many compares", post, "/v1/txn/ns", nil, `{"compare":[` + many(129, "{}") + `]}`, 400, bad, "compare", "a transaction may have at most 128 compares"},
		{"txn of too many operations", post, "/v1/txn/ns", nil, `{"failure":[` + many(129, "{}") + `]}`, 400, bad, "failure", "a branch may have at most 128 operations"},
		{"compare without a target", post, "/v1/txn/ns", nil, `{"compare":[{"key":"k","is":"eq"}]}`, 400, bad, "compare[0].target", "the target has to be version, value or exists"},
		{"compare without a relation", post, "/v1/txn/ns", nil, `{"compare":[{"key":"k","target":"version","version":1}]}`, 400, bad, "compare[0].is", "the relation has to be eq, ne, gt or lt"},
		{"compare without an operand", post, "/v1/txn/ns", nil, `{"compare":[{"key":"k","target":"version","is":"eq"}]}`, 400, bad, "compare[0].version", "the field is missing; it is what the version is held against"},
		{"compare with another's operand", post, "/v1/txn/ns", nil, `{"compare":[{"key":"k","target":"version","is":"eq","version":1,"value":""}]}`, 400, bad, "compare[0].value", "the field does not belong to a compare of the version"},
		{"compare of existence by order", post, "/v1/txn/ns", nil, `{"compare":[{"key":"k","target":"exists","is":"gt","exists":true}]}`, 400, bad, "compare[0].is", "existence can be compared with eq and ne only"},
		{"compare of an empty key", post, "/v1/txn/ns", nil, `{"compare":[{"key":"","target":"exists","is":"eq","exists":true}]}`, 400, bad, "compare[0].key", emptyKey},
		{"unknown operation", post, "/v1/txn/ns", nil, `{"success":[{"op":"restore","key":"k"}]}`, 400, bad, "success[0].op", notAKind},
		{"missing operation", post, "/v1/txn/ns", nil, `{"success":[{"key":"k"}]}`, 400, bad, "success[0].op", "the field is missing; it has to be put, get, delete or increment"},
		{"put without a value", post, "/v1/txn/ns", nil, `{"success":[{"op":"put","key":"k"}]}`, 400, bad, "success[0].value", `the field is missing; the empty value is ""`},
		{"increment without by in a txn", post, "/v1/txn/ns", nil, `{"success":[{"op":"increment","key":"k"}]}`, 400, bad, "success[0].by", "the field is missing; it has to be an integer"},
		{"get with a value", post, "/v1/txn/ns", nil, `{"success":[{"op":"get","key":"k","value":""}]}`, 400, bad, "success[0].value", "the field does not belong to the operation get"},
		{"delete with a ttl", post, "/v1/txn/ns", nil, `{"success":[{"op":"delete","key":"k","ttl":"1s"}]}`, 400, bad, "success[0].ttl", "the field does not belong to the operation delete"},
		{"put with by", post, "/v1/txn/ns", nil, `{"success":[{"op":"put","key":"k","value":"","by":1}]}`, 400, bad, "success[0].by", "the field does not belong to the operation put"},
		{"condition in a txn", post, "/v1/txn/ns", nil, `{"success":[{"op":"put","key":"k","value":"","if_version":1}]}`, 400, bad, "success[0]", noCondition},
		{"condition in a txn that always holds", post, "/v1/txn/ns", nil, `{"failure":[{"op":"delete","key":"k","if_absent":false}]}`, 400, bad, "failure[0]", noCondition},
		{"key written twice", post, "/v1/txn/ns", nil, `{"success":[{"op":"put","key":"k","value":""},{"op":"delete","key":"k"}]}`, 400, bad, "success[1].key", "the key is written twice in one branch"},
		{"long key in a txn", post, "/v1/txn/ns", nil, `{"success":[{"op":"get","key":"` + long + `"}]}`, 400, bad, "success[0].key", longKey},
		{"ttl out of range in a txn", post, "/v1/txn/ns", nil, `{"success":[{"op":"put","key":"k","value":"","ttl":"0s"}]}`, 400, bad, "success[0].ttl", notATTL},
		{"key that is not base64 in a txn", post, "/v1/txn/ns", nil, `{"success":[{"op":"get","key":"*","key_encoding":"base64"}]}`, 400, bad, "success[0].key", "the key is not base64, as its key_encoding says"},
		{"large value in a txn", post, "/v1/txn/ns", nil, `{"success":[{"op":"put","key":"k","value":"` + strings.Repeat("AAAA", 342) + `"}]}`, 413, kv.CodeTooLarge, "success[0].value", "the value is larger than 1 KiB"},
		{"operation that fails in a txn", post, "/v1/txn/ns", nil, `{"success":[{"op":"put","key":"x","value":""},{"op":"increment","key":"k","by":1}]}`, 409, kv.CodeConflict, "success[1]", notANumber},

		// Namespaces.
		{"namespace of another name", put, "/v1/namespaces/ns", nil, `{"name":"other"}`, 400, bad, "name", "the name has to be that of the path"},
		{"namespace with an unknown field", put, "/v1/namespaces/ns", nil, `{"ttl":"1h"}`, 400, bad, "ttl", unknownField},
		{"default ttl out of range", put, "/v1/namespaces/ns", nil, `{"default_ttl":"1us"}`, 400, bad, "default_ttl", notATTL},
		{"default ttl that is none", put, "/v1/namespaces/ns", nil, `{"default_ttl":"day"}`, 400, bad, "default_ttl", "the value has to be a duration such as 90s or 1h30m"},
		{"retention out of range", put, "/v1/namespaces/ns", nil, `{"retention":"87601h"}`, 400, bad, "retention", "the retention has to be from 0s to 87600h, such as 168h"},
		{"quota below 0", put, "/v1/namespaces/ns", nil, `{"max_keys":-1}`, 400, bad, "max_keys", "the value has to be an integer from 0 to 9223372036854775807"},
		{"quota that is text", put, "/v1/namespaces/ns", nil, `{"max_bytes":"1"}`, 400, bad, "max_bytes", "the value has to be an integer, not a string"},

		// Things that are not there.
		{"absent key", get, "/v1/kv/ns/absent", nil, "", 404, kv.CodeNotFound, "", "the key does not exist"},
		{"absent version", get, "/v1/history/ns/k?version=1", nil, "", 404, kv.CodeNotFound, "", "the version does not exist, is past retention, or is a deletion"},
		{"unknown operation id", get, "/v1/operations/00000000000000000000000000", nil, "", 404, kv.CodeNotFound, "", "there is no such operation, or it is older than 168h"},
		{"no metrics", get, "/metrics", nil, "", 404, kv.CodeNotFound, "", "this server does not serve this path"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := r.do(c.method, c.target, c.header, c.body)
			a.t = t
			a.wantProblem(c.status, c.code, c.field, c.detail).wantHeader("Cache-Control", "no-store", "X-Content-Type-Options", "nosniff")
			if c.status == http.StatusMethodNotAllowed {
				a.wantHeader("Allow", strings.TrimPrefix(c.detail, "this path takes "))
			}
		})
	}
	r.get("/v1/kv/ns/k").want(http.StatusOK, "v")
}

func manyMeta(n int) header {
	h := header{}
	for i := range n {
		h["Trivet-Meta-"+strings.Repeat("A", i+1)] = []string{""}
	}
	return h
}

// TestWhatNetHTTPRefusesIsAProblemToo has requests that no handler ever sees.
func TestWhatNetHTTPRefusesIsAProblemToo(t *testing.T) {
	t.Parallel()
	r := start(t)
	const malformed = "the request line or a header is malformed; a path has to be percent-encoded"
	host := "Host: " + r.host + "\r\n"
	for _, c := range []struct {
		name, request string
		status        int
		code          kv.Code
		field, detail string
	}{
		{"key that is not percent-encoded", "GET /v1/kv/ns/%zz HTTP/1.1\r\n" + host + "\r\n", 400, kv.CodeInvalidArgument, "request", malformed},
		{"half an escape", "PUT /v1/kv/ns/a%2 HTTP/1.1\r\n" + host + "Content-Length: 1\r\n\r\nv", 400, kv.CodeInvalidArgument, "request", malformed},
		{"control character in a path", "GET /v1/kv/ns/\x01 HTTP/1.1\r\n" + host + "\r\n", 400, kv.CodeInvalidArgument, "request", malformed},
		{"space in a path", "GET /v1/kv/ns/a b HTTP/1.1\r\n" + host + "\r\n", 400, kv.CodeInvalidArgument, "request", malformed},
		{"no request", "hello\r\n\r\n", 400, kv.CodeInvalidArgument, "request", malformed},
		{"no host", "GET / HTTP/1.1\r\n\r\n", 400, kv.CodeInvalidArgument, "request", "the request is malformed: missing required Host header"},
		{"two hosts", "GET / HTTP/1.1\r\n" + host + host + "\r\n", 400, kv.CodeInvalidArgument, "request", malformed},
		{"malformed header", "GET / HTTP/1.1\r\n" + host + "A b: c\r\n\r\n", 400, kv.CodeInvalidArgument, "request", "the request is malformed: invalid header name"},
		{"two lengths", "PUT /v1/kv/ns/k HTTP/1.1\r\n" + host + "Content-Length: 1\r\nContent-Length: 2\r\n\r\nv", 400, kv.CodeInvalidArgument, "request", malformed},
		{"large headers", "GET / HTTP/1.1\r\n" + host + "A: " + strings.Repeat("x", 80<<10) + "\r\n\r\n", 413, kv.CodeTooLarge, "headers", "the headers are larger than 64 KiB"},
		{"unknown transfer encoding", "PUT /v1/kv/ns/k HTTP/1.1\r\n" + host + "Transfer-Encoding: gzip\r\n\r\n", 400, kv.CodeInvalidArgument, "Transfer-Encoding", "unknown transfer encoding; it has to be chunked or absent"},
		{"unknown expectation", "PUT /v1/kv/ns/k HTTP/1.1\r\n" + host + "Expect: tea\r\nContent-Length: 1\r\n\r\nv", 400, kv.CodeInvalidArgument, "Expect", "unknown expectation; it has to be 100-continue or absent"},
		{"behind a good request", "GET /health HTTP/1.1\r\n" + host + "\r\nGET /%zz HTTP/1.1\r\n" + host + "\r\n", 400, kv.CodeInvalidArgument, "request", malformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := r.dial()
			if _, err := io.WriteString(conn, c.request); err != nil {
				t.Fatal(err)
			}
			reader := bufio.NewReader(conn)
			if strings.HasPrefix(c.request, "GET /health") {
				if response, err := http.ReadResponse(reader, nil); err != nil || response.StatusCode != http.StatusOK {
					t.Fatalf("got %v, %v", response, err)
				} else if _, err := io.Copy(io.Discard, response.Body); err != nil {
					t.Fatal(err)
				}
			}
			response, err := http.ReadResponse(reader, nil)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			answer{t: t, status: response.StatusCode, header: response.Header, body: body}.
				wantProblem(c.status, c.code, c.field, c.detail).wantHeader("Cache-Control", "no-store")
			if rest, _ := io.ReadAll(reader); len(rest) > 0 || !response.Close {
				t.Errorf("the connection goes on with %q", rest)
			}
		})
	}
	if n := r.metric("trivet_http_requests_total", "unknown"); n != 13 {
		t.Errorf("%v refusals were counted", n)
	}
}

// TestAValueThatLooksLikeARefusalIsSentAsItIs has the very bytes that net/http
// refuses with, at the places where writes to the connection may begin.
func TestAValueThatLooksLikeARefusalIsSentAsItIs(t *testing.T) {
	t.Parallel()
	r := start(t)
	refusal := "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain; charset=utf-8\r\nConnection: close\r\n\r\n400 Bad Request"
	for _, before := range []int{0, 2 << 10, 4 << 10, 100_000} {
		value := strings.Repeat("x", before) + refusal
		r.put("/v1/kv/ns/k", value)
		r.get("/v1/kv/ns/k").want(http.StatusOK, value)
	}
}
