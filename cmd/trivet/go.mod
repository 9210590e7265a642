module github.com/trivetkv/trivet/cmd/trivet

go 1.26.0

require (
	github.com/trivetkv/trivet/pkg v0.0.0
	github.com/trivetkv/trivet/services/api v0.0.0
	github.com/trivetkv/trivet/services/consumer v0.0.0
)

require (
	github.com/goccy/go-yaml v1.19.2 // indirect
	github.com/inconshreveable/mousetrap v1.1.0 // indirect
	github.com/mitchellh/colorstring v0.0.0-20190213212951-d06e56a500db // indirect
	github.com/rivo/uniseg v0.4.7 // indirect
	github.com/schollz/progressbar/v3 v3.19.1 // indirect
	github.com/spf13/cobra v1.10.2 // indirect
	github.com/spf13/pflag v1.0.9 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/term v0.44.0 // indirect
)

replace github.com/trivetkv/trivet/pkg => ../../pkg

replace github.com/trivetkv/trivet/services/api => ../../services/api

replace github.com/trivetkv/trivet/services/consumer => ../../services/consumer
