package aws

import (
	"crypto/x509"
	_ "embed" // the authorities below
	"encoding/pem"
	"fmt"
	"strings"
)

// rdsRootsPEM are the authorities by which RDS's servers are known, those of
// every region. They are AWS's own and are not among those that systems trust.
// The newest are at https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem.
//
//go:embed rds-roots.pem
var rdsRootsPEM []byte

// rdsRoots are the authorities of one region, as PEM. A server of another
// region is none of ours.
func rdsRoots(region string) (string, error) {
	var roots strings.Builder
	for rest := rdsRootsPEM; ; {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		authority, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return "", fmt.Errorf("authorities of RDS: %w", err)
		}
		if strings.HasPrefix(authority.Subject.CommonName, "Amazon RDS "+region+" Root CA ") {
			roots.Write(pem.EncodeToMemory(block))
		}
	}
	if roots.Len() == 0 {
		return "", fmt.Errorf("no authority of RDS is known for region %s: add those of its bundle to infra/aws/rds-roots.pem", region)
	}
	return roots.String(), nil
}
