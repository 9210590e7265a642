// Package header stands in for the names of Knative's HTTP headers.
package header

// ProtobufMIMEType is the form in which pods are scraped.
const ProtobufMIMEType = "application/protobuf"
