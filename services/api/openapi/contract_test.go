package openapi_test

import (
	"encoding/json"
	"fmt"
	"mime"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// contract holds answers against the document and remembers which of the
// documented ones it has seen.
type contract struct {
	operations map[string]operation

	mu   sync.Mutex
	seen map[string]bool // "putValue 412 version_mismatch", "putValue 200"
}

func newContract(t testing.TB) *contract {
	t.Helper()
	c := &contract{operations: map[string]operation{}, seen: map[string]bool{}}
	for _, o := range operations(load(t)) {
		c.operations[o.OperationID] = o
	}
	return c
}

// documents tells whether an operation may answer a status.
func (c *contract) documents(id string, status int) bool {
	return c.operations[id].Responses.Status(status) != nil
}

// check holds one answer against what the document says of its operation.
func (c *contract) check(t testing.TB, id string, res *http.Response, body []byte) {
	t.Helper()
	ref := c.operations[id].Responses.Status(res.StatusCode)
	if ref == nil {
		t.Errorf("%s answers %d, which is not documented: %.500q", id, res.StatusCode, body)
		return
	}
	seen := fmt.Sprintf("%s %d", id, res.StatusCode)
	if err := checkHeaders(ref.Value, res.Header); err != nil {
		t.Errorf("%s: %v", seen, err)
	}
	if c.operations[id].method != http.MethodHead {
		code, err := checkBody(ref.Value, res.Header.Get("Content-Type"), body)
		if err != nil {
			t.Errorf("%s: %v\n%.500q", seen, err, body)
		}
		if code != "" {
			seen += " " + code
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[seen] = true
}

// unseen gives what is documented and was never answered.
func (c *contract) unseen(t testing.TB) []string {
	t.Helper()
	var unseen []string
	for id, o := range c.operations {
		for status, response := range o.Responses.Map() {
			answer := id + " " + status
			if c.seen[answer] {
				continue
			}
			codes := problemCodes(t, response.Value)
			if codes == nil || o.method == http.MethodHead {
				unseen = append(unseen, answer)
				continue
			}
			for _, code := range codes {
				if !c.seen[answer+" "+code] {
					unseen = append(unseen, answer+" "+code)
				}
			}
		}
	}
	slices.Sort(unseen)
	return unseen
}

// ofHTTP are headers that mean what HTTP says, in every answer.
var ofHTTP = []string{
	"Cache-Control", "Connection", "Content-Length", "Content-Security-Policy", "Content-Type", "Date",
	"Referrer-Policy", "X-Accel-Buffering", "X-Content-Type-Options",
}

func checkHeaders(response *openapi3.Response, header http.Header) error {
	for name, values := range header {
		if slices.Contains(ofHTTP, name) {
			continue
		}
		documented := response.Headers[documentedName(response, name)]
		if documented == nil {
			return fmt.Errorf("the header %s is not documented", name)
		}
		if err := conforms(documented.Value.Schema.Value, headerValue(documented.Value.Schema.Value, values[0])); err != nil {
			return fmt.Errorf("the header %s: %w", name, err)
		}
	}
	return nil
}

// documentedName finds a header whatever its case, and metadata by its prefix.
func documentedName(response *openapi3.Response, name string) string {
	if strings.HasPrefix(name, "Trivet-Meta-") {
		return "Trivet-Meta-*"
	}
	for documented := range response.Headers {
		if strings.EqualFold(documented, name) {
			return documented
		}
	}
	return ""
}

func headerValue(schema *openapi3.Schema, text string) any {
	if schema.Type.Is("integer") {
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			return n
		}
	}
	return text
}

// checkBody holds a body against the content of a documented answer, and gives
// the code when it is a problem.
func checkBody(response *openapi3.Response, contentType string, body []byte) (code string, err error) {
	if len(response.Content) == 0 {
		if len(body) > 0 {
			return "", fmt.Errorf("no body is documented")
		}
		return "", nil
	}
	mediaType, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return "", fmt.Errorf("the content type %q: %w", contentType, err)
	}
	media := response.Content.Get(mediaType)
	switch {
	case media == nil:
		return "", fmt.Errorf("the content type %s is not documented", mediaType)
	case mediaType == "text/event-stream":
		return "", nil // checkEvents
	case mediaType != "application/json" && mediaType != "application/problem+json":
		return "", nil // a value, or a page
	}
	var value any
	if err := json.Unmarshal(body, &value); err != nil {
		return "", err
	}
	if err := conforms(media.Schema.Value, value); err != nil {
		return "", err
	}
	if mediaType == "application/problem+json" {
		code, _ = value.(map[string]any)["code"].(string)
	}
	return code, nil
}

// conforms holds a value against a schema, and refuses fields that the schema
// does not mention.
func conforms(schema *openapi3.Schema, value any) error {
	if err := schema.VisitJSON(value, openapi3.VisitAsResponse(), openapi3.EnableJSONSchema2020(), openapi3.EnableFormatValidation()); err != nil {
		return err
	}
	return mentioned(schema, value, "")
}

func mentioned(schema *openapi3.Schema, value any, at string) error {
	switch v := value.(type) {
	case []any:
		for i, element := range v {
			if schema.Items == nil {
				return nil
			}
			if err := mentioned(schema.Items.Value, element, fmt.Sprintf("%s[%d]", at, i)); err != nil {
				return err
			}
		}
	case map[string]any:
		properties := propertiesOf(schema)
		if len(properties) == 0 {
			return nil // any object
		}
		for name, field := range v {
			property := properties[name]
			if property == nil {
				return fmt.Errorf("the field %s.%s is not documented", at, name)
			}
			if err := mentioned(property, field, at+"."+name); err != nil {
				return err
			}
		}
	}
	return nil
}

// propertiesOf gives an object's properties, with those of what it is made of.
func propertiesOf(schema *openapi3.Schema) map[string]*openapi3.Schema {
	properties := map[string]*openapi3.Schema{}
	for _, part := range schema.AllOf {
		for name, property := range propertiesOf(part.Value) {
			if properties[name] == nil {
				properties[name] = property
			}
		}
	}
	for name, property := range schema.Properties {
		properties[name] = property.Value
	}
	return properties
}
