module github.com/trivetkv/trivet/cmd/trivet

go 1.26.0

require (
	github.com/trivetkv/trivet/pkg v0.0.0
	github.com/trivetkv/trivet/services/api v0.0.0
	github.com/trivetkv/trivet/services/consumer v0.0.0
)

require (
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
)

replace github.com/trivetkv/trivet/pkg => ../../pkg

replace github.com/trivetkv/trivet/services/api => ../../services/api

replace github.com/trivetkv/trivet/services/consumer => ../../services/consumer
