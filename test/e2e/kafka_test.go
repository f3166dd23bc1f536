package e2e

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	kafkatest "assent/test/kafka"
)

// TestKafka tells two of the stories through a real Kafka: the same golden files
// must come true, so key, null key, headers and value are what the file sink has,
// byte for byte. Bad rows go to their topic; what is accepted while the brokers are
// away is there afterwards, once, unless it was withdrawn.
func TestKafka(t *testing.T) {
	t.Parallel()
	broker := kafkatest.Start(t)
	for _, name := range []string{"french", "california"} {
		t.Run(name, func(t *testing.T) {
			s := openStory(t, "testdata/stories/"+name+".txtar")
			p := start(t, append(s.args(t), "--kafka", broker.Addr)...)
			s.after = p.drained // what still waits is judged again
			s.play(t, p, func() []line { return kafkaLines(p, broker) })
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
	t.Run("twins", func(t *testing.T) {
		twins(t, func(p *proxy) map[string]int { return kafkaCount(p, broker) }, "--kafka", broker.Addr)
	})
	t.Run("promise", func(t *testing.T) { kafkaPromise(t, broker) })
	t.Run("shutdown", func(t *testing.T) { kafkaShutdown(t, broker) })
	t.Run("drain", func(t *testing.T) { kafkaDrain(t, broker) })
	t.Run("brokers away", func(t *testing.T) { kafkaAway(t, broker) })
}

// drained waits until Kafka has every record.
func (p *proxy) drained() {
	p.t.Helper()
	eventually(p.t, "all records are with Kafka", func() bool {
		status, _ := p.get("/readyz")
		return status == 200 && p.metric("assent_journal_waiting_records") == 0
	})
}

// kafkaCount is how often each id is in Kafka once it has every record.
func kafkaCount(p *proxy, b *kafkatest.Broker) map[string]int {
	p.t.Helper()
	p.drained()
	counted := map[string]int{}
	b.Entries(p.t, "events", func(e *kafkatest.Entry) { counted[e.Message]++ })
	return counted
}

// kafkaLines reads every topic with kcat, once Kafka has every record, in the
// order in which the file sink's are read. The requests of these stories make one
// record a topic at most.
func kafkaLines(p *proxy, b *kafkatest.Broker) []line {
	p.t.Helper()
	p.drained()
	var out []line
	topics := b.Topics(p.t)
	for _, topic := range []string{"events.ads", "events.bad", "events"} {
		if topics[topic] == 0 {
			continue
		}
		for _, m := range b.ReadAll(p.t, topic) {
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
	p.drained()
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

// kafkaPromise: a source with this promise is answered when Kafka has the record;
// where that takes too long, with 503, and the event is there once all the same.
func kafkaPromise(t *testing.T, b *kafkatest.Broker) {
	p := start(t, "--kafka", b.Addr, "-c", save(t, "assent.yaml", `
kafka: {create_topics: true}
sources:
  - {id: sure, key: sure, promise: kafka}
  - {id: quick, key: quick}
`))
	sent := func(key, id string) reply { return p.send("POST", "/v1/events?k="+key, order(id), inFrance) }
	if r := sent("sure", "p-before"); r.status != 200 || p.metric("assent_journal_waiting_records") != 0 {
		t.Errorf("%d %s, and it still waits", r.status, r.body)
	}
	b.Pause(t)
	if r := sent("quick", "p-quick"); r.status != 200 {
		t.Errorf("without the promise: %d %s", r.status, r.body)
	}
	asked := time.Now()
	r := sent("sure", "p-late")
	r.problem(t, 503, "sink_unavailable")
	if took := time.Since(asked); took < 9*time.Second || r.header.Get("Retry-After") == "" {
		t.Errorf("503 after %s, Retry-After %q", took, r.header.Get("Retry-After"))
	}
	b.Resume(t)
	if r := sent("sure", "p-late"); r.status != 200 {
		t.Errorf("its repeat: %d %s", r.status, r.body)
	}
	counted := kafkaCount(p, b)
	for _, id := range []string{"p-before", "p-quick", "p-late"} {
		if counted[id] != 1 {
			t.Errorf("event %s is there %d times", id, counted[id])
		}
	}
	p.stop()
}

// kafkaAway stops the brokers under one program, and starts another without them.
func kafkaAway(t *testing.T, b *kafkatest.Broker) {
	p := start(t, "--kafka", b.Addr)
	take := func(id string) {
		t.Helper()
		if r := p.send("POST", "/v1/events", order(id), inFrance); r.status != 200 || r.body != accepted(1) {
			t.Errorf("%s: %d %s", id, r.status, r.body)
		}
	}
	take("k-before")
	p.drained()
	b.Stop(t)
	for n := range 20 {
		take(fmt.Sprintf("k-away-%d", n))
	}
	eventually(t, "a word on Kafka", func() bool { _, body := p.get("/readyz"); return !strings.Contains(body, `"kafka":"ok"`) })
	if status, body := p.get("/readyz"); status != 200 || !strings.Contains(body, `"ready":true`) {
		t.Errorf("readyz: %d %s: the journal takes what comes", status, body)
	}
	if status, _ := p.get("/healthz"); status != 200 {
		t.Errorf("healthz %d: the process itself is well", status)
	}
	if n := p.metric("assent_journal_waiting_records"); n != 20 {
		t.Errorf("%g records wait, want 20", n)
	}

	s := openStory(t, "testdata/kafka/withdrawal.txtar")
	s.kafka = func(string) { b.Restart(t) }
	q := start(t, append(s.args(t), "--kafka", b.Addr)...)
	s.play(t, q, func() []line { return kafkaLines(q, b) })
	q.stop()
	s.compare(t)

	take("k-after")
	counted := kafkaCount(p, b)
	for n := range 20 {
		if id := fmt.Sprintf("k-away-%d", n); counted[id] != 1 {
			t.Errorf("event %s is there %d times", id, counted[id])
		}
	}
	if counted["k-before"] != 1 || counted["k-after"] != 1 {
		t.Errorf("read back: %v", counted)
	}
	if _, body := p.get("/readyz"); !strings.Contains(body, `"kafka":"ok"`) {
		t.Errorf("readyz after the return: %s", body)
	}
	p.stop()
}
