// Package client speaks the HTTP API of Trivet. A [Client] is a kv.API: the
// same calls as a store in the same process, with the same errors, kv.Error
// with the code that the server answered; what never reached a server, or was
// answered by something else on the way, is unavailable.
//
// What could not be answered is sent again, with pauses; every write carries
// an idempotency key, so that it is made once. After a last unavailable or
// timeout error a write may or may not have been made: repeat it under an
// identity of its own to find out.
package client

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/trivetkv/trivet/pkg/kv"
	"github.com/trivetkv/trivet/pkg/wire"
)

// maxAnswerBytes bounds what is read of one answer: a full page of values as
// base64 is smaller.
const maxAnswerBytes = 64 << 20

// Options say which server to talk to, and how.
type Options struct {
	URL       string // base of the server: http://HOST:PORT or https://HOST
	Token     string // bearer token; empty: none is sent
	UserAgent string // empty: "trivet-go"
	Retry     Retry

	// TLS is for https: authorities to trust instead of the machine's
	// (RootCAs), a certificate of the caller's own (Certificates). Nil trusts
	// what the machine trusts. It excludes Transport.
	TLS *tls.Config

	// Transport sends the requests; nil makes one that keeps enough connections
	// open for many concurrent calls.
	Transport http.RoundTripper
}

// Client calls one server. It may be used concurrently and keeps connections
// open between calls.
type Client struct {
	base      *url.URL
	token     string
	userAgent string
	retry     Retry
	http      *http.Client
}

var _ kv.API = (*Client)(nil)

// New makes a client. It does not connect yet.
func New(opts Options) (*Client, error) {
	base, err := url.Parse(opts.URL)
	if err != nil || base.Scheme != "http" && base.Scheme != "https" || base.Host == "" {
		return nil, kv.Invalid("url", "the server's URL has to be http://HOST:PORT or https://HOST")
	}
	if base.RawQuery != "" || base.Fragment != "" || base.User != nil {
		return nil, kv.Invalid("url", "the server's URL may have no user, query or fragment")
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = ""
	if strings.ContainsFunc(opts.Token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, kv.Invalid("token", "the token has to be printable ASCII without spaces")
	}
	transport := opts.Transport
	switch {
	case transport == nil:
		transport = newTransport(opts.TLS)
	case opts.TLS != nil:
		return nil, kv.Invalid("tls", "a transport has TLS settings of its own; give one or the other")
	}
	userAgent := opts.UserAgent
	if userAgent == "" {
		userAgent = "trivet-go"
	}
	return &Client{
		base:      base,
		token:     opts.Token,
		userAgent: userAgent,
		retry:     opts.Retry.withDefaults(),
		http: &http.Client{
			Transport: transport,
			// The API never redirects; something else on the way does.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func newTransport(settings *tls.Config) *http.Transport {
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		ForceAttemptHTTP2:     true,
		MaxIdleConnsPerHost:   256, // the default of 2 opens a connection for nearly every concurrent call
		IdleConnTimeout:       90 * time.Second,
		TLSClientConfig:       settings.Clone(),
		TLSHandshakeTimeout:   5 * time.Second,
		ExpectContinueTimeout: time.Second,
	}
}

// Close closes connections that are idle.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// request is one call to be sent.
type request struct {
	method string
	path   path
	query  url.Values
	header http.Header
	body   []byte // nil: none
}

// sendOnce is send without another attempt.
func (c *Client) sendOnce(ctx context.Context, r request) (*http.Response, http.Header, error) {
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, "", body)
	if err != nil {
		return nil, nil, kv.AsError(err)
	}
	req.URL = r.path.under(c.base, r.query)
	req.Host = c.base.Host
	if r.header != nil {
		req.Header = r.header.Clone() // another attempt begins with the same
	}
	req.Header.Set("User-Agent", c.userAgent)
	if c.token != "" {
		req.Header.Set("Authorization", "Bearer "+c.token)
	}
	response, err := c.http.Do(req)
	if err != nil {
		return nil, nil, unreachable(err)
	}
	if response.StatusCode >= 200 && response.StatusCode <= 299 {
		return response, response.Header, nil
	}
	defer response.Body.Close()
	return nil, response.Header, refusal(response)
}

// call sends a request and reads the whole answer.
func (c *Client) call(ctx context.Context, r request) (status int, header http.Header, body []byte, err error) {
	response, header, err := c.send(ctx, r)
	if err != nil {
		return 0, header, nil, err
	}
	defer response.Body.Close()
	body, err = readAll(response.Body)
	return response.StatusCode, header, body, err
}

// callJSON is call for an answer that is one JSON document.
func (c *Client) callJSON(ctx context.Context, r request, shape any) (status int, header http.Header, err error) {
	status, header, body, err := c.call(ctx, r)
	if err != nil {
		return 0, header, err
	}
	if err := wire.Unmarshal(body, shape); err != nil {
		return 0, header, &kv.Error{Code: kv.CodeInternal, Detail: "the answer is not what the API answers", Cause: err}
	}
	return status, header, nil
}

func readAll(body io.Reader) ([]byte, error) {
	data, err := io.ReadAll(io.LimitReader(body, maxAnswerBytes+1))
	if err != nil {
		return nil, unreachable(err)
	}
	if len(data) > maxAnswerBytes {
		return nil, kv.Errorf(kv.CodeInternal, "the answer is larger than any that the API gives")
	}
	return data, nil
}

// unreachable is the error of a call without a whole answer. The reason is in
// its detail, for a person who has to find out which server or network it was.
func unreachable(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return kv.AsError(err)
	}
	var sending *url.Error
	if errors.As(err, &sending) {
		err = sending.Err // without the URL, which shows the key
	}
	detail := "the server could not be reached"
	if isUntrusted(err) {
		detail = "the server's certificate is not trusted"
	}
	return &kv.Error{Code: kv.CodeUnavailable, Detail: detail, Cause: err}
}

// isUntrusted tells that the server showed a certificate that is not good for
// it, which no repetition changes.
func isUntrusted(err error) bool {
	var refused *tls.CertificateVerificationError
	return errors.As(err, &refused)
}

// refusal makes an error of an answer whose status is not 2xx.
func refusal(response *http.Response) error {
	var problem wire.Problem
	mediaType, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if mediaType == wire.ProblemContentType {
		body, err := readAll(response.Body)
		if err != nil {
			return err
		}
		if err := wire.Unmarshal(body, &problem); err != nil || problem.Code == "" {
			problem = wire.Problem{}
		}
	}
	if problem.Code == "" {
		return foreign(response.StatusCode)
	}
	e := problem.Err()
	if seconds, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && seconds > 0 {
		e.RetryAfter = time.Duration(seconds) * time.Second
	}
	if problem.Status >= http.StatusInternalServerError && problem.RequestID != "" {
		e.Cause = fmt.Errorf("request %s", problem.RequestID) // with which its operator finds the cause
	}
	return e
}

// foreign makes an error of an answer that has no problem document: one to
// HEAD, or of something between client and server.
func foreign(status int) error {
	code := kv.CodeInternal
	switch status {
	case http.StatusUnauthorized:
		code = kv.CodeUnauthenticated
	case http.StatusForbidden:
		code = kv.CodeForbidden
	case http.StatusNotFound:
		code = kv.CodeNotFound
	case http.StatusRequestEntityTooLarge:
		code = kv.CodeTooLarge
	case http.StatusTooManyRequests:
		code = kv.CodeRateLimited
	case http.StatusBadGateway, http.StatusServiceUnavailable:
		code = kv.CodeUnavailable
	case http.StatusGatewayTimeout:
		code = kv.CodeTimeout
	}
	return kv.Errorf(code, "the answer was %d %s without a problem document", status, http.StatusText(status))
}
