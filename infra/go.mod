module github.com/trivetkv/trivet/infra

go 1.26.0

require (
	github.com/pulumi/pulumi-aws/sdk/v6 v6.83.0
	github.com/pulumi/pulumi-kubernetes/sdk/v4 v4.23.0
	github.com/pulumi/pulumi-random/sdk/v4 v4.18.4
	github.com/pulumi/pulumi-tls/sdk/v5 v5.2.0
	github.com/pulumi/pulumi/sdk/v3 v3.190.0
)

require k8s.io/client-go v0.34.2 // indirect

require (
	github.com/blang/semver v3.5.1+incompatible // indirect
	github.com/santhosh-tekuri/jsonschema/v5 v5.0.0
	github.com/trivetkv/trivet/pkg v0.0.0
	gopkg.in/yaml.v3 v3.0.1
	k8s.io/api v0.34.2 // indirect
	k8s.io/apimachinery v0.34.2 // indirect
	k8s.io/pod-security-admission v0.34.2 // indirect
)

replace github.com/trivetkv/trivet/pkg => ../pkg
