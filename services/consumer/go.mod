module github.com/trivetkv/trivet/services/consumer

go 1.26.0

require github.com/trivetkv/trivet/pkg v0.0.0

require github.com/prometheus/client_golang v1.25.0 // indirect

replace github.com/trivetkv/trivet/pkg => ../../pkg
