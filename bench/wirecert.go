package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"sync"
	"time"
)

// stsHostname is Google's, for the libraries, which are given its URL.
const stsHostname = "sts.googleapis.com"

// identity is the fakes' certificate, with its chain, and who has to be trusted for
// it, as PEM.
type identity struct {
	certificate tls.Certificate
	authority   []byte
}

// theIdentity is made once, as three RSA keys take a while.
var theIdentity = sync.OnceValues(newIdentity)

// newIdentity makes a certificate for 127.0.0.1 and stsHostname that comes with two
// of authorities, all RSA with 2048 bits, as AWS's and Google's do. Theirs are longer
// by what else is in them: in earnest, a handshake without a certificate saves more.
func newIdentity() (identity, error) {
	now := time.Now()
	template := func(serial int64, name string) *x509.Certificate {
		return &x509.Certificate{
			SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name, Organization: []string{"wifmint bench"}},
			NotBefore: now.Add(-time.Hour), NotAfter: now.Add(24 * time.Hour), BasicConstraintsValid: true,
		}
	}
	root, intermediate, leaf := template(1, "root"), template(2, "intermediate"), template(3, "127.0.0.1")
	for _, authority := range []*x509.Certificate{root, intermediate} {
		authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	}
	leaf.IPAddresses, leaf.DNSNames = []net.IP{net.IPv4(127, 0, 0, 1)}, []string{stsHostname}
	leaf.KeyUsage, leaf.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}

	var chain [][]byte // the leaf first
	issuer, issuerKey := root, (*rsa.PrivateKey)(nil)
	for _, c := range []*x509.Certificate{root, intermediate, leaf} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			return identity{}, fmt.Errorf("making a certificate: %w", err)
		}
		if issuerKey == nil {
			issuerKey = key
		}
		der, err := x509.CreateCertificate(rand.Reader, c, issuer, key.Public(), issuerKey)
		if err != nil {
			return identity{}, fmt.Errorf("making a certificate: %w", err)
		}
		chain = append([][]byte{der}, chain...)
		issuer, issuerKey = c, key
	}
	return identity{
		tls.Certificate{Certificate: chain, PrivateKey: issuerKey},
		pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: chain[2]}),
	}, nil
}
