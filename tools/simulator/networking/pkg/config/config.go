// Package config stands in for Knative's settings of its networks.
package config

// Config is the settings that code of Knative Serving reads.
type Config struct {
	HTTPProtocol                  HTTPProtocol
	ExternalDomainTLS             bool
	ClusterLocalDomainTLS         EncryptionConfig
	NamespaceWildcardCertSelector any
}

// SystemInternalTLSEnabled tells that there is no TLS: there is no network.
func (*Config) SystemInternalTLSEnabled() bool { return false }

// EncryptionConfig says whether TLS is used.
type EncryptionConfig string

// EncryptionEnabled is that it is.
const EncryptionEnabled EncryptionConfig = "enabled"

// HTTPProtocol says what plain HTTP gets.
type HTTPProtocol string

// What plain HTTP gets.
const (
	HTTPEnabled    HTTPProtocol = "enabled"
	HTTPDisabled   HTTPProtocol = "disabled"
	HTTPRedirected HTTPProtocol = "redirected"
)

// MeshCompatibilityMode says whether pods are asked at their own addresses.
type MeshCompatibilityMode string

// Whether pods are asked at their own addresses.
const (
	MeshCompatibilityModeEnabled  MeshCompatibilityMode = "enabled"
	MeshCompatibilityModeDisabled MeshCompatibilityMode = "disabled"
)
