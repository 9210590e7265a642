// Package v1alpha1 stands in for the types of Knative's networks, first version.
package v1alpha1

// HTTPOption says what plain HTTP gets of an ingress.
type HTTPOption string

// What plain HTTP gets of an ingress.
const (
	HTTPOptionEnabled    HTTPOption = "Enabled"
	HTTPOptionRedirected HTTPOption = "Redirected"
)
