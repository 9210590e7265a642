package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/trivetkv/trivet/pkg/config"
	"github.com/trivetkv/trivet/pkg/kv"
)

// contextFile is the configuration file of the command line: servers by name,
// and which one is used.
type contextFile struct {
	Current  string                 `yaml:"current,omitempty"`
	Contexts map[string]savedServer `yaml:"contexts,omitempty"`
}

// savedServer is a server that a context names. It has at most one of Token
// and TokenFile, and both of CertFile and KeyFile or none.
type savedServer struct {
	URL       string `yaml:"url"`
	Token     string `yaml:"token,omitempty"`
	TokenFile string `yaml:"token_file,omitempty"`
	CAFile    string `yaml:"ca_file,omitempty"`
	CertFile  string `yaml:"cert_file,omitempty"`
	KeyFile   string `yaml:"key_file,omitempty"`
}

// settings gives the server as variables.
func (s savedServer) settings() (map[string]string, error) {
	if s.URL == "" {
		return nil, nil
	}
	settings := map[string]string{"TRIVET_URL": s.URL, "TRIVET_TOKEN": s.Token, "TRIVET_CA": "", "TRIVET_CERT": "", "TRIVET_KEY": ""}
	for _, file := range []struct{ kind, path, variable string }{
		{"token", s.TokenFile, "TRIVET_TOKEN"},
		{"authorities", s.CAFile, "TRIVET_CA"},
		{"certificate", s.CertFile, "TRIVET_CERT"},
		{"key", s.KeyFile, "TRIVET_KEY"},
	} {
		if file.path == "" {
			continue
		}
		content, err := os.ReadFile(file.path)
		if err != nil {
			return nil, fmt.Errorf("the context's %s file: %w", file.kind, err)
		}
		settings[file.variable] = strings.TrimSpace(string(content))
	}
	return settings, nil
}

// readContexts reads the file at path. One that is not there has no contexts.
func readContexts(path string) (contextFile, error) {
	var contexts contextFile
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return contexts, nil
	}
	if err != nil {
		return contexts, fmt.Errorf("the configuration file: %w", err)
	}
	defer func() { _ = file.Close() }()
	info, err := file.Stat()
	if err != nil {
		return contexts, fmt.Errorf("the configuration file: %w", err)
	}
	text, err := io.ReadAll(file)
	if err != nil {
		return contexts, fmt.Errorf("the configuration file: %w", err)
	}
	if err := yaml.UnmarshalWithOptions(text, &contexts, yaml.Strict()); err != nil && !errors.Is(err, io.EOF) {
		return contexts, &config.Error{Name: path, Problem: whyNotYAML(err)}
	}
	return contexts, contexts.check(path, info.Mode())
}

// whyNotYAML says what is wrong without the lines around it, which may hold a
// token.
func whyNotYAML(err error) string {
	var located yaml.Error
	if !errors.As(err, &located) || located.GetToken() == nil {
		return "it is not YAML"
	}
	var unknown *yaml.UnknownFieldError
	if errors.As(err, &unknown) {
		return fmt.Sprintf("line %d: %s", unknown.Token.Position.Line, unknown.Message)
	}
	return fmt.Sprintf("line %d: it is not YAML of contexts", located.GetToken().Position.Line)
}

func (f contextFile) check(path string, mode fs.FileMode) error {
	for _, name := range f.names() {
		server := f.Contexts[name]
		switch {
		case server.URL == "":
			return &config.Error{Name: path, Problem: fmt.Sprintf("the context %q has no url", name)}
		case server.Token != "" && server.TokenFile != "":
			return &config.Error{Name: path, Problem: fmt.Sprintf("the context %q has a token and a token_file", name)}
		case (server.CertFile == "") != (server.KeyFile == ""):
			return &config.Error{Name: path, Problem: fmt.Sprintf("the context %q has one of cert_file and key_file; it needs both", name)}
		case server.Token != "" && mode.Perm()&0o077 != 0 && runtime.GOOS != "windows":
			return &config.Error{Name: path, Problem: fmt.Sprintf("it holds a token and others may read it; run chmod 600 %q", path)}
		}
	}
	return nil
}

// names gives the contexts' names in order.
func (f contextFile) names() []string { return slices.Sorted(maps.Keys(f.Contexts)) }

// find gives a context by its name, the current one for "".
func (f contextFile) find(name, path string) (string, savedServer, error) {
	if name == "" {
		name = f.Current
	}
	server, found := f.Contexts[name]
	switch {
	case name == "":
		return "", server, kv.Errorf(kv.CodeNotFound, "no context is in use; see trivet context use --help")
	case !found:
		return "", server, kv.Errorf(kv.CodeNotFound, "there is no context %q in %s", name, path)
	}
	return name, server, nil
}

// chosenContext gives the named context or, without a name, the current one, if
// there is one.
func chosenContext(path, name string) (savedServer, error) {
	if path == "" && name == "" {
		return savedServer{}, nil
	}
	contexts, err := readContexts(path)
	if err != nil || name == "" && contexts.Current == "" {
		return savedServer{}, err
	}
	_, server, err := contexts.find(name, path)
	return server, err
}

// write puts the contexts in the place of what the file was, whole or not at
// all, for nobody else to read.
func (f contextFile) write(path string) error {
	text, err := yaml.Marshal(f)
	if err != nil {
		return fmt.Errorf("encode the contexts: %w", err)
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // a link to the file stays one
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("the configuration file: %w", err)
	}
	file, err := os.CreateTemp(dir, filepath.Base(path)+".*") // of mode 0600
	if err != nil {
		return fmt.Errorf("the configuration file: %w", err)
	}
	_, err = io.Copy(file, bytes.NewReader(text))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		_ = os.Remove(file.Name())
		return fmt.Errorf("the configuration file: %w", err)
	}
	return nil
}
