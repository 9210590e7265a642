package redis

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// topology is how the servers work together.
type topology string

const (
	standalone topology = "redis"
	sentinel   topology = "redis+sentinel"
	cluster    topology = "redis+cluster"
)

const (
	defaultPort         = "6379"
	defaultSentinelPort = "26379"
	defaultPrefix       = "trivet"
)

// Address is where the cache is, as a URL says it:
//
//	redis://[user:password@]host[:6379][/database]
//	redis+sentinel://[user:password@]host[:26379],…/name[/database]
//	redis+cluster://[user:password@]host[:6379],…
//
// Of several hosts all name a port or none does. With rediss in place of redis,
// connections are TLS. Parameters: prefix, of
// all keys, for several stores on one Redis; sentinel_auth=true, to give the
// Sentinels the user and the password, too; and with TLS server_name, ca, cert
// and key: files in PEM, which each new connection reads again.
type Address struct {
	topology     topology
	hosts        []string // HOST:PORT
	name         string   // of the primary, for Sentinels
	database     int
	user         *url.Userinfo
	prefix       string
	sentinelAuth bool
	tls          *tlsFiles
}

// ParseURL reads an address. Its errors hold no password.
func ParseURL(u *url.URL) (Address, error) {
	a := Address{user: u.User}
	scheme, port := u.Scheme, defaultPort
	if plain, secured := strings.CutPrefix(scheme, "rediss"); secured {
		scheme, a.tls = "redis"+plain, &tlsFiles{}
	}
	switch a.topology = topology(scheme); a.topology {
	case standalone, cluster:
	case sentinel:
		port = defaultSentinelPort
	default:
		return a, fmt.Errorf("unknown scheme %q", u.Scheme)
	}
	if err := a.setHosts(u.Host, port); err != nil {
		return a, err
	}
	if err := a.setPath(strings.Trim(u.Path, "/")); err != nil {
		return a, err
	}
	return a, a.setParameters(u.Query())
}

func (a *Address) setHosts(list, port string) error {
	for host := range strings.SplitSeq(list, ",") {
		if host == "" {
			return errors.New("it names no host; expected HOST:PORT")
		}
		if _, _, err := net.SplitHostPort(host); err != nil {
			host = net.JoinHostPort(strings.Trim(host, "[]"), port)
		}
		a.hosts = append(a.hosts, host)
	}
	if a.topology == standalone && len(a.hosts) > 1 {
		return errors.New("it names several hosts; expected one, or redis+sentinel:// or redis+cluster://")
	}
	return nil
}

// setPath reads what is behind the hosts: with Sentinels the name of the
// primary, then the number of a database, of which a cluster has one only.
func (a *Address) setPath(path string) error {
	if a.topology == sentinel {
		a.name, path, _ = strings.Cut(path, "/")
		if a.name == "" {
			return errors.New("it does not name the primary; expected redis+sentinel://HOST:PORT,HOST:PORT/NAME")
		}
	}
	if path == "" {
		return nil
	}
	n, err := strconv.Atoi(path)
	if err != nil || n < 0 || a.topology == cluster {
		return errors.New("the path is malformed; expected the number of a database, and with a cluster nothing")
	}
	a.database = n
	return nil
}

// prefixes are such that no two of them, with what follows, make the same key.
var prefixPattern = regexp.MustCompile(`^[A-Za-z0-9_.-]{1,64}$`)

func (a *Address) setParameters(q url.Values) error {
	known := []string{"prefix", "sentinel_auth"}
	if a.tls != nil {
		known = append(known, "server_name", "ca", "cert", "key")
		*a.tls = tlsFiles{serverName: q.Get("server_name"), ca: q.Get("ca"), cert: q.Get("cert"), key: q.Get("key")}
		if (a.tls.cert == "") != (a.tls.key == "") {
			return errors.New("cert and key have to be given together")
		}
	}
	for name := range q {
		if !slices.Contains(known, name) {
			return fmt.Errorf("unknown parameter %q", name)
		}
	}
	a.prefix = defaultPrefix
	if prefix := q.Get("prefix"); prefix != "" {
		a.prefix = prefix
	}
	if !prefixPattern.MatchString(a.prefix) {
		return errors.New("the prefix has to be 1 to 64 letters, digits, dots, hyphens and underscores")
	}
	switch q.Get("sentinel_auth") {
	case "", "false":
	case "true":
		a.sentinelAuth = true
	default:
		return errors.New("sentinel_auth has to be true or false")
	}
	return nil
}
