package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	kafkatest "assent/test/kafka"
)

// kafkaShutdown: what waits when SIGTERM comes is forwarded while Kafka can be
// reached; the log says how much.
func kafkaShutdown(t *testing.T, b *kafkatest.Broker) {
	p := start(t, "--kafka", b.Addr, "-c", save(t, "assent.yaml", "kafka: {create_topics: true, linger: 5s}\n"))
	const n = 50
	for i := range n {
		if r := p.send("POST", "/v1/events", order(fmt.Sprintf("s-%d", i)), inFrance); r.status != 200 {
			t.Fatalf("%d %s", r.status, r.body)
		}
	}
	p.stop()
	if log := p.Stderr(); !strings.Contains(log, "left=0") {
		t.Errorf("the log does not say that nothing is left:\n%s", log)
	}
	counted := map[string]int{}
	b.Entries(t, "events", func(e *kafkatest.Entry) { counted[e.Message]++ })
	for i := range n {
		if id := fmt.Sprintf("s-%d", i); counted[id] != 1 {
			t.Errorf("event %s is there %d times after the node ended", id, counted[id])
		}
	}
}

// kafkaDrain: a node that ends while Kafka is away leaves its journal to `journal
// drain`, which judges again what a withdrawal reached. It ends with the broker up.
func kafkaDrain(t *testing.T, b *kafkatest.Broker) {
	p := start(t, "--kafka", b.Addr)
	p.send("POST", "/v1/events", order("d-before"), inFrance)
	p.drained()
	b.Stop(t)
	var cookies []*http.Cookie
	ask := func(path, body string) {
		t.Helper()
		var jar []string
		for _, c := range cookies {
			jar = append(jar, c.Name+"="+c.Value)
		}
		r := p.send("POST", path, body, inFrance, "Content-Type: application/json", "Cookie: "+strings.Join(jar, "; "))
		if r.status/100 != 2 {
			t.Fatalf("%s: %d %s", path, r.status, r.body)
		}
		if len(r.cookies) > 0 {
			cookies = r.cookies
		}
	}
	ask("/v1/consent", `{"purposes":{"analytics":"granted"},"method":"banner"}`)
	ask("/v1/events", `{"type":"page","name":"Home","messageId":"d-withdrawn"}`)
	ask("/v1/consent", `{"all":"denied"}`)
	const n = 20
	for i := range n {
		ask("/v1/events", order(fmt.Sprintf("d-%d", i)))
	}

	drain := func(more ...string) (outcome, map[string]int) {
		t.Helper()
		o := assent(t, "", append([]string{"journal", "drain", "--json", "--data", p.data, "--kafka", b.Addr}, more...)...)
		result := map[string]int{}
		if o.stdout != "" {
			if err := json.Unmarshal([]byte(o.stdout), &result); err != nil {
				t.Fatalf("%v: %s", err, o.stdout)
			}
		}
		return o, result
	}
	if o, _ := drain(); o.code != 1 || !strings.Contains(o.stderr, "in use by another process") {
		t.Errorf("beside a running node: exit %d %s", o.code, o.stderr)
	}
	p.stop()
	o, got := drain("--timeout", "1s")
	left := got["left"] // what was withdrawn may have been left out before
	if o.code != 1 || left != n && left != n+1 {
		t.Errorf("with Kafka away: exit %d %s%s", o.code, o.stdout, o.stderr)
	}
	if log := p.Stderr(); !strings.Contains(log, fmt.Sprintf("left=%d", n)) && !strings.Contains(log, fmt.Sprintf("left=%d", n+1)) {
		t.Errorf("the log does not say how much is left:\n%s", log)
	}
	b.Restart(t)
	if o, got := drain(); o.code != 0 || got["sent"] != n || got["withheld"] != left-n || got["left"] != 0 {
		t.Errorf("exit %d %s%s", o.code, o.stdout, o.stderr)
	}
	if o, got := drain(); o.code != 0 || got["sent"] != 0 || got["left"] != 0 {
		t.Errorf("an empty journal: exit %d %s%s", o.code, o.stdout, o.stderr)
	}
	counted := map[string]int{}
	b.Entries(t, "events", func(e *kafkatest.Entry) { counted[e.Message]++ })
	for i := range n {
		if id := fmt.Sprintf("d-%d", i); counted[id] != 1 {
			t.Errorf("event %s is there %d times", id, counted[id])
		}
	}
	if counted["d-withdrawn"] != 0 {
		t.Error("what was withdrawn is there")
	}
}

// TestDrainNeeds: without a journal or brokers there is nothing that could be said
// to be sent.
func TestDrainNeeds(t *testing.T) {
	t.Parallel()
	if o := assent(t, "", "journal", "drain", "--data", t.TempDir(), "--kafka", "127.0.0.1:1"); o.code != 1 || !strings.Contains(o.stderr, "no journal in ") {
		t.Errorf("no journal: exit %d %s", o.code, o.stderr)
	}
	if o := assent(t, "", "journal", "drain", "--data", t.TempDir()); o.code != 1 || !strings.Contains(o.stderr, "kafka.brokers") {
		t.Errorf("no brokers: exit %d %s", o.code, o.stderr)
	}
}
