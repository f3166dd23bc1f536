package kafkatest

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"time"
)

// Secure is what a client needs for the listeners that ask for more than an
// address. SASL knows PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512, with the same user.
type Secure struct {
	TLS     string // HOST:PORT: the server shows a certificate of CAFile
	MTLS    string // the client must show CertFile as well
	SASL    string // user and password, not encrypted
	SASLTLS string // user and password over TLS

	User, Password string

	CAFile            string // PEM, of the authority that signed both sides
	CertFile, KeyFile string // PEM, of the client
}

// secure adds the secure listeners, makes what they need, and returns their
// lines of server.properties and the arguments for formatting.
func (b *Broker) secure(l *listeners) (lines, format []string, err error) {
	ports, err := freePorts(4)
	if err != nil {
		return nil, nil, err
	}
	addr := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", ports[i]) }
	s := &Secure{
		TLS: addr(0), MTLS: addr(1), SASL: addr(2), SASLTLS: addr(3), User: "assent", Password: "pass-of-the-test",
		CAFile: b.path("ca.pem"), CertFile: b.path("client.pem"), KeyFile: b.path("client.key"),
	}
	if err := b.certificates(s); err != nil {
		return nil, nil, err
	}
	lines = []string{
		"ssl.keystore.type=PEM", "ssl.keystore.location=" + b.path("server.pem"),
		"ssl.truststore.type=PEM", "ssl.truststore.location=" + s.CAFile,
		"listener.name.mtls.ssl.client.auth=required",
	}
	l.add("TLS", "SSL", s.TLS, s.TLS)
	l.add("MTLS", "SSL", s.MTLS, s.MTLS)
	l.add("SASL", "SASL_PLAINTEXT", s.SASL, s.SASL)
	l.add("SASLTLS", "SASL_SSL", s.SASLTLS, s.SASLTLS)
	const module = "org.apache.kafka.common.security."
	for _, name := range []string{"sasl", "sasltls"} {
		name = "listener.name." + name + "."
		lines = append(lines,
			name+"sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512",
			fmt.Sprintf(`%splain.sasl.jaas.config=%splain.PlainLoginModule required user_%s="%s";`, name, module, s.User, s.Password),
			name+"scram-sha-256.sasl.jaas.config="+module+"scram.ScramLoginModule required;",
			name+"scram-sha-512.sasl.jaas.config="+module+"scram.ScramLoginModule required;",
		)
	}
	for _, mechanism := range []string{"SCRAM-SHA-256", "SCRAM-SHA-512"} {
		format = append(format, "--add-scram", fmt.Sprintf("%s=[name=%s,password=%s]", mechanism, s.User, s.Password))
	}
	b.Secure = s
	return lines, format, nil
}

// certificates makes an authority and, signed by it, the certificates of the
// broker and of a client.
func (b *Broker) certificates(s *Secure) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	ca := certificate(1, "authority of the test")
	ca.IsCA, ca.BasicConstraintsValid, ca.KeyUsage = true, true, x509.KeyUsageCertSign
	signer := &signer{ca, key}
	root, _, err := signer.sign(ca, key)
	if err != nil {
		return err
	}
	pairs := [2][2][]byte{}
	for i, name := range []string{"broker", "client"} {
		leaf := certificate(int64(i+2), name)
		leaf.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1)}
		leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth}
		own, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return err
		}
		if pairs[i][0], pairs[i][1], err = signer.sign(leaf, own); err != nil {
			return err
		}
	}
	files := map[string][]byte{
		s.CAFile: root, s.CertFile: pairs[1][0], s.KeyFile: pairs[1][1],
		b.path("server.pem"): bytes.Join([][]byte{pairs[0][1], pairs[0][0], root}, nil),
	}
	for path, content := range files {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func certificate(serial int64, name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
}

type signer struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// sign returns certificate and key in PEM.
func (s *signer) sign(c *x509.Certificate, key *ecdsa.PrivateKey) (cert, private []byte, err error) {
	der, err := x509.CreateCertificate(rand.Reader, c, s.cert, &key.PublicKey, s.key)
	if err != nil {
		return nil, nil, err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), nil
}
