// Stands in for Knative's own: README.md says why and with what.
module knative.dev/networking

go 1.26.0

require knative.dev/pkg v0.0.0-20261026113028-cfa0ac991c5a
