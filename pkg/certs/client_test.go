package certs_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/pkg/certs"
	"github.com/trivetkv/trivet/pkg/certs/certstest"
)

func TestFilesOfAClient(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := certstest.NewAuthority(t)
	ca := a.WriteCA(dir)
	cert, key := a.Write(dir, "client", 2)
	config, err := certs.ClientFiles{ServerName: "name", CA: ca, Cert: cert, Key: key}.Config()
	if err != nil {
		t.Fatal(err)
	}
	if config.ServerName != "name" || len(config.Certificates) != 1 || !config.RootCAs.Equal(a.Pool()) {
		t.Errorf("got %+v", config)
	}
	if config, err = (certs.ClientFiles{}).Config(); err != nil || config.RootCAs != nil || config.Certificates != nil {
		t.Errorf("without files: %+v, %v", config, err)
	}
	empty := filepath.Join(dir, "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for want, files := range map[string]certs.ClientFiles{
		"no such file":                {CA: filepath.Join(dir, "none")},
		"holds no PEM certificate":    {CA: empty},
		"read the client certificate": {Cert: cert, Key: cert},
	} {
		if _, err := files.Config(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if err := (certs.ClientFiles{Cert: cert}).Check(); err == nil {
		t.Error("a certificate without its key is accepted")
	}
}
