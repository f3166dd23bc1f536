package kafka

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOptions(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		opt  Options
		want []string // each in the error; none: valid
	}{
		{"least", Options{Brokers: []string{"b:9092"}}, nil},
		{"all of it", Options{
			Brokers: []string{"b:9092", "[::1]:9092"}, Topics: []string{"events"}, CreateTopics: true, Partitions: 3, Replication: 3,
			Compression: "lz4", Timeout: time.Second, ProducerLife: time.Hour, TLS: &TLS{ServerName: "kafka.example"},
			SASL: &SASL{Mechanism: "SCRAM-SHA-512", Username: "u", Password: "p"},
		}, nil},
		{"nothing", Options{}, []string{"brokers: must not be empty"}},
		{"everything wrong", Options{
			Brokers: []string{"b", ":1"}, Topics: []string{".."}, Partitions: -1, Compression: "brotli", Timeout: 1, ProducerLife: 1,
			TLS: &TLS{CertFile: "c.pem"}, SASL: &SASL{Mechanism: "GSSAPI", Username: "u", Password: "hunter2"},
		}, []string{
			`"b" is not HOST:PORT`, `":1" is not HOST:PORT`, `topics: ".."`, "partitions, replication", `compression: "brotli"`, "timeout: 1ns", "producer life: 1ns",
			"tls: certificate and key: one is missing", `sasl: mechanism: "GSSAPI"`,
		}},
		{"authorities", Options{Brokers: []string{"b:1"}, TLS: &TLS{CAFile: junk}}, []string{"holds no certificate in PEM"}},
		{"no authorities", Options{Brokers: []string{"b:1"}, TLS: &TLS{CAFile: junk + ".not"}}, []string{"tls: reading authorities"}},
		{"certificate", Options{Brokers: []string{"b:1"}, TLS: &TLS{CertFile: junk, KeyFile: junk}}, []string{"tls: reading certificate "}},
		{"no password", Options{Brokers: []string{"b:1"}, SASL: &SASL{Mechanism: "PLAIN", Username: "u"}}, []string{"sasl: username, password"}},
		{"a password that SCRAM forbids", Options{Brokers: []string{"b:1"}, SASL: &SASL{Mechanism: "SCRAM-SHA-256", Username: "u", Password: "hunter2\x00"}}, []string{"not allowed in SCRAM"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.opt.EnsureDefaults()
			err := c.opt.Validate()
			if err == nil {
				if len(c.want) > 0 {
					t.Fatalf("no error, want %q", c.want)
				}
				return
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\nwant %s", err, want)
				}
			}
			if got := len(strings.Split(err.Error(), "\n")); got != len(c.want) {
				t.Errorf("%d errors, want %d:\n%v", got, len(c.want), err)
			}
			if strings.Contains(err.Error(), "hunter2") {
				t.Error("the error holds the password")
			}
		})
	}
	if _, err := Open(Options{}); err == nil {
		t.Error("options that are not valid were opened")
	}
}
