package redis_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/cache/redis"
)

func TestAddressesThatAreUnderstood(t *testing.T) {
	t.Parallel()
	for _, address := range []string{
		"redis://localhost", "redis://localhost:6379/3", "redis://user:password@localhost/?prefix=shop-1",
		"rediss://[::1]:6380/?ca=/etc/ca.pem&cert=/etc/c.pem&key=/etc/k.pem&server_name=cache",
		"redis+sentinel://a,b,c/primary", "redis+sentinel://a:1,b:26380,c:3/primary", "redis+sentinel://:password@a/primary/2?sentinel_auth=true",
		"rediss+sentinel://a/primary?ca=/etc/ca.pem", "redis+cluster://a:1,b:2,c:3", "rediss+cluster://a/",
	} {
		parse(t, address)
	}
}

func TestAddressesThatAreNotUnderstood(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"redis://":                                 "no host",
		"redis://a,b":                              "several hosts",
		"redis://a/x":                              "number of a database",
		"redis://a/-1":                             "number of a database",
		"redis://a?prefx=x":                        `unknown parameter "prefx"`,
		"redis://a?prefix=%7Bx":                    "prefix",
		"redis://a?ca=/etc/ca.pem":                 `unknown parameter "ca"`,
		"rediss://a?cert=/etc/c.pem":               "together",
		"redis+sentinel://a,b":                     "does not name the primary",
		"redis+sentinel://a/primary?sentinel_auth": "",
		"redis+sentinel://a/p?sentinel_auth=maybe": "sentinel_auth",
		"redis+cluster://a/1":                      "with a cluster nothing",
		"redis+cluster://a,,b":                     "no host",
		"redis+ring://a":                           "unknown scheme",
		"memcached://a":                            "unknown scheme",
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		_, err = redis.ParseURL(u)
		switch {
		case want == "" && err != nil:
			t.Errorf("%s: %v", address, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want an error about %s", address, err, want)
		}
	}
}
