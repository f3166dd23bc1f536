package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

// Every way in, on one broker that asks for it, and what a wrong key gets.
func TestSecureListeners(t *testing.T) {
	b := kafkatest.StartWith(t, kafkatest.Options{Secure: true})
	s := b.Secure
	tls := func() *TLS { return &TLS{CAFile: s.CAFile} }
	mtls := func() *TLS { return &TLS{CAFile: s.CAFile, CertFile: s.CertFile, KeyFile: s.KeyFile} }
	user := func(mechanism string) *SASL {
		return &SASL{Mechanism: mechanism, Username: s.User, Password: s.Password}
	}
	for name, o := range map[string]Options{
		"TLS":                    {Brokers: []string{s.TLS}, TLS: tls()},
		"mTLS":                   {Brokers: []string{s.MTLS}, TLS: mtls()},
		"PLAIN":                  {Brokers: []string{s.SASL}, SASL: user("PLAIN")},
		"SCRAM-SHA-256":          {Brokers: []string{s.SASL}, SASL: user("SCRAM-SHA-256")},
		"SCRAM-SHA-512 over TLS": {Brokers: []string{s.SASLTLS}, SASL: user("SCRAM-SHA-512"), TLS: tls()},
	} {
		t.Run(name, func(t *testing.T) {
			topic := topicFor(t, b, 1)
			f := openWith(t, o)
			deliver(t, f, partitionOf(t, f, topic, "k"), records("a", 2))
			wantIDs(t, b, topic, "a-0 a-1")
		})
	}
	t.Run("mTLS, renewed", func(t *testing.T) { renewed(t, s) })
	wrong := user("PLAIN")
	wrong.Password = "not-the-password"
	scram := user("SCRAM-SHA-256")
	scram.Password = wrong.Password
	named := tls()
	named.ServerName = "another.example"
	for name, c := range map[string]struct {
		o    Options
		want sinks.Reason
	}{
		"wrong password, PLAIN": {Options{Brokers: []string{s.SASL}, SASL: wrong}, sinks.ReasonUnauthorized},
		"wrong password, SCRAM": {Options{Brokers: []string{s.SASL}, SASL: scram}, sinks.ReasonUnauthorized},
		"no certificate":        {Options{Brokers: []string{s.MTLS}, TLS: tls()}, sinks.ReasonUnauthorized},
		"unknown authority":     {Options{Brokers: []string{s.TLS}, TLS: &TLS{}}, sinks.ReasonUnavailable},
		"another's certificate": {Options{Brokers: []string{s.TLS}, TLS: named}, sinks.ReasonUnavailable},
		"no user":               {Options{Brokers: []string{s.SASL}}, sinks.ReasonUnavailable},
		"plain text to TLS":     {Options{Brokers: []string{s.TLS}}, sinks.ReasonUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Timeout = 3 * time.Second
			f, err := Open(c.o)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			_, err = f.Reserve(t.Context(), sinks.Partition{Topic: "events"}, 1)
			wantError(t, err, c.want)
			wantError(t, f.Ready(), c.want)
			if strings.Contains(err.Error(), wrong.Password) {
				t.Errorf("%v: holds the password", err)
			}
		})
	}
}

// A certificate is read anew at every handshake, so that it can be renewed.
func renewed(t *testing.T, s *kafkatest.Secure) {
	dir := t.TempDir()
	o := &TLS{CAFile: s.CAFile, CertFile: filepath.Join(dir, "cert.pem"), KeyFile: filepath.Join(dir, "key.pem")}
	put := func(path, from string) {
		content := []byte("no certificate")
		if from != "" {
			var err error
			if content, err = os.ReadFile(from); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put(o.CertFile, s.CertFile)
	put(o.KeyFile, s.KeyFile)
	f := openWith(t, Options{Brokers: []string{s.MTLS}, TLS: o})
	put(o.CertFile, "")
	f.conns.drop(s.MTLS)
	eventually(t, func() error {
		if err := f.Ready(); err == nil || !strings.Contains(err.Error(), "reading certificate ") {
			return fmt.Errorf("%v, want that the certificate cannot be read", err)
		}
		return nil
	})
	put(o.CertFile, s.CertFile)
	waitReady(t, f)
}
