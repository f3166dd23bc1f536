package e2e

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	kafkatest "assent/test/kafka"
)

// TestKafka tells two of the stories through a real Kafka: the same golden files
// must come true, so key, null key, headers and value are what the file sink has,
// byte for byte. Bad rows go to their topic; while the brokers are away the answer
// is 503, and afterwards events are taken again.
func TestKafka(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	for _, name := range []string{"french", "california"} {
		t.Run(name, func(t *testing.T) {
			s := openStory(t, "testdata/stories/"+name+".txtar")
			p := start(t, append(s.args(t), "--kafka", broker.Addr)...)
			s.play(t, p, func() []line { return kafkaLines(t, broker) })
			p.stop()
			if !*update {
				s.compare(t)
			}
			if len(fileLines(p)) != 0 {
				t.Error("records are in files as well")
			}
		})
	}
	t.Run("bad rows", func(t *testing.T) { kafkaBadRows(t, broker) })
	t.Run("brokers away", func(t *testing.T) { kafkaAway(t, broker) })
}

// kafkaLines reads every topic with kcat, in the order in which the file sink's
// are read. The requests of these stories make one record a topic at most.
func kafkaLines(t *testing.T, b *kafkatest.Broker) []line {
	t.Helper()
	var out []line
	topics := b.Topics(t)
	for _, topic := range []string{"events.ads", "events.bad", "events"} {
		if topics[topic] == 0 {
			continue
		}
		for _, m := range b.ReadAll(t, topic) {
			l := line{topic: topic, key: m.Key}
			if m.Value != nil {
				l.value = *m.Value
			}
			for i := 0; i+1 < len(m.Headers); i += 2 {
				l.headers = append(l.headers, [2]string{m.Headers[i], m.Headers[i+1]})
			}
			out = append(out, l)
		}
	}
	return out
}

func kafkaBadRows(t *testing.T, b *kafkatest.Broker) {
	p := start(t, "--kafka", b.Addr)
	const payload = "payload-that-must-not-be-there"
	before := len(b.ReadAll(t, "events.bad"))
	r := p.send("POST", "/v1/events", `[`+order("k-1")+`,{"typ":"`+payload+`"},7]`, inFrance)
	want := `{"accepted":1,"withheld":0,"refused":[{"index":1,"id":null,"reason":"type_missing"},{"index":2,"id":null,"reason":"not_an_object"}]}` + "\n"
	if r.status != 200 || r.body != want {
		t.Errorf("got %d %s", r.status, r.body)
	}
	rows := b.ReadAll(t, "events.bad")[before:]
	var reasons []string
	for _, m := range rows {
		if m.Key != nil || m.Value == nil || strings.Contains(fmt.Sprint(*m.Value, m.Headers), payload) || m.Header("ce_type") != "assent.bad_row" {
			t.Errorf("bad row %v", m)
			continue
		}
		_, rest, _ := strings.Cut(*m.Value, `"reason":"`)
		reason, _, _ := strings.Cut(rest, `"`)
		reasons = append(reasons, reason)
	}
	slices.Sort(reasons)
	if fmt.Sprint(reasons) != "[not_an_object type_missing]" {
		t.Errorf("bad rows %v", reasons)
	}
	p.stop()
}

func kafkaAway(t *testing.T, b *kafkatest.Broker) {
	p := start(t, "--kafka", b.Addr)
	if r := p.send("POST", "/v1/events", order("k-before"), inFrance); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	b.Stop(t)
	r := p.send("POST", "/v1/events", order("k-away"), inFrance)
	r.problem(t, 503, "sink_unavailable")
	if r.header.Get("Retry-After") == "" {
		t.Error("503 without Retry-After")
	}
	eventually(t, "not ready", func() bool { status, _ := p.get("/readyz"); return status == http.StatusServiceUnavailable })
	if status, _ := p.get("/healthz"); status != 200 {
		t.Errorf("healthz %d: the process itself is well", status)
	}
	b.Restart(t)
	end := time.Now().Add(40 * time.Second)
	for n := 0; ; n++ {
		if r = p.send("POST", "/v1/events", order(fmt.Sprintf("k-after-%d", n)), inFrance); r.status == 200 {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("40 s after the brokers came back: %d %s", r.status, r.body)
		}
		time.Sleep(200 * time.Millisecond)
	}
	eventually(t, "ready again", func() bool { status, _ := p.get("/readyz"); return status == 200 })
	counted := map[string]int{}
	for _, m := range b.ReadAll(t, "events") {
		for _, id := range []string{"k-before", "k-after"} {
			if m.Value != nil && strings.Contains(*m.Value, `"`+id) {
				counted[id]++
			}
		}
	}
	if counted["k-before"] != 1 || counted["k-after"] == 0 {
		t.Errorf("read back: %v", counted)
	}
	p.stop()
}
