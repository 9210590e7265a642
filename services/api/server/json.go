package server

import (
	"mime"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// readJSON reads a body that has to be JSON. Without a Content-Type it is
// taken for JSON.
func (c *call) readJSON() ([]byte, error) {
	if values := c.r.Header["Content-Type"]; len(values) > 0 {
		mediaType, _, err := mime.ParseMediaType(values[0])
		if err != nil || mediaType != wire.ContentType || len(values) > 1 {
			return nil, &kv.Error{
				Code:   kv.CodeUnsupportedMediaType,
				Field:  "Content-Type",
				Detail: "the body has to be JSON: Content-Type: " + wire.ContentType,
			}
		}
	}
	return c.readBody("the body", c.server.opts.MaxJSONBytes)
}
