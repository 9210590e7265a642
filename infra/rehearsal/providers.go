package rehearsal

import (
	"time"

	"github.com/trivetkv/trivet/infra/rehearsal/standin"
	"github.com/trivetkv/trivet/infra/rehearsal/standin/aws"
	"github.com/trivetkv/trivet/infra/rehearsal/standin/kubernetes"
	"github.com/trivetkv/trivet/infra/rehearsal/standin/random"
	"github.com/trivetkv/trivet/infra/rehearsal/standin/tls"
)

// Providers gives a stand-in for each provider that the program uses. With a
// kubeconfig, that of Kubernetes applies to the cluster which it names.
func Providers(cloud *standin.Cloud, now func() time.Time, kubeconfig string) ([]standin.Provider, error) {
	amazon, err := aws.New(cloud)
	if err != nil {
		return nil, err
	}
	values, err := random.New(cloud)
	if err != nil {
		return nil, err
	}
	certificates, err := tls.New(cloud, now)
	if err != nil {
		return nil, err
	}
	cluster, err := kubernetes.New(cloud, kubeconfig)
	if err != nil {
		return nil, err
	}
	return []standin.Provider{amazon, values, certificates, cluster}, nil
}
