package crash

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	kafkatest "assent/test/kafka"
)

// visitor is a French person who allowed analytics to a tracker with an id of its
// own. Their id and note are what a withdrawal takes back.
type visitor struct {
	id, note string
	cookies  string
	sent     int
}

// lingered is far longer than records wait for others to travel with.
const lingered = 300 * time.Millisecond

// TestWithdrawal: what waits for Kafka when a person withdraws reaches it without
// the fields that this denies, or not at all, whatever has happened to it so far.
// Another visitor's events of the same time lose nothing.
func TestWithdrawal(t *testing.T) {
	t.Parallel()
	b, proxy := sharedProxy(t, ofWithdrawal)
	const events = 20
	f := func(name string, fixed bool, between func(s *stand, withdraw func())) {
		t.Run(name, func(t *testing.T) {
			if !fixed {
				proxy.Refuse() // without Kafka no batch can be fixed
			}
			s := newStand(t, b, proxy.Addr)
			s.start()
			gone, stays := s.visitor(t, "gone"), s.visitor(t, "stays")
			sent := 0
			if fixed {
				s.warm(t)
				s.drained()
				proxy.Hold()
				sent = s.batches()
			}
			s.track(t, gone, events)
			if fixed {
				s.eventually("a batch of hers is fixed", func() bool { return s.batches() > sent })
			}
			s.track(t, stays, events)
			time.Sleep(lingered) // the others, where there may be any
			between(s, func() { s.withdraw(t, gone) })
			s.eventually("records wait, since Kafka is away", func() bool { return s.waiting() >= events })
			proxy.Release()
			proxy.Allow()
			s.drained()
			s.p.Stop(t)
			s.withheld(t, gone, stays, fixed)
		})
	}
	restart := func(s *stand) {
		s.p.Kill()
		s.start()
	}
	f("before the batch is fixed", false, func(s *stand, withdraw func()) { withdraw() })
	f("after the batch is fixed", true, func(s *stand, withdraw func()) { withdraw() })
	f("before the batch is fixed, then a crash", false, func(s *stand, withdraw func()) { withdraw(); restart(s) })
	f("after the batch is fixed, then a crash", true, func(s *stand, withdraw func()) { withdraw(); restart(s) })
	f("after a crash", true, func(s *stand, withdraw func()) { restart(s); withdraw() })
	f("after a crash, when it was judged again and is about to be sent", true, func(s *stand, withdraw func()) {
		restart(s)
		time.Sleep(lingered)
		withdraw()
	})
}

// visitor makes one who allows analytics.
func (s *stand) visitor(t *testing.T, name string) *visitor {
	t.Helper()
	v := &visitor{id: "tracker-of-" + name + "-" + s.topic, note: "canary-of-" + name}
	status, answer, set := s.post("/v1/consent", "", fmt.Sprintf(`{"purposes":{"analytics":"granted"},"link":{"anonymousId":%q},"method":"banner"}`, v.id))
	if status != 201 {
		t.Fatalf("the choice: %d %s", status, answer)
	}
	for i, c := range set {
		v.cookies += []string{"", "; "}[min(i, 1)] + c.Name + "=" + c.Value
	}
	return v
}

// track sends n events of a visitor, every second of which is for analytics alone.
func (s *stand) track(t *testing.T, v *visitor, n int) {
	t.Helper()
	for range n {
		name := []string{"Read", "Ordered"}[v.sent%2] // what is fixed first has to be withheld
		status, answer, _ := s.post("/v1/events", "", fmt.Sprintf(
			`{"type":"track","event":%q,"messageId":"%s-%d","anonymousId":%q,"properties":{"order_id":"o","note":%q}}`,
			name, v.note[len("canary-of-"):], v.sent, v.id, v.note))
		if status != 200 || answer != `{"accepted":1,"withheld":0,"refused":[]}`+"\n" {
			t.Fatalf("an event: %d %s", status, answer)
		}
		v.sent++
	}
}

// warm uses every partition, so that Kafka need not be asked anything for fixing a
// batch.
func (s *stand) warm(t *testing.T) {
	t.Helper()
	c := &client{load: newLoad(s.url, 1), name: "warm", r: rand.New(rand.NewPCG(1, 1))}
	for i := range 12 {
		c.keys = append(c.keys, fmt.Sprintf("warm-v%d", i))
	}
	for range 20 {
		if !c.send(c.compose(5), 5) {
			t.Fatal("not acknowledged")
		}
	}
}

func (s *stand) withdraw(t *testing.T, v *visitor) {
	t.Helper()
	status, answer, _ := s.post("/v1/consent", v.cookies, `{"purposes":{"analytics":"denied"},"method":"preference_centre"}`)
	if status != 201 {
		t.Fatalf("the withdrawal: %d %s", status, answer)
	}
}

// withheld looks for what must not be in the topic, and for what must.
func (s *stand) withheld(t *testing.T, gone, stays *visitor, fixed bool) {
	t.Helper()
	all := s.broker.Kcat(t, "-C", "-t", s.topic, "-o", "beginning", "-e", "-q", "-f", `%k\t%h\t%s\n`)
	for _, canary := range []string{gone.id, gone.note} {
		if at := bytes.Index(all, []byte(canary)); at >= 0 {
			t.Errorf("%q was withdrawn before it reached Kafka, and is there: %q", canary, all[max(0, at-300):min(len(all), at+100)])
		}
	}
	if got, want := bytes.Count(all, []byte(stays.note)), stays.sent; got != want {
		t.Errorf("%d events of the other visitor are there whole, want %d", got, want)
	}
	times, nulls := map[string]int{}, 0
	s.broker.Entries(t, s.topic, func(e *kafkatest.Entry) {
		switch {
		case !e.Null:
			times[e.Message]++
		case e.Withheld:
			nulls++
		default:
			t.Errorf("null value without its header at %d/%d", e.Partition, e.Offset)
		}
	})
	for id, n := range times {
		if n != 1 {
			t.Errorf("event %s is there %d times", id, n)
		}
	}
	for i := range stays.sent {
		if id := fmt.Sprintf("stays-%d", i); times[id] != 1 {
			t.Errorf("event %s of the other visitor is there %d times", id, times[id])
		}
	}
	// An order may be kept, reduced to what needs no consent; what is for
	// analytics alone may not.
	orders := 0
	for i := range gone.sent {
		n := times[fmt.Sprintf("gone-%d", i)]
		switch {
		case i%2 == 0 && n > 0:
			t.Errorf("event gone-%d is for analytics alone and is there", i)
		case i%2 == 1:
			orders += n
		}
	}
	t.Logf("%d orders reduced, %d null values", orders, nulls)
	switch {
	case fixed && nulls == 0:
		t.Error("no record was withheld in place: the batch was not fixed")
	case !fixed && (nulls > 0 || orders != gone.sent/2):
		t.Errorf("%d null values and %d orders, want none and %d", nulls, orders, gone.sent/2)
	}
}
