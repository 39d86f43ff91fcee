package certs

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"testing"
)

// shake makes a handshake with a certificate and returns what the client saw.
func shake(certificate tls.Certificate) (*x509.Certificate, error) {
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	server := tls.Server(there, &tls.Config{
		Certificates: []tls.Certificate{certificate}, MaxVersion: tls.VersionTLS12,
	})
	go func() { _ = server.Handshake() }()
	client := tls.Client(here, &tls.Config{InsecureSkipVerify: true})
	if err := client.Handshake(); err != nil {
		return nil, err
	}
	return client.ConnectionState().PeerCertificates[0], nil
}

func TestCertificates(t *testing.T) {
	chain, err := New()
	if err != nil {
		t.Fatal(err)
	}
	for kind, version := range map[string]int{"": 3, Other: 3, V1: 1} {
		seen, err := shake(chain.Get(kind))
		if err != nil || seen.Version != version {
			t.Fatalf("%q: version %v, %v", kind, seen, err)
		}
		same := SHA1(tls.Certificate{Certificate: [][]byte{seen.Raw}}) == SHA1(chain.Get(""))
		if same != (kind == "") {
			t.Fatalf("%q: has the thumbprint of the good one: %v", kind, same)
		}
	}
	if _, err := shake(chain.Get(Forged)); err == nil {
		t.Fatal("a handshake without the key of the certificate succeeded")
	}
	if got := chain.Get(Forged); SHA256(got) != SHA256(chain.Get("")) {
		t.Fatal("the forged certificate has another thumbprint")
	}
}
