module github.com/trivetkv/trivet/services/autoscaler

go 1.26.0
