package crash

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	kafkatest "assent/test/kafka"
)

// TestBrokerKilled kills the broker under load, twice, and the program while the
// broker is away. Events are acknowledged all the time. The broker is the one that
// other tests share, so this test does not run beside them.
func TestBrokerKilled(t *testing.T) {
	b := sharedBroker(t)
	s := newStand(t, b)
	s.start()
	l := startLoad(s.url, "b", rand.Uint64(), 8, 4*time.Millisecond)
	for again := range 2 {
		time.Sleep(time.Second)
		b.Kill(t)
		before := l.acked.Load()
		s.eventually("events are acknowledged without Kafka", func() bool { return l.acked.Load() > before+200 })
		if again == 1 {
			s.p.Kill()
			s.start()
		}
		b.Restart(t)
	}
	time.Sleep(time.Second)
	s.settle(l)
}

// TestLeaderMoved hands the lead of every partition on, and kills a leader, in a
// cluster of three.
func TestLeaderMoved(t *testing.T) {
	t.Parallel()
	c := kafkatest.StartCluster(t, 3)
	s := newStand(t, c.Nodes[0], c.Addrs()...)
	s.start() // which creates the topic, replicated as the cluster does by default
	l := startLoad(s.url, "l", rand.Uint64(), 8, 16*time.Millisecond)
	s.eventually("the topic is there", func() bool { return c.Nodes[0].Topics(t)[s.topic] == 3 })
	time.Sleep(time.Second)
	c.MoveLeaders(t, s.topic)
	time.Sleep(time.Second)
	if leader := c.Leader(t, c.Nodes[0], s.topic, 0); leader == nil {
		t.Error("nobody leads")
	} else {
		leader.Kill(t)
		time.Sleep(3 * time.Second)
		leader.Restart(t)
	}
	s.settle(l)
}

// TestPartitionsAdded gives the topic more partitions under load and waits until
// they are used.
func TestPartitionsAdded(t *testing.T) {
	t.Parallel()
	b := sharedBroker(t)
	s := newStand(t, b)
	s.start()
	l := startLoad(s.url, "p", rand.Uint64(), 8, 8*time.Millisecond)
	s.eventually("the topic is there", func() bool { return b.Topics(t)[s.topic] == 3 })
	b.AddPartitions(t, s.topic, 6)
	s.eventually("a new partition is used", func() bool {
		time.Sleep(500 * time.Millisecond)
		used := false
		b.Entries(t, s.topic, func(e *kafkatest.Entry) { used = used || e.Partition >= 3 })
		return used
	})
	s.settle(l)
}

// TestPartitionsRemoved has events wait for six partitions, and the topic made
// again with two before any of them is stored. Those that wait for the other four
// are given up only when brokers have said so for half a minute; nothing of their
// keys that comes meanwhile overtakes them.
func TestPartitionsRemoved(t *testing.T) {
	t.Parallel()
	b, proxy := sharedProxy(t, ofPartitionsRemoved)
	s := newStand(t, b, proxy.Addr)
	b.CreateTopic(t, s.topic, 6)
	s.start()
	s.eventually("the topic is known", func() bool {
		_, body, err := s.p.Get("/readyz")
		return err == nil && strings.Contains(body, `"kafka":"ok"`)
	})
	proxy.Refuse()
	l := startLoad(s.url, "r", rand.Uint64(), 8, 32*time.Millisecond)
	s.eventually("events wait", func() bool { return s.waiting() > 500 })
	b.Tool(t, "", "org.apache.kafka.tools.TopicCommand", "--delete", "--topic", s.topic)
	b.CreateTopic(t, s.topic, 2)
	proxy.Allow()
	s.eventually("what waited is with Kafka", func() bool { return s.waiting() < 100 })
	s.settle(l)
	if n := b.Topics(t)[s.topic]; n != 2 {
		t.Errorf("%d partitions, want 2", n)
	}
}

// TestNetwork puts a storm between the program and Kafka for STORM seconds (8 by
// default): connections are cut, refused, held, delayed and slowed, and answers to
// requests that went through are lost.
func TestNetwork(t *testing.T) {
	t.Parallel()
	b, proxy := sharedProxy(t, ofNetwork)
	seconds, seed := setting(t, "STORM", 8), setting(t, "SEED", rand.Uint64())
	t.Logf("SEED=%d", seed)
	s := newStand(t, b, proxy.Addr)
	s.start()
	l := startLoad(s.url, "n", seed, 8, 8*time.Millisecond)
	stop := proxy.Storm(seed, 300*time.Millisecond)
	half := time.Duration(seconds) * time.Second / 2
	time.Sleep(half)
	s.eventually("5 connections are cut", func() bool { return proxy.Counts().Cut >= 5 })
	stop()
	end := time.Now().Add(half)
	s.eventually("5 answers are lost", func() bool {
		proxy.LoseAnswer(rand.IntN(40), 300) // produce requests are larger, all others smaller
		time.Sleep(100 * time.Millisecond)
		return time.Now().After(end) && proxy.Counts().Lost >= 5
	})
	s.settle(l)
	t.Logf("the storm: %+v", proxy.Counts())
}

// TestStops ends the program in order under load, five times.
func TestStops(t *testing.T) {
	t.Parallel()
	s := newStand(t, sharedBroker(t))
	s.start()
	l := startLoad(s.url, "s", rand.Uint64(), 8, 4*time.Millisecond)
	for range 5 {
		time.Sleep(time.Duration(200+rand.IntN(400)) * time.Millisecond)
		s.p.Stop(t)
		s.start()
	}
	s.settle(l)
}
