package kafkatest

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The harness is what other tests trust, so it is tried with kcat alone.
func TestBrokerKeepsRecordsOverKillAndRestart(t *testing.T) {
	b := Start(t)
	b.CreateTopic(t, "letters", 2)
	if got := b.Topics(t)["letters"]; got != 2 {
		t.Fatalf("letters has %d partitions, want 2", got)
	}
	b.produce(t, "letters", "k={\"messageId\":\"m1\"}\n")
	b.Kill(t)
	b.Restart(t)
	b.produce(t, "letters", "k=\n") // kcat -Z: the null value
	all := b.ReadAll(t, "letters")
	if len(all) != 2 || *all[0].Value != `{"messageId":"m1"}` || all[1].Value != nil || *all[0].Key != "k" || all[0].Header("ce_id") != "x" {
		t.Fatalf("read %+v, want the two records", all)
	}
	var entries []Entry
	b.Entries(t, "letters", func(e *Entry) { entries = append(entries, *e) })
	p := all[0].Partition
	want := []Entry{{p, 0, "k", "x", "m1", true, false}, {p, 1, "k", "x", "", true, true}}
	if len(entries) != 2 || entries[0] != want[0] || entries[1] != want[1] {
		t.Errorf("entries %+v, want %+v", entries, want)
	}
	b.AddPartitions(t, "letters", 5)
	if got := b.Topics(t)["letters"]; got != 5 {
		t.Errorf("letters has %d partitions, want 5", got)
	}
}

func (b *Broker) produce(t *testing.T, topic, line string) {
	t.Helper()
	b.kcat(t, line, "-P", "-Z", "-t", topic, "-K", "=", "-H", "ce_id=x", "-H", "privacy-withheld=1", "-X", "acks=all")
}

// TestSecureListeners: each lets in who has what it asks for, and nobody else.
// SCRAM is tried with Kafka's own client: librdkafka before 2.6.1 sends a
// nonce that brokers of today refuse (RFC 5802, 5.1; confluentinc/librdkafka#4895).
func TestSecureListeners(t *testing.T) {
	b := StartWith(t, Options{Secure: true})
	s := b.Secure
	f := func(name, addr string, want bool, settings ...string) {
		t.Helper()
		args := []string{"-L", "-b", addr, "-m", "3"}
		for _, setting := range settings {
			args = append(args, "-X", setting)
		}
		out, err := exec.Command("kcat", args...).CombinedOutput()
		if (err == nil) != want {
			t.Errorf("%s: %v, want it to work: %t\n%s", name, err, want, out)
		}
	}
	ca, cert, key := "ssl.ca.location="+s.CAFile, "ssl.certificate.location="+s.CertFile, "ssl.key.location="+s.KeyFile
	ssl, plain, user, password := "security.protocol=SSL", "sasl.mechanism=PLAIN", "sasl.username="+s.User, "sasl.password="+s.Password
	f("TLS", s.TLS, true, ssl, ca)
	f("TLS of an unknown authority", s.TLS, false, ssl)
	f("mTLS", s.MTLS, true, ssl, ca, cert, key)
	f("mTLS without a certificate", s.MTLS, false, ssl, ca)
	f("PLAIN", s.SASL, true, "security.protocol=SASL_PLAINTEXT", plain, user, password)
	f("PLAIN with another password", s.SASL, false, "security.protocol=SASL_PLAINTEXT", plain, user, "sasl.password=wrong")
	f("PLAIN over TLS", s.SASLTLS, true, "security.protocol=SASL_SSL", ca, plain, user, password)

	libs, err := jars()
	if err != nil {
		t.Fatal(err)
	}
	for addr, lines := range map[string]string{
		s.SASL:    "security.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-256\n",
		s.SASLTLS: "security.protocol=SASL_SSL\nssl.truststore.type=PEM\nssl.truststore.location=" + s.CAFile + "\nsasl.mechanism=SCRAM-SHA-512\n",
	} {
		lines += fmt.Sprintf("sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required username=%q password=%q;\n", s.User, s.Password)
		path := filepath.Join(t.TempDir(), "client.properties")
		if err := os.WriteFile(path, []byte(lines), 0o600); err != nil {
			t.Fatal(err)
		}
		list := b.java(libs, "org.apache.kafka.tools.TopicCommand", "--bootstrap-server", addr, "--command-config", path, "--list")
		if out, err := list.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", lines, err, out)
		}
	}
}

// TestCluster: records survive the loss of a leader, and the lead moves on demand.
func TestCluster(t *testing.T) {
	c := StartCluster(t, 3)
	c.Nodes[0].CreateTopic(t, "letters", 3)
	first := c.Leader(t, c.Nodes[0], "letters", 0)
	c.Nodes[0].produce(t, "letters", strings.Repeat("k=v\n", 10))
	c.MoveLeaders(t, "letters")
	second := c.Leader(t, c.Nodes[0], "letters", 0)
	if first == nil || second == nil || first == second {
		t.Fatalf("the lead is still with %v", second)
	}
	second.Kill(t)
	ask := c.Nodes[second.id%3]
	ask.produce(t, "letters", "k=v\n")
	if third := c.Leader(t, ask, "letters", 0); third == nil || third == second {
		t.Errorf("the lead is with %v, whose node is dead", third)
	}
	second.Restart(t)
	second.Pause(t)
	second.Resume(t)
	if all := second.ReadAll(t, "letters"); len(all) != 11 {
		t.Errorf("%d records, want 11", len(all))
	}
}
