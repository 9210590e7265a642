package openapi

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"strings"
)

//go:embed reference.html
var referenceHTML string

//go:embed assets/reference.js.gz
var referenceJS []byte

// referencePage is the reference of the whole API, which its script draws from
// the document. The policy lets it load nothing, and talk to nobody, but this
// server: the script makes styles as it runs, and pictures from data.
func referencePage() *file {
	_, rest, _ := strings.Cut(referenceHTML, "<script>")
	inline, _, _ := strings.Cut(rest, "</script>")
	sum := sha256.Sum256([]byte(inline))
	policy := fmt.Sprintf("default-src 'none'; script-src 'self' 'sha256-%s'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
		base64.StdEncoding.EncodeToString(sum[:]))
	return newFile("text/html; charset=utf-8", policy, []byte(referenceHTML))
}

func referenceScript() *file {
	return newCompressedFile("text/javascript; charset=utf-8", "", referenceJS)
}
