package certs

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
)

// ClientFiles say whom a connection to a server trusts, and who this process
// is, by PEM files.
type ClientFiles struct {
	ServerName string // that the server's certificate has to be for; empty: the host's
	CA         string // authorities; empty: the system's
	Cert, Key  string // of this process; empty: it has none
}

// Check refuses a certificate without its key.
func (f ClientFiles) Check() error {
	if (f.Cert == "") != (f.Key == "") {
		return errors.New("a certificate and its key have to be given together")
	}
	return nil
}

// Config reads the files. Asked before each connection, it makes a rotation
// need no restart.
func (f ClientFiles) Config() (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: f.ServerName}
	if f.CA != "" {
		pem, err := os.ReadFile(f.CA)
		if err != nil {
			return nil, fmt.Errorf("read the authorities: %w", err)
		}
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("authorities %s: the file holds no PEM certificate", f.CA)
		}
	}
	if f.Cert != "" {
		pair, err := tls.LoadX509KeyPair(f.Cert, f.Key)
		if err != nil {
			return nil, fmt.Errorf("read the client certificate: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}
