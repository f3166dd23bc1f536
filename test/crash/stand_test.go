package crash

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kafkatest "assent/test/kafka"
	"assent/test/netfault"
	"assent/test/program"
)

func TestMain(m *testing.M) { os.Exit(program.Main(m)) }

// world is the broker that most tests share, with a proxy for each of those that
// disturb the network to it.
var world struct {
	once    sync.Once
	proxies [proxied]*netfault.Proxy
	addrs   []string // of the proxies
	err     error
}

// The tests that have a proxy of their own.
const (
	ofNetwork = iota
	ofWithdrawal
	ofDiskFull
	ofDamage
	ofPartitionsRemoved
	proxied
)

func sharedBroker(t *testing.T) *kafkatest.Broker {
	t.Helper()
	world.once.Do(func() {
		for i := range world.proxies {
			p, err := netfault.New()
			if err != nil {
				world.err = err
				return
			}
			world.proxies[i] = p
			world.addrs = append(world.addrs, p.Addr)
		}
	})
	if world.err != nil {
		t.Fatal(world.err)
	}
	return kafkatest.SharedWith(t, kafkatest.Options{Behind: world.addrs})
}

// sharedProxy is the broker and a proxy in front of it that is this test's alone.
func sharedProxy(t *testing.T, of int) (*kafkatest.Broker, *netfault.Proxy) {
	t.Helper()
	b := sharedBroker(t)
	p := world.proxies[of]
	p.Forward(b.Inside[of])
	return b, p
}

// stand is a program under test with all that belongs to it.
type stand struct {
	t      *testing.T
	broker *kafkatest.Broker // to read back from
	topic  string
	data   string
	url    string
	args   []string
	p      *program.Program
	starts int
}

var stands atomic.Int32

// newStand prepares a program that sends to bootstrap, a topic of the test's own,
// and an address of its own: a client that repeats a request to a program that
// was killed must not meet another test's.
func newStand(t *testing.T, broker *kafkatest.Broker, bootstrap ...string) *stand {
	t.Helper()
	n := stands.Add(1)
	pid := os.Getpid()
	host := fmt.Sprintf("127.%d.%d.%d", 1+pid>>8&0x7f, pid&0xff, n)
	s := &stand{t: t, broker: broker, topic: fmt.Sprintf("crash-%d", n), data: t.TempDir(), url: "http://" + host + ":8080"}
	text, err := os.ReadFile("testdata/policy.yaml")
	if err != nil {
		t.Fatal(err)
	}
	policy := filepath.Join(t.TempDir(), "policy.yaml")
	if err := os.WriteFile(policy, []byte(strings.ReplaceAll(string(text), "TOPIC", s.topic)), 0o600); err != nil {
		t.Fatal(err)
	}
	if len(bootstrap) == 0 {
		bootstrap = []string{broker.Addr}
	}
	s.args = []string{"--policy", policy, "--listen", host + ":8080", "--kafka", strings.Join(bootstrap, ",")}
	return s
}

func (s *stand) start() {
	s.t.Helper()
	s.p = program.Start(s.t, s.data, s.args...)
	s.starts++
}

// metric is what the program tells of itself.
func (s *stand) metric(name string) int {
	s.t.Helper()
	n, samples, err := s.p.Metric(name)
	if err != nil || samples == 0 {
		s.t.Fatalf("the program does not tell %s: %v", name, err)
	}
	return int(n)
}

// waiting is how many records wait in the journal.
func (s *stand) waiting() int { s.t.Helper(); return s.metric("assent_journal_waiting_records") }

// batches is how many were sent to Kafka, each fixed before.
func (s *stand) batches() int { s.t.Helper(); return s.metric("assent_kafka_produce_requests_total") }

// drained waits until nothing waits. A program that has just started takes events
// when it knows what waits: it is sent one that leaves nothing, since its sender
// allowed nothing.
func (s *stand) drained() {
	s.t.Helper()
	s.eventually("events are taken", func() bool {
		status, answer, _ := s.post("/v1/events", "", `{"type":"track","event":"Read"}`)
		if status == 200 && answer != `{"accepted":1,"withheld":1,"refused":[]}`+"\n" {
			s.t.Fatalf("an event of nobody: %s", answer)
		}
		return status == 200
	})
	s.eventually("all records are with Kafka", func() bool { return s.waiting() == 0 })
}

// post sends JSON in the name of somebody in France.
func (s *stand) post(path, cookies, body string) (status int, answer string, set []*http.Cookie) {
	s.t.Helper()
	req, err := http.NewRequest("POST", s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", inFrance)
	req.Header.Set("Content-Type", "application/json")
	if cookies != "" {
		req.Header.Set("Cookie", cookies)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(raw), resp.Cookies()
}

// eventually waits for what happens in its own time.
func (s *stand) eventually(what string, ok func() bool) {
	s.t.Helper()
	for end := time.Now().Add(patience); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			s.t.Fatalf("did not happen within %s: %s", patience, what)
		}
	}
}

// stored reads the topic.
func (s *stand) stored() []kafkatest.Entry {
	s.t.Helper()
	var all []kafkatest.Entry
	s.broker.Entries(s.t, s.topic, func(e *kafkatest.Entry) { all = append(all, *e) })
	return all
}

// settle ends the load, waits until all is with Kafka, stops the program in order
// and compares.
func (s *stand) settle(l *load) *verdict {
	s.t.Helper()
	sent := l.end()
	s.drained()
	s.p.Stop(s.t)
	return s.judge(l, sent)
}

func (s *stand) judge(l *load, sent []event) *verdict {
	s.t.Helper()
	v := check(sent, s.stored())
	s.t.Logf("%s; %d requests repeated, %d starts", v, l.retried.Load(), s.starts)
	for _, e := range v.evidence {
		s.t.Error(e)
	}
	if !v.ok() {
		s.t.Errorf("violated: %s", v)
	}
	for _, odd := range l.odd {
		s.t.Error(odd)
	}
	if v.acked < 100 {
		s.t.Errorf("only %d events were acknowledged", v.acked)
	}
	return v
}
