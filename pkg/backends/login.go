package backends

import (
	"context"
	"fmt"
	"net/url"

	"github.com/trivetkv/trivet/pkg/config"
)

// databasePassword gives what gets the password of each new connection to the
// database; nil where it is the URL's.
func databasePassword(u config.URL, s config.Backends) (func(context.Context) (string, error), error) {
	switch {
	case s.DatabaseLogin == config.LoginAWS:
		return awsPassword(u)
	case !s.DatabasePassword.IsZero():
		return func(context.Context) (string, error) { return s.DatabasePassword.Current() }, nil
	default:
		return nil, nil //nolint:nilnil // nothing but the URL is asked
	}
}

// cacheCredentials gives what gets user and password of each new connection to
// the cache; nil where those of the address never change.
func cacheCredentials(u config.URL, s config.Backends) func(context.Context) (string, string, error) {
	if u.File() == "" && s.CachePassword.IsZero() {
		return nil
	}
	return func(context.Context) (string, string, error) {
		now, err := u.Current()
		if err != nil {
			return "", "", err
		}
		password, _ := now.User.Password()
		if !s.CachePassword.IsZero() {
			if password, err = s.CachePassword.Current(); err != nil {
				return "", "", err
			}
		}
		return now.User.Username(), password, nil
	}
}

// brokerURL gives the broker's URL as it is now, with the login in it that is
// given apart from it.
func brokerURL(u config.URL, s config.Backends) (*url.URL, error) {
	now, err := u.Current()
	if err != nil || s.BrokerLogin.IsZero() {
		return now, err
	}
	text, err := s.BrokerLogin.Current()
	if err != nil {
		return nil, err
	}
	login, err := config.ParseLogin(text)
	if err != nil {
		return nil, fmt.Errorf("TRIVET_BROKER_LOGIN: %w", err)
	}
	whole := *now
	whole.User = url.UserPassword(login.Username, login.Password)
	return &whole, nil
}
