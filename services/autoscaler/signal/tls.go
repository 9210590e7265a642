package signal

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"

	"github.com/trivetkv/trivet/pkg/certs"
)

// NewClient gives a client that asks the pods of a workload. Pods are asked by
// their addresses, which no certificate names: theirs has to be for the server's
// name, and signed by an authority of the file, which each new connection reads
// again. Without a file, pods are asked over plain HTTP.
func NewClient(authorities, serverName string) *http.Client {
	if authorities == "" {
		return &http.Client{}
	}
	files := certs.ClientFiles{CA: authorities, ServerName: serverName}
	transport := &http.Transport{
		ForceAttemptHTTP2: true,
		DialTLSContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			config, err := files.Config()
			if err != nil {
				return nil, err
			}
			config.NextProtos = []string{"h2", "http/1.1"}
			return (&tls.Dialer{Config: config}).DialContext(ctx, network, address)
		},
	}
	return &http.Client{Transport: transport}
}
