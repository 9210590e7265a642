package oidc

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"
)

const (
	// documentTimeout bounds how long a request waits for a document of the
	// issuer.
	documentTimeout = 5 * time.Second

	// documentPause is the shortest time between two reads of a document. A
	// token with an unknown key, or with a signature that is not good, asks for
	// the issuer's keys; anybody can make those up.
	documentPause = 5 * time.Second

	maxDocumentBytes = 256 << 10
)

// documents reads the issuer's documents, which are not to be trusted with the
// server's time and memory. It is the transport of a client.
type documents struct {
	next http.RoundTripper
	now  func() time.Time

	mu      sync.Mutex
	asked   map[string]time.Time // by URL: discovery and keys, and where they redirect to
	failing bool                 // the last read has failed
}

func newDocuments(client *http.Client, now func() time.Time) *documents {
	d := &documents{next: http.DefaultTransport, now: now, asked: map[string]time.Time{}}
	if client != nil && client.Transport != nil {
		d.next = client.Transport
	}
	return d
}

func (d *documents) client() *http.Client {
	return &http.Client{Transport: d, Timeout: documentTimeout}
}

var errPaused = errors.New("the document was asked for a moment ago")

// RoundTrip implements [http.RoundTripper].
func (d *documents) RoundTrip(r *http.Request) (*http.Response, error) {
	if !d.due(r.URL.String()) {
		return nil, errPaused
	}
	response, err := d.read(r)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.failing = err != nil
	return response, err
}

func (d *documents) due(url string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if asked, ok := d.asked[url]; ok && now.Sub(asked) < documentPause {
		return false
	}
	d.asked[url] = now
	return true
}

// read reads the whole document, so that a body which does not come is a
// failure like any other.
func (d *documents) read(r *http.Request) (*http.Response, error) {
	response, err := d.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusInternalServerError {
		return nil, fmt.Errorf("the issuer answers %s", response.Status)
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxDocumentBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read the issuer's document: %w", err)
	}
	if len(body) > maxDocumentBytes {
		return nil, fmt.Errorf("the issuer's document is larger than %d KiB", maxDocumentBytes>>10)
	}
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// down tells whether the last read has failed.
func (d *documents) down() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.failing
}
