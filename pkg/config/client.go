package config

import (
	"crypto/tls"
	"crypto/x509"
)

// Client says which server a command talks to, and how.
type Client struct {
	URL    string `env:"TRIVET_URL" envDefault:"http://127.0.0.1:8080" doc:"Base URL of the server that commands talk to; the flag --url wins over it."`
	Token  Secret `env:"TRIVET_TOKEN" doc:"Bearer token of commands; the flag --token wins over it."`
	CA     string `env:"TRIVET_CA" doc:"Certificates, PEM, of the authorities that may have signed the server's certificate, instead of those that the machine trusts. Usually given as \"TRIVET_CA_FILE\"; the flag --ca-file wins over it."`
	Cert   string `env:"TRIVET_CERT" doc:"Certificate chain, PEM, that commands show to a server which asks for one. Usually given as \"TRIVET_CERT_FILE\"; the flag --cert wins over it."`
	Key    Secret `env:"TRIVET_KEY" doc:"Private key of that certificate, PEM. Usually given as \"TRIVET_KEY_FILE\"; the flag --key wins over it."`
	Config string `env:"TRIVET_CONFIG" doc:"File of the contexts that \"trivet context\" keeps; the flag --config wins over it. Without it: trivet/config.yaml in the user's configuration directory."`
}

// TLS gives the certificates for a server at an https URL; nil where there are
// none but what the machine trusts.
func (c *Client) TLS() (*tls.Config, error) {
	if c.CA == "" && c.Cert == "" && c.Key == "" {
		return nil, nil
	}
	settings := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		settings.RootCAs = x509.NewCertPool()
		if !settings.RootCAs.AppendCertsFromPEM([]byte(c.CA)) {
			return nil, &Error{Name: "TRIVET_CA", Problem: "it holds no PEM certificate"}
		}
	}
	if (c.Cert == "") != (c.Key == "") {
		return nil, &Error{Name: "TRIVET_CERT", Problem: "a certificate and its key, TRIVET_KEY, have to be given together"}
	}
	if c.Cert != "" {
		pair, err := tls.X509KeyPair([]byte(c.Cert), []byte(c.Key.Reveal()))
		if err != nil {
			return nil, &Error{Name: "TRIVET_CERT", Problem: "it and TRIVET_KEY are not a certificate and its key: " + err.Error()}
		}
		settings.Certificates = []tls.Certificate{pair}
	}
	return settings, nil
}
