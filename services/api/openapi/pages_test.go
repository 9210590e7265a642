package openapi_test

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/trivetkv/trivet/services/api/openapi"
)

var handler = openapi.Handler()

func get(t *testing.T, path string, headers ...string) *http.Response {
	t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	return w.Result()
}

func body(t *testing.T, res *http.Response) string {
	t.Helper()
	var reader io.Reader = res.Body
	if res.Header.Get("Content-Encoding") == "gzip" && res.StatusCode == http.StatusOK {
		var err error
		if reader, err = gzip.NewReader(res.Body); err != nil {
			t.Fatal(err)
		}
	}
	content, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestFilesAreServedAsTheClientTakesThem(t *testing.T) {
	t.Parallel()
	for path, contentType := range map[string]string{
		openapi.PathDocument: "application/json",
		openapi.PathDocs:     "text/html; charset=utf-8",
		openapi.PathErrors:   "text/html; charset=utf-8",
		openapi.PathScript:   "text/javascript; charset=utf-8",
	} {
		plain, compressed := get(t, path), get(t, path, "Accept-Encoding", "gzip")
		if plain.StatusCode != http.StatusOK || plain.Header.Get("Content-Type") != contentType {
			t.Errorf("%s: %d %s", path, plain.StatusCode, plain.Header.Get("Content-Type"))
		}
		if content := body(t, plain); content == "" || content != body(t, compressed) {
			t.Errorf("%s: %d bytes, and others compressed", path, len(content))
		}
		if plain.Header.Get("ETag") == compressed.Header.Get("ETag") {
			t.Errorf("%s has one tag for two forms", path)
		}
		for _, res := range []*http.Response{plain, compressed} {
			again := get(t, path, "Accept-Encoding", res.Header.Get("Content-Encoding"), "If-None-Match", res.Header.Get("ETag"))
			if again.StatusCode != http.StatusNotModified || body(t, again) != "" {
				t.Errorf("%s again: %d", path, again.StatusCode)
			}
		}
	}
	if res := get(t, "/docs/other"); res.StatusCode != http.StatusNotFound {
		t.Errorf("another path: %d", res.StatusCode)
	}
}

func TestAcceptEncoding(t *testing.T) {
	t.Parallel()
	for accepted, encoding := range map[string]string{
		"gzip": "gzip", "br, gzip;q=0.5": "gzip", "GZIP": "gzip",
		"gzip;q=0": "", "gzip; q=0.000": "", "identity": "", "br": "",
	} {
		if got := get(t, openapi.PathErrors, "Accept-Encoding", accepted).Header.Get("Content-Encoding"); got != encoding {
			t.Errorf("%q is answered %q", accepted, got)
		}
	}
}

// Pages load nothing from elsewhere, and their policies let their own inline
// parts run.
func TestPagesKeepToThemselves(t *testing.T) {
	t.Parallel()
	inline := regexp.MustCompile(`(?s)<(script|style)>(.*?)</(?:script|style)>`)
	loads := regexp.MustCompile(`(?:src|href|url)\s*[=:(]\s*['"]?([^'" )>]+)`)
	for _, path := range []string{openapi.PathDocs, openapi.PathErrors} {
		res := get(t, path)
		content := body(t, res)
		policy := res.Header.Get("Content-Security-Policy")
		if !strings.HasPrefix(policy, "default-src 'none'; ") || strings.Contains(policy, "http") || strings.Contains(policy, "unsafe-eval") {
			t.Errorf("%s has the policy %q", path, policy)
		}
		for _, part := range inline.FindAllStringSubmatch(content, -1) {
			sum := sha256.Sum256([]byte(part[2]))
			if !strings.Contains(policy, part[1]+"-src 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])) &&
				!strings.Contains(policy, part[1]+"-src 'self' 'sha256-"+base64.StdEncoding.EncodeToString(sum[:])) {
				t.Errorf("%s: its policy does not let its %s run", path, part[1])
			}
		}
		for _, load := range loads.FindAllStringSubmatch(content, -1) {
			if !strings.HasPrefix(load[1], "/") && !strings.HasPrefix(load[1], "#") && !strings.HasPrefix(load[1], "data:") {
				t.Errorf("%s refers to %s", path, load[1])
			}
		}
	}
}

// The type of every problem leads to the code's explanation: /docs#code-…
// goes on to the page that has the anchor.
func TestErrorsPageHasEveryCode(t *testing.T) {
	t.Parallel()
	page := body(t, get(t, openapi.PathErrors))
	for _, p := range openapi.Problems() {
		if !strings.Contains(page, `<section id="code-`+p.Code+`">`) {
			t.Errorf("no anchor for %s", p.Code)
		}
	}
	if strings.Contains(page, "`") {
		t.Error("the page shows backquotes")
	}
	if docs := body(t, get(t, openapi.PathDocs)); !strings.Contains(docs, "location.replace('"+openapi.PathErrors+"' + location.hash)") {
		t.Error("the reference does not lead on to the codes")
	}
}

func TestReferenceScriptIsTheOneOfTheLicence(t *testing.T) {
	t.Parallel()
	script := body(t, get(t, openapi.PathScript))
	if !strings.Contains(script[:1000], "@scalar/api-reference 1.46.4") {
		t.Errorf("the script begins with %q", script[:1000])
	}
}
