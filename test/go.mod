module github.com/trivetkv/trivet/test

go 1.26.0

require (
	github.com/trivetkv/trivet/pkg v0.0.0
	github.com/trivetkv/trivet/services/api v0.0.0
)

require github.com/anishathalye/porcupine v1.3.1 // indirect

replace (
	github.com/trivetkv/trivet/pkg => ../pkg
	github.com/trivetkv/trivet/services/api => ../services/api
)
