// Package networking stands in for the types of Knative's networks.
package networking

import (
	"context"

	"knative.dev/pkg/apis"
)

// GroupName is the group of the types.
const GroupName = "networking.internal.knative.dev"

// ProtocolType is the protocol in which a pod is spoken to.
type ProtocolType string

// Validate finds nothing wrong: nothing in a simulation comes from outside.
func (ProtocolType) Validate(context.Context) *apis.FieldError { return nil }

// GetHTTPProtocol gives none: nothing in a simulation has annotations.
func GetHTTPProtocol(map[string]string) string { return "" }
