// Package certs makes certificates: good ones, and ones that a careful client refuses.
package certs

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"math/big"
	"strings"
	"time"
)

// Kinds of certificates that can be shown in place of the good one.
const (
	Other  = "other"  // another certificate, with its own key
	Forged = "forged" // the good certificate, without having its key
	V1     = "v1"     // a certificate of X.509 version 1 for the good key
)

// Chain has the certificates of one server.
type Chain struct {
	good, other tls.Certificate
	v1          tls.Certificate
}

// New makes the certificates. Each is self-signed, as on a host that was just installed.
func New() (*Chain, error) {
	good, err := selfSigned()
	if err != nil {
		return nil, err
	}
	other, err := selfSigned()
	if err != nil {
		return nil, err
	}
	v1, err := versionOne(good.PrivateKey.(*rsa.PrivateKey))
	if err != nil {
		return nil, err
	}
	return &Chain{good, other, v1}, nil
}

// Get returns a certificate by its kind, the good one for "".
func (c *Chain) Get(kind string) tls.Certificate {
	switch kind {
	case Other:
		return c.other
	case Forged:
		return tls.Certificate{Certificate: c.good.Certificate, PrivateKey: c.other.PrivateKey}
	case V1:
		return c.v1
	}
	return c.good
}

// SHA1 returns the thumbprint of a certificate that tickets have.
func SHA1(c tls.Certificate) string {
	sum := sha1.Sum(c.Certificate[0])
	return colons(sum[:])
}

// SHA256 returns the thumbprint that the data port announces.
func SHA256(c tls.Certificate) string {
	sum := sha256.Sum256(c.Certificate[0])
	return colons(sum[:])
}

func colons(sum []byte) string {
	return strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")
}

func selfSigned() (tls.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		return tls.Certificate{}, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "localhost.localdomain", Organization: []string{"VMware, Inc"}},
		NotBefore:             now.Add(-24 * time.Hour),
		NotAfter:              now.Add(10 * 365 * 24 * time.Hour),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageKeyEncipherment | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:              []string{"localhost.localdomain", "localhost"},
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}

// versionOne makes a certificate of X.509 version 1: no version field and no extensions (RFC 5280, 4.1).
// Go's library makes only version 3.
func versionOne(key *rsa.PrivateKey) (tls.Certificate, error) {
	algorithm := pkix.AlgorithmIdentifier{
		Algorithm:  asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, // sha256WithRSAEncryption
		Parameters: asn1.NullRawValue,
	}
	publicKey, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	name := pkix.Name{CommonName: "localhost.localdomain"}.ToRDNSequence()
	now := time.Now().UTC()
	body, err := asn1.Marshal(struct {
		Serial    *big.Int
		Algorithm pkix.AlgorithmIdentifier
		Issuer    pkix.RDNSequence
		Validity  struct{ NotBefore, NotAfter time.Time }
		Subject   pkix.RDNSequence
		PublicKey asn1.RawValue
	}{
		big.NewInt(1), algorithm, name,
		struct{ NotBefore, NotAfter time.Time }{now.Add(-24 * time.Hour), now.Add(24 * 365 * time.Hour)},
		name, asn1.RawValue{FullBytes: publicKey},
	})
	if err != nil {
		return tls.Certificate{}, err
	}
	digest := sha256.Sum256(body)
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, digest[:])
	if err != nil {
		return tls.Certificate{}, err
	}
	der, err := asn1.Marshal(struct {
		Body      asn1.RawValue
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}{asn1.RawValue{FullBytes: body}, algorithm, asn1.BitString{Bytes: signature, BitLength: len(signature) * 8}})
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, nil
}
