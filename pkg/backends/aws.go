package backends

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/aws-sdk-go-v2/feature/rds/auth"

	"github.com/trivetkv/trivet/pkg/config"
)

// awsPassword logs in to Amazon RDS and Aurora with the identity of this
// process: in place of a password goes a token that its credentials have signed,
// with which connections can be opened for fifteen minutes. The credentials come
// from the endpoint that EKS Pod Identity and ECS give each container; of the
// cloud's SDK no more than that is linked.
func awsPassword(u config.URL) (func(context.Context) (string, error), error) {
	if _, err := awsTarget(u.Parsed()); err != nil {
		return nil, err
	}
	region := os.Getenv("AWS_REGION")
	if region == "" {
		return nil, &urlError{"TRIVET_DATABASE_LOGIN is aws, and AWS_REGION does not name the database's region"}
	}
	identity, err := containerIdentity()
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context) (string, error) {
		now, err := u.Current()
		if err != nil {
			return "", err
		}
		address, err := awsTarget(now)
		if err != nil {
			return "", err
		}
		return auth.BuildAuthToken(ctx, address, region, now.User.Username(), identity)
	}, nil
}

// awsTarget gives HOST:PORT of a database that a token is for. The token is as
// good as a password for a while, so it goes to nobody but the database.
func awsTarget(u *url.URL) (string, error) {
	switch {
	case strings.Contains(u.Host, ","):
		return "", &urlError{"it names several hosts, and TRIVET_DATABASE_LOGIN is aws, whose tokens are for one; expected the writer's endpoint"}
	case u.User.Username() == "":
		return "", &urlError{"it names no user; expected postgres://USER@HOST/NAME"}
	case u.Query().Get("sslmode") != "verify-full":
		return "", &urlError{"TRIVET_DATABASE_LOGIN is aws, whose tokens go to nobody but the database; expected sslmode=verify-full"}
	}
	port := u.Port()
	if port == "" {
		port = "5432"
	}
	return net.JoinHostPort(u.Hostname(), port), nil
}

// Variables by which a container finds the credentials of its identity, as
// every SDK of AWS reads them.
const (
	identityURI   = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
	identityPath  = "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"
	identityProof = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
	identityHost  = "http://169.254.170.2" // of relative ones, on ECS
)

// containerIdentity keeps the credentials of this container until shortly before
// they run out. The token that asks for them is in a file that is rotated.
func containerIdentity() (aws.CredentialsProvider, error) {
	endpoint := os.Getenv(identityURI)
	if path := os.Getenv(identityPath); endpoint == "" && path != "" {
		endpoint = identityHost + path
	}
	if endpoint == "" {
		return nil, &urlError{fmt.Sprintf(
			"TRIVET_DATABASE_LOGIN is aws, and this process has no identity: %s is not set; associate the pod's service account with a role", identityURI)}
	}
	return aws.NewCredentialsCache(endpointcreds.New(endpoint, func(o *endpointcreds.Options) {
		if file := os.Getenv(identityProof); file != "" {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(func() (string, error) {
				token, err := os.ReadFile(file) //nolint:gosec // the cloud names it
				return strings.TrimSpace(string(token)), err
			})
		}
	})), nil
}
