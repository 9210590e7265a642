package server

import (
	"mime"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// formContentType is what curl says of any data that it is told to send, unless
// told otherwise. No call takes a form, so it stands for JSON: a first attempt
// by hand works. Pages of other sites gain nothing by it: no call trusts what a
// browser sends by itself (see checkLocal).
const formContentType = "application/x-www-form-urlencoded"

// readJSON reads a body that has to be JSON. Without a Content-Type it is
// taken for JSON.
func (c *call) readJSON() ([]byte, error) {
	if values := c.r.Header["Content-Type"]; len(values) > 0 {
		mediaType, _, err := mime.ParseMediaType(values[0])
		if err != nil || len(values) > 1 || mediaType != wire.ContentType && mediaType != formContentType {
			return nil, &kv.Error{
				Code:   kv.CodeUnsupportedMediaType,
				Field:  "Content-Type",
				Detail: "the body has to be JSON: Content-Type: " + wire.ContentType,
			}
		}
	}
	return c.readBody("the body", c.server.opts.MaxJSONBytes)
}
