package wire_test

import (
	"strings"
	"testing"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

func TestATokenShowsWhatIsKnownOfItAndItsSecretOnce(t *testing.T) {
	t.Parallel()
	scopes := []auth.Scope{{Namespace: "shop-*", Prefix: "cart/", Access: []auth.Access{auth.Read, auth.Write}}}
	known := auth.Token{ID: "id", Name: "web", Scopes: scopes, CreatedAt: at, RotatedAt: at, ExpiresAt: at, LastUsedAt: at}
	const shape = `{"id":"id","name":"web","scopes":[{"namespace":"shop-*","prefix":"cart/","access":["read","write"]}],` +
		`"created_at":"AT","rotated_at":"AT","expires_at":"AT","last_used_at":"AT"`
	text := at.UTC().Format(wire.TimeFormat)
	if got, want := encode(t, wire.FromToken(known, "tvt_secret")), strings.ReplaceAll(shape, "AT", text)+`,"token":"tvt_secret"}`; strings.TrimSpace(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	list := encode(t, wire.FromTokens([]auth.Token{known}))
	if want := `{"tokens":[` + strings.ReplaceAll(shape, "AT", text) + `}]}`; strings.TrimSpace(list) != want {
		t.Errorf("got  %s\nwant %s", list, want)
	}
	// What never was is left out.
	never := encode(t, wire.FromToken(auth.Token{ID: "id", Scopes: scopes[:0], CreatedAt: at}, ""))
	if want := `{"id":"id","scopes":[],"created_at":"` + text + `"}`; strings.TrimSpace(never) != want {
		t.Errorf("got  %s\nwant %s", never, want)
	}
	if none := encode(t, wire.FromTokens(nil)); strings.TrimSpace(none) != `{"tokens":[]}` {
		t.Errorf("got %s", none)
	}
	same(t, roundTrip(t, wire.FromToken(known, "tvt_secret")), wire.FromToken(known, "tvt_secret"))
}

func TestATokenRequestIsReadStrictly(t *testing.T) {
	t.Parallel()
	got, err := wire.DecodeTokenRequest([]byte(`{"name":"web","scopes":[{"namespace":"*","access":["read"]},{"namespace":"shop","prefix":"a/","access":["write","admin"]}],"ttl":"1h30m"}`))
	if err != nil {
		t.Fatal(err)
	}
	same(t, got, wire.TokenRequest{Name: "web", TTL: wire.Duration(90 * time.Minute), Scopes: []auth.Scope{
		{Namespace: "*", Access: []auth.Access{auth.Read}},
		{Namespace: "shop", Prefix: "a/", Access: []auth.Access{auth.Write, auth.Admin}},
	}})
	for body, field := range map[string]string{
		``:                                      "body",
		`{}`:                                    "scopes",
		`{"name":"web"}`:                        "scopes",
		`{"scopes":null}`:                       "scopes",
		`{"scopes":{}}`:                         "scopes",
		`{"scopes":[],"ttl":"0s"}`:              "ttl",
		`{"scopes":[],"ttl":"-1h"}`:             "ttl",
		`{"scopes":[],"ttl":"87601h"}`:          "ttl",
		`{"scopes":[],"ttl":60}`:                "ttl",
		`{"scopes":[],"admin":true}`:            "admin",
		`{"scopes":[],"token":"tvt_mine"}`:      "token",
		`{"scopes":[],"scopes":[]}`:             "scopes",
		`{"scopes":[{"namespace":1}]}`:          "scopes[0].namespace",
		`{"scopes":[{},{"acces":["read"]}]}`:    "scopes[1].acces",
		`{"scopes":[{"access":["read",true]}]}`: "scopes[0].access[1]",
		`{"scopes":[]} {}`:                      "body",
	} {
		_, err := wire.DecodeTokenRequest([]byte(body))
		if e := kv.AsError(err); err == nil || e.Code != kv.CodeInvalidArgument || e.Field != field {
			t.Errorf("%s: %v, field %q, want %q", body, err, kv.AsError(err).Field, field)
		}
	}
}

func TestARotationIsReadStrictly(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]time.Duration{``: 0, `{}`: 0, `{"overlap":"24h"}`: 24 * time.Hour} {
		if got, err := wire.DecodeRotation([]byte(body)); err != nil || time.Duration(got.Overlap) != want {
			t.Errorf("%q: %v, %v", body, got, err)
		}
	}
	for body, field := range map[string]string{`[]`: "body", `{"overlap":1}`: "overlap", `{"overlap":"soon"}`: "overlap", `{"ttl":"1h"}`: "ttl", ` `: "body"} {
		if _, err := wire.DecodeRotation([]byte(body)); err == nil || kv.AsError(err).Field != field || kv.CodeOf(err) != kv.CodeInvalidArgument {
			t.Errorf("%q: %v", body, err)
		}
	}
}
