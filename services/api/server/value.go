package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
)

// getValue answers GET and HEAD of a key.
func getValue(c *call) error {
	ns, key, err := c.target()
	if err != nil {
		return err
	}
	opts, err := readOptions(c.r.Header)
	if err != nil {
		return err
	}
	pre, err := readPreconditions(c.r.Header)
	if err != nil {
		return err
	}
	if err := c.authorize(ns, key, auth.Read); err != nil {
		return err
	}
	entry, err := c.server.opts.Store.Get(c, ns, key, opts)
	if err != nil {
		if kv.CodeOf(err) == kv.CodeNotFound {
			c.setReadHeaders(&entry, &headerBlock{})
		}
		return err
	}
	return c.sendValue(&entry, pre)
}

// preconditions are the conditions of a read.
type preconditions struct {
	match     *entityTags
	noneMatch *entityTags
}

func readPreconditions(h http.Header) (pre preconditions, err error) {
	if pre.match, err = parseEntityTags("If-Match", h["If-Match"]); err != nil {
		return pre, err
	}
	pre.noneMatch, err = parseEntityTags("If-None-Match", h["If-None-Match"])
	return pre, err
}

var (
	headerNoCache = []string{"no-cache"} // may be kept, has to be validated
	headerSandbox = []string{"sandbox"}  // a stored page must not run as this site's
	headerBytes   = []string{"bytes"}
	headerBinary  = []string{"application/octet-stream"}

	headerSources = map[kv.Source][]string{
		kv.SourceDatabase: {string(kv.SourceDatabase)},
		kv.SourceCache:    {string(kv.SourceCache)},
		kv.SourceProcess:  {string(kv.SourceProcess)},
	}
)

// setReadHeaders sets what every answer to a read tells about where it came
// from, and the fields that the block has been given.
func (c *call) setReadHeaders(e *kv.Entry, block *headerBlock) {
	h := c.w.Header()
	block.integer("Trivet-Position", int64(e.Position))
	block.integer("Age", int64(e.Age/time.Second))
	block.write(h)
	if source, ok := headerSources[e.Source]; ok {
		h["Trivet-Source"] = source
	}
}

// sendValue answers with a value, or with what the conditions and the range of
// the request make of it (RFC 9110, 13.2.2 and 14).
func (c *call) sendValue(e *kv.Entry, pre preconditions) error {
	h := c.w.Header()
	if pre.match != nil && !pre.match.matchesStrong(e.Version) {
		return kv.ErrVersionMismatch
	}
	var block headerBlock
	block.quoted("Etag", int64(e.Version))
	if !e.ExpiresAt.IsZero() {
		block.timestamp("Trivet-Expires-At", e.ExpiresAt)
	}
	h["Cache-Control"] = headerNoCache
	if pre.noneMatch != nil && pre.noneMatch.matchesWeak(e.Version) {
		c.setReadHeaders(e, &block)
		c.w.WriteHeader(http.StatusNotModified)
		c.w.WriteHeaderNow()
		return nil
	}
	part, partial, err := c.requestedRange(e)
	if err != nil {
		return err
	}
	block.date("Last-Modified", e.UpdatedAt)
	block.integer("Content-Length", part.length)
	c.setReadHeaders(e, &block)
	h["Accept-Ranges"] = headerBytes
	h["X-Content-Type-Options"] = headerNoSniff
	h["Content-Security-Policy"] = headerSandbox
	if e.ContentType == "" {
		h["Content-Type"] = headerBinary
	} else {
		h["Content-Type"] = []string{e.ContentType}
	}
	for name, value := range e.Meta {
		h[http.CanonicalHeaderKey(metaPrefix+name)] = []string{value}
	}
	if partial {
		h["Content-Range"] = []string{contentRange(part, e.Size)}
		c.w.WriteHeader(http.StatusPartialContent)
	} else {
		c.w.WriteHeader(http.StatusOK)
	}
	return c.write(e.Value[part.start : part.start+part.length])
}

// requestedRange gives the part of the value to answer: all of it, unless a GET
// asks for a range and its If-Range names this version.
func (c *call) requestedRange(e *kv.Entry) (part byteRange, partial bool, err error) {
	size := int64(len(e.Value))
	whole := byteRange{length: size}
	values := c.r.Header["Range"]
	if len(values) != 1 || c.r.Method != http.MethodGet || !ifRange(c.r.Header["If-Range"], e.Version) {
		return whole, false, nil
	}
	part, ok, satisfiable := parseRange(values[0], size)
	switch {
	case !satisfiable:
		c.w.Header()["Content-Range"] = []string{"bytes */" + strconv.FormatInt(size, 10)}
		return whole, false, &kv.Error{
			Code:   kv.CodeRangeNotSatisfiable,
			Field:  "Range",
			Detail: "the value has " + strconv.FormatInt(size, 10) + " bytes; the range begins behind them",
		}
	case !ok:
		return whole, false, nil
	}
	return part, true, nil
}

// ifRange tells whether a range is wanted of this version. A date never proves
// that: two versions may be of one second.
func ifRange(values []string, v kv.Version) bool {
	if len(values) == 0 {
		return true
	}
	tag, rest, ok := cutEntityTag(values[0])
	return ok && len(values) == 1 && rest == "" && !tag.weak && tag.version == v
}

func contentRange(part byteRange, size int64) string {
	b := append(make([]byte, 0, 64), "bytes "...)
	b = strconv.AppendInt(b, part.start, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, part.start+part.length-1, 10)
	b = append(b, '/')
	return string(strconv.AppendInt(b, size, 10))
}
