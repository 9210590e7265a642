package auth

import (
	"testing"
	"time"
)

func TestPatternsMatchAsWritten(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		pattern, name string
		want          bool
	}{
		{"shop", "shop", true}, {"shop", "shops", false}, {"shop", "sho", false},
		{"*", "", true}, {"*", "anything", true},
		{"shop-*", "shop-eu", true}, {"shop-*", "shop-", true}, {"shop-*", "shop", false}, {"shop-*", "my-shop-eu", false},
		{"*-eu", "shop-eu", true}, {"*-eu", "shop-eu-2", false},
		{"a*b*c", "abc", true}, {"a*b*c", "axxbyyc", true}, {"a*b*c", "acb", false}, {"a**c", "abc", true},
		{"*aa*", "baab", true}, {"*aa*", "abab", false},
	} {
		if got := matches(test.pattern, test.name); got != test.want {
			t.Errorf("%q against %q: %t", test.pattern, test.name, got)
		}
	}
}

func TestAPrefixIsGrantedByShorterOnesOnly(t *testing.T) {
	t.Parallel()
	p := NewPrincipal("x", []Scope{{Namespace: "shop", Prefix: "cart/", Access: []Access{Read}}}, time.Time{})
	for asked, want := range map[string]bool{"": false, "cart": false, "cart/": true, "cart/4": true, "cars/": false} {
		if got := p.Allows("shop", asked, Read); got != want {
			t.Errorf("prefix %q: %t", asked, got)
		}
	}
	if p.IsAdministrator() || !Anonymous().IsAdministrator() {
		t.Error("administrators are told wrongly")
	}
}

func FuzzParseToken(f *testing.F) {
	f.Add(newToken(newID()))
	f.Add("tvt_")
	f.Fuzz(func(t *testing.T, text string) {
		id, ok := parseToken(text)
		if ok && (len(id) != idLength || text[len(tokenPrefix):len(tokenPrefix)+idLength] != id) {
			t.Fatalf("%q has the id %q", text, id)
		}
	})
}

func TestTokensAreLongAndNeverAlike(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 1000 {
		id := newID()
		token := newToken(id)
		if got, ok := parseToken(token); !ok || got != id || seen[token] || len(token) != tokenLength {
			t.Fatalf("%q: id %q, %t", token, got, ok)
		}
		seen[token] = true
	}
}
