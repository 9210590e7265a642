package openapi

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"strings"
)

// Problem is what the document says of a code.
type Problem struct {
	Code    string `json:"code"`
	Status  int    `json:"status"`
	Meaning string `json:"meaning"`
	Remedy  string `json:"remedy"`
}

// Problems gives the error codes of the API in the order of their status.
func Problems() []Problem {
	var document struct {
		Problems []Problem `json:"x-problems"`
	}
	if err := json.Unmarshal(Document(), &document); err != nil {
		panic(fmt.Sprintf("openapi.yaml: %v", err)) // it is part of the program
	}
	return document.Problems
}

//go:embed errors.html
var errorsHTML string

var errorsTemplate = template.Must(template.New("errors").Funcs(template.FuncMap{
	"code":       markCode,
	"statusText": http.StatusText,
}).Parse(errorsHTML))

// errorsPage lists every code under the anchor to which the type of its
// problem leads.
func errorsPage() *file {
	var page bytes.Buffer
	if err := errorsTemplate.Execute(&page, Problems()); err != nil {
		panic(fmt.Sprintf("errors.html: %v", err)) // a buffer takes everything, the data is the program's
	}
	_, rest, _ := strings.Cut(page.String(), "<style>")
	style, _, _ := strings.Cut(rest, "</style>")
	sum := sha256.Sum256([]byte(style))
	policy := fmt.Sprintf("default-src 'none'; style-src 'sha256-%s'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		base64.StdEncoding.EncodeToString(sum[:]))
	return newFile("text/html; charset=utf-8", policy, page.Bytes())
}

// markCode makes code of what is between backquotes.
func markCode(text string) template.HTML {
	var b strings.Builder
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			b.WriteString("<code>" + html.EscapeString(part) + "</code>")
		} else {
			b.WriteString(html.EscapeString(part))
		}
	}
	return template.HTML(b.String()) //nolint:gosec // escaped above
}
