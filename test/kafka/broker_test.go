package kafkatest

import "testing"

// The harness is what other tests trust, so it is tried with kcat alone.
func TestBrokerKeepsRecordsOverKillAndRestart(t *testing.T) {
	b := Start(t)
	b.CreateTopic(t, "letters", 2)
	if got := b.Topics(t)["letters"]; got != 2 {
		t.Fatalf("letters has %d partitions, want 2", got)
	}
	b.produce(t, "letters", "k=v1\n")
	b.Kill(t)
	b.Restart(t)
	b.produce(t, "letters", "k=v2\n")
	all := b.ReadAll(t, "letters")
	if len(all) != 2 || *all[0].Value != "v1" || *all[1].Value != "v2" || *all[0].Key != "k" || all[0].Header("h") != "x" {
		t.Fatalf("read %+v, want v1 and v2", all)
	}
}

func (b *Broker) produce(t *testing.T, topic, line string) {
	t.Helper()
	b.kcat(t, line, "-P", "-t", topic, "-K", "=", "-H", "h=x", "-X", "acks=all")
}
