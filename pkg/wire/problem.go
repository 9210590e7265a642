package wire

import "github.com/trivetkv/trivet/pkg/kv"

// ProblemContentType is the media type of a [Problem] (RFC 9457).
const ProblemContentType = "application/problem+json"

// Problem is an error as HTTP carries it.
type Problem struct {
	Type      string  `json:"type"`
	Title     string  `json:"title"`
	Status    int     `json:"status"`
	Code      kv.Code `json:"code"`
	Detail    string  `json:"detail"`
	Field     string  `json:"field,omitempty"`
	RequestID string  `json:"request_id"`
}

// Err gives the error that the problem stands for: internal for one without a
// code, which the API never sends.
func (p Problem) Err() *kv.Error {
	if p.Code == "" {
		return kv.Errorf(kv.CodeInternal, "the server's problem has no code")
	}
	return &kv.Error{Code: p.Code, Detail: p.Detail, Field: p.Field}
}
