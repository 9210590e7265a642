package server

import (
	"net/http"
	"strconv"
	"time"

	"github.com/trivetkv/trivet/pkg/auth"
	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/services/api/server/request"
)

// getValue answers GET and HEAD of a key.
func getValue(c *call) error {
	ns, key, err := c.target()
	if err != nil {
		return err
	}
	opts, err := request.ReadOptions(c.r.Header)
	if err != nil {
		return err
	}
	pre, err := request.ReadPreconditions(c.r.Header)
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
	block.integer("Trivet-Position", int64(e.Position))
	block.integer("Age", int64(e.Age/time.Second))
	block.write(c)
	if source, ok := headerSources[e.Source]; ok {
		c.set("Trivet-Source", source)
	}
}

// sendValue answers with a value, or with what the conditions and the range of
// the request make of it (RFC 9110, 13.2.2 and 14).
func (c *call) sendValue(e *kv.Entry, pre request.Preconditions) error {
	if pre.Match != nil && !pre.Match.MatchesStrong(e.Version) {
		return kv.ErrVersionMismatch
	}
	var block headerBlock
	block.quoted("Etag", int64(e.Version))
	if !e.ExpiresAt.IsZero() {
		block.timestamp("Trivet-Expires-At", e.ExpiresAt)
	}
	c.set("Cache-Control", headerNoCache)
	if pre.NoneMatch != nil && pre.NoneMatch.MatchesWeak(e.Version) {
		c.setReadHeaders(e, &block)
		c.w.WriteHeader(http.StatusNotModified)
		c.w.WriteHeaderNow()
		return nil
	}
	part, partial, err := c.requestedRange(e)
	if err != nil {
		return err
	}
	if err := c.hold(part.Length); err != nil {
		return err
	}
	block.date("Last-Modified", e.UpdatedAt)
	block.integer("Content-Length", part.Length)
	c.setReadHeaders(e, &block)
	c.set("Accept-Ranges", headerBytes)
	c.set("X-Content-Type-Options", headerNoSniff)
	c.set("Content-Security-Policy", headerSandbox)
	if e.ContentType == "" {
		c.set("Content-Type", headerBinary)
	} else {
		c.setText("Content-Type", e.ContentType)
	}
	for name, value := range e.Meta {
		c.setText(http.CanonicalHeaderKey(request.MetaPrefix+name), value)
	}
	if partial {
		c.setText("Content-Range", contentRange(part, e.Size))
		c.w.WriteHeader(http.StatusPartialContent)
	} else {
		c.w.WriteHeader(http.StatusOK)
	}
	return c.write(e.Value[part.Start : part.Start+part.Length])
}

// requestedRange gives the part of the value to answer: all of it, unless a GET
// asks for a range and its If-Range names this version.
func (c *call) requestedRange(e *kv.Entry) (part request.Range, partial bool, err error) {
	size := int64(len(e.Value))
	whole := request.Range{Length: size}
	values := c.r.Header["Range"]
	if len(values) != 1 || c.r.Method != http.MethodGet || !request.IfRange(c.r.Header["If-Range"], e.Version) {
		return whole, false, nil
	}
	part, ok, satisfiable := request.ParseRange(values[0], size)
	switch {
	case !satisfiable:
		c.setText("Content-Range", "bytes */"+strconv.FormatInt(size, 10))
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

func contentRange(part request.Range, size int64) string {
	b := append(make([]byte, 0, 64), "bytes "...)
	b = strconv.AppendInt(b, part.Start, 10)
	b = append(b, '-')
	b = strconv.AppendInt(b, part.Start+part.Length-1, 10)
	b = append(b, '/')
	return string(strconv.AppendInt(b, size, 10))
}
