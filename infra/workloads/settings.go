package workloads

import (
	"fmt"
	"net/url"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"github.com/trivetkv/trivet/infra/platform"
)

// settingsOf are the variables of a program. docs/configuration.md describes
// them.
func (s *site) settingsOf(p program) ([]setting, error) {
	all := []setting{
		{"TRIVET_ADMIN_LISTEN", pulumi.Sprintf(":%d", adminPort)},
		{"TRIVET_STOP_TIMEOUT", pulumi.String(stopTimeout.String())},
	}
	switch p.service {
	case "api":
		all = append(all,
			setting{"TRIVET_LISTEN", pulumi.Sprintf(":%d", dataPort)},
			setting{"TRIVET_DRAIN_DELAY", pulumi.String(drainDelay.String())})
	case "autoscaler":
		scaling, err := s.autoscalerSettings()
		if err != nil {
			return nil, err
		}
		all = append(all, scaling...)
	}
	if !p.backends {
		return all, nil
	}
	all = append(all,
		setting{"TRIVET_TLS_CERT", pulumi.String(tlsDir + "/tls.crt")},
		setting{"TRIVET_TLS_KEY", pulumi.String(tlsDir + "/tls.key")},
		setting{"TRIVET_CACHE_URL", cacheURL(s.on.Cache)})
	if s.on.Signals.Endpoint != "" {
		about := fmt.Sprintf("service.namespace=trivet,deployment.environment.name=%s,cloud.region=%s", s.args.Tier, s.on.Region)
		all = append(all,
			setting{"OTEL_EXPORTER_OTLP_ENDPOINT", pulumi.String(s.on.Signals.Endpoint)},
			setting{"OTEL_RESOURCE_ATTRIBUTES", pulumi.String(about)})
	}
	if s.on.Broker != nil {
		all = append(all, setting{"TRIVET_BROKER_URL", pulumi.Sprintf("%s?declare=true", s.on.Broker.URL)})
	}
	if n := s.connections(); n > 0 {
		all = append(all, setting{"TRIVET_DATABASE_CONNECTIONS", pulumi.String(strconv.Itoa(n))})
	}
	return append(all, s.databaseSettings(platform.DatabaseUser(p.service))...), nil
}

// databaseSettings are those of a program that logs in to the database as a
// user; without one, a secret tells who it is.
func (s *site) databaseSettings(user string) []setting {
	return []setting{
		{"TRIVET_DATABASE_URL", s.databaseURL(user)},
		{"TRIVET_DATABASE_LOGIN", pulumi.String(string(s.on.Database.Login))},
	}
}

// databaseURL names the database's writer. Who it is has to be proven by a
// certificate, or a login would go to anybody.
func (s *site) databaseURL(user string) pulumi.StringOutput {
	at := s.on.Database
	return pulumi.All(at.Host, at.Roots).ApplyT(func(values []any) string {
		host, roots := values[0].(string), values[1].(string)
		u := url.URL{Scheme: "postgres", Host: fmt.Sprintf("%s:%d", host, at.Port), Path: "/" + at.Name}
		if user != "" {
			u.User = url.User(user)
		}
		query := url.Values{"sslmode": {"verify-full"}}
		if roots != "" {
			query.Set("sslrootcert", rootsFile)
		}
		u.RawQuery = query.Encode()
		return u.String()
	}).(pulumi.StringOutput)
}

// cacheURL puts the user into the cache's URL; the password is a file.
func cacheURL(at platform.CacheEndpoint) pulumi.StringOutput {
	return at.URL.ApplyT(func(text string) (string, error) {
		u, err := url.Parse(text)
		if err != nil {
			return "", fmt.Errorf("the cache's URL: %w", err)
		}
		if at.User != "" {
			u.User = url.User(at.User)
		}
		return u.String(), nil
	}).(pulumi.StringOutput)
}
