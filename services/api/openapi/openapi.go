// Package openapi holds the OpenAPI document of the data API and serves it,
// as JSON and as a reference for people that needs nothing from anywhere else.
//
// openapi.yaml is the source. Tests hold it against the server's routes, its
// real answers and the codes of package kv.
package openapi

import (
	_ "embed"
	"fmt"
	"net/http"
	"sync"

	"github.com/goccy/go-yaml"
)

//go:embed openapi.yaml
var source []byte

// Document gives the OpenAPI document as JSON. Do not change it.
var Document = sync.OnceValue(func() []byte {
	document, err := yaml.YAMLToJSON(source)
	if err != nil {
		panic(fmt.Sprintf("openapi.yaml: %v", err)) // it is part of the program
	}
	return document
})

// Paths that [Handler] serves.
const (
	PathDocument = "/openapi.json"
	PathDocs     = "/docs"
	PathErrors   = "/docs/errors"
	PathScript   = "/docs/reference.js"
)

// Handler serves the document and the reference.
func Handler() http.Handler {
	files := map[string]func() *file{
		PathDocument: sync.OnceValue(documentFile),
		PathDocs:     sync.OnceValue(referencePage),
		PathErrors:   sync.OnceValue(errorsPage),
		PathScript:   sync.OnceValue(referenceScript),
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f, ok := files[r.URL.Path]; ok {
			f().ServeHTTP(w, r)
			return
		}
		http.NotFound(w, r)
	})
}

func documentFile() *file { return newFile("application/json", "", Document()) }
