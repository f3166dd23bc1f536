package kafka

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"assent/sinks"
)

// fake returns a broker that can be told to fail, with topic t of one
// partition, and a forwarder to it.
func fake(t *testing.T, opts ...kfake.Opt) (*kfake.Cluster, *Forwarder) {
	t.Helper()
	c, err := kfake.NewCluster(append([]kfake.Opt{kfake.NumBrokers(1), kfake.SeedTopics(1, "t")}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c, openWith(t, Options{Brokers: c.ListenAddrs(), Topics: []string{"t"}, Timeout: 2 * time.Second})
}

var partitionT = sinks.Partition{Topic: "t"}

// stored returns how many records the fake's partition holds.
func storedIn(c *kfake.Cluster) int64 { return c.PartitionInfo("t", 0).HighWatermark }

func fault(key kmsg.Key, err *kerr.Error) kfake.Fault {
	return kfake.Fault{Keys: []kmsg.Key{key}, Err: err}
}

// What a broker's answer to a batch becomes for the journal: at the first send,
// and at a repeat of a batch that is stored.
func TestAnswers(t *testing.T) {
	const ok = sinks.Reason(255) // no error
	for _, f := range []struct {
		err           *kerr.Error
		first, repeat sinks.Reason
	}{
		{kerr.NotLeaderForPartition, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.LeaderNotAvailable, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.UnknownTopicOrPartition, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.FencedLeaderEpoch, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.RequestTimedOut, sinks.ReasonTimeout, sinks.ReasonTimeout},
		{kerr.NotEnoughReplicas, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.NotEnoughReplicasAfterAppend, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.CoordinatorLoadInProgress, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.KafkaStorageError, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.CorruptMessage, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.UnknownServerError, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.ThrottlingQuotaExceeded, sinks.ReasonUnavailable, sinks.ReasonUnavailable},

		// No record's fault: everything waits for whoever runs the cluster.
		{kerr.TopicAuthorizationFailed, sinks.ReasonUnauthorized, sinks.ReasonUnauthorized},
		{kerr.ClusterAuthorizationFailed, sinks.ReasonUnauthorized, sinks.ReasonUnauthorized},
		{kerr.UnsupportedCompressionType, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.UnsupportedVersion, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.InvalidRequiredAcks, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.PolicyViolation, sinks.ReasonUnavailable, sinks.ReasonUnavailable},
		{kerr.InvalidTopicException, sinks.ReasonBadTopic, sinks.ReasonBadTopic},

		{kerr.MessageTooLarge, sinks.ReasonTooLarge, ok},
		{kerr.RecordListTooLarge, sinks.ReasonTooLarge, ok},
		{kerr.InvalidRecord, sinks.ReasonRefused, ok},

		{kerr.DuplicateSequenceNumber, sinks.ReasonUnplaced, ok},
		{kerr.OutOfOrderSequenceNumber, sinks.ReasonUnplaced, ok},
		{kerr.UnknownProducerID, sinks.ReasonUnplaced, ok},
		{kerr.InvalidProducerEpoch, sinks.ReasonUnplaced, ok},
		{kerr.InvalidTxnState, sinks.ReasonUnplaced, ok},
		{kerr.InvalidProducerIDMapping, sinks.ReasonUnplaced, ok},
		{kerr.ProducerFenced, sinks.ReasonUnplaced, ok},
	} {
		t.Run(f.err.Message, func(t *testing.T) {
			c, fw := fake(t)
			check := func(err error, want sinks.Reason) {
				t.Helper()
				switch {
				case want == ok && err != nil:
					t.Errorf("%v, want it stored", err)
				case want != ok && (err == nil || sinks.ReasonOf(err) != want):
					t.Errorf("%v, want reason %s", err, want)
				}
			}
			handle := c.Fault(fault(kmsg.Produce, f.err))
			_, err := fw.Send(t.Context(), partitionT, reserve(t, fw, partitionT, 2), provided(records("a", 2)), false)
			check(err, f.first)
			if handle.Hits() != 1 {
				t.Fatal("the fault was not met")
			}
			if f.first == sinks.ReasonUnavailable || f.first == sinks.ReasonTimeout {
				return // the reservation is open
			}
			reservation := reserve(t, fw, partitionT, 3)
			mustSend(t, fw, partitionT, reservation, records("b", 3), false)
			c.Fault(fault(kmsg.Produce, f.err))
			_, err = fw.Send(t.Context(), partitionT, reservation, provided(records("b", 3)), true)
			check(err, f.repeat)
			if f.repeat != ok {
				mustSend(t, fw, partitionT, reservation, records("b", 3), true)
			}
			mustSend(t, fw, partitionT, reserve(t, fw, partitionT, 1), records("c", 1), false)
			if n := storedIn(c); n != 4 {
				t.Errorf("%d records, want 4", n)
			}
		})
	}
}

// What was stored though the answer says otherwise, or is lost, is stored once.
func TestAnswerLost(t *testing.T) {
	var cut atomic.Bool
	drop := func(kmsg.Request) (kmsg.Response, error, bool) { return nil, errors.New("cut"), true }
	for name, break_ := range map[string]func(*kfake.Cluster){
		"timed out, stored":           func(c *kfake.Cluster) { c.Fault(fault(kmsg.Produce, kerr.RequestTimedOut)) },
		"not enough replicas, stored": func(c *kfake.Cluster) { c.Fault(fault(kmsg.Produce, kerr.NotEnoughReplicasAfterAppend)) },
		"cut, not stored":             func(c *kfake.Cluster) { c.ControlKey(int16(kmsg.Produce), drop) },
		"cut, stored":                 func(*kfake.Cluster) { cut.Store(true) },
	} {
		t.Run(name, func(t *testing.T) {
			c, f := fake(t, kfake.ListenFn(func(network, address string) (net.Listener, error) {
				l, err := net.Listen(network, address)
				return &cutter{l, &cut}, err
			}))
			reservation := reserve(t, f, partitionT, 2)
			break_(c)
			_, err := f.Send(t.Context(), partitionT, reservation, provided(records("a", 2)), false)
			if sinks.ClassOf(err) != sinks.Retriable || err == nil {
				t.Fatalf("%v, want a retriable error", err)
			}
			before := storedIn(c)
			sent := mustSend(t, f, partitionT, reservation, records("a", 2), true)
			if want := (sinks.Sent{Repeated: before == 2}); sent != want || strings.Contains(name, "not stored") == sent.Repeated {
				t.Errorf("%+v, want %+v", sent, want)
			}
			mustSend(t, f, partitionT, reserve(t, f, partitionT, 1), records("b", 1), false)
			if n := storedIn(c); n != 3 {
				t.Errorf("%d records, want 3", n)
			}
		})
	}
}

// cutter is a listener that closes a connection, when told to, in place of
// answering a produce request on it.
type cutter struct {
	net.Listener
	cut *atomic.Bool
}

func (l *cutter) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	return &cutConn{Conn: c, cut: l.cut}, err
}

type cutConn struct {
	net.Conn
	cut *atomic.Bool

	mu      sync.Mutex
	request []byte // as far as it was read; one at a time
}

func (c *cutConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.request = append(c.request, p[:n]...)
	return n, err
}

func (c *cutConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	produce := len(c.request) > 6 && c.request[4] == 0 && c.request[5] == byte(kmsg.Produce)
	c.request = nil
	c.mu.Unlock()
	if produce && c.cut.CompareAndSwap(true, false) {
		c.Close()
		return 0, errors.New("cut")
	}
	return c.Conn.Write(p)
}

// A look-up that fails for now is made again; in between the reservation stays open.
func TestLookUpFails(t *testing.T) {
	c, f := fake(t)
	reservation := reserve(t, f, partitionT, 2)
	mustSend(t, f, partitionT, reservation, records("a", 2), false)
	for _, key := range []kmsg.Key{kmsg.ListOffsets, kmsg.Fetch} {
		c.Fault(fault(kmsg.Produce, kerr.OutOfOrderSequenceNumber))
		c.Fault(kfake.Fault{Keys: []kmsg.Key{key}, Err: kerr.NotLeaderForPartition})
		_, err := f.Send(t.Context(), partitionT, reservation, provided(records("a", 2)), true)
		wantError(t, err, sinks.ReasonUnavailable)
	}
	c.DropControl()
	eventually(t, func() error {
		sent, err := f.Send(t.Context(), partitionT, reservation, provided(records("a", 2)), true)
		if err == nil && (!sent.Repeated || sent.Offset != 0) {
			err = fmt.Errorf("%+v, want a repeat of offset 0", sent)
		}
		return err
	})
}

// A producer id is asked for once, however often the broker is not ready to
// give one, and again only where it has lost its force.
func TestProducerIDs(t *testing.T) {
	c, f := fake(t, kfake.SeedTopics(2, "u"))
	given := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Observe: true, Count: -1, TopLevel: true})
	loading := c.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.InitProducerID}, Err: kerr.CoordinatorLoadInProgress, Count: 3, TopLevel: true})
	partitions := []sinks.Partition{partitionT, {Topic: "u"}, {Topic: "u", Number: 1}}
	ids := func() (out []int64) {
		for _, p := range partitions {
			raw, err := f.Reserve(t.Context(), p, 1)
			if err != nil {
				t.Fatal(err)
			}
			r, err := parseReservation(raw)
			if err != nil {
				t.Fatal(err)
			}
			mustSend(t, f, p, raw, records("a", 1), false)
			out = append(out, r.id.producer)
		}
		return out
	}
	first := ids()
	if loading.Hits() != 3 || first[0] != first[1] || first[1] != first[2] {
		t.Errorf("producer ids %d after %d refusals, want one after 3", first, loading.Hits())
	}
	c.Fault(fault(kmsg.Produce, kerr.UnknownProducerID))
	_, err := f.Send(t.Context(), partitions[1], reserve(t, f, partitions[1], 1), provided(records("b", 1)), false)
	wantError(t, err, sinks.ReasonUnplaced)
	second := ids()
	if second[0] != first[0] || second[1] == first[1] || second[2] != first[2] {
		t.Errorf("producer ids %d, then %d, want the second one alone to change", first, second)
	}
	if n := given.Hits(); n != 0 && n != 5 {
		t.Errorf("%d requests for a producer id, want 5", n)
	}
	if third := ids(); third[1] != second[1] {
		t.Errorf("producer ids %d, then %d, want them to stay", second, third)
	}
}

// A new batch under a sequence that was used is answered as if it were stored.
// It is not believed, and not lost.
func TestSequenceUsedTwice(t *testing.T) {
	c, f := fake(t)
	reservation := reserve(t, f, partitionT, 2)
	mustSend(t, f, partitionT, reservation, records("a", 2), false)
	_, err := f.Send(t.Context(), partitionT, reservation, provided(records("b", 2)), true)
	wantError(t, err, sinks.ReasonUnplaced)
	mustSend(t, f, partitionT, reserve(t, f, partitionT, 2), records("b", 2), false)
	f.partition(partitionT).sequence = 0 // as if it had been forgotten
	_, err = f.Send(t.Context(), partitionT, reserve(t, f, partitionT, 2), provided(records("c", 2)), false)
	wantError(t, err, sinks.ReasonUnplaced)
	mustSend(t, f, partitionT, reserve(t, f, partitionT, 2), records("c", 2), false)
	if n := storedIn(c); n != 6 {
		t.Errorf("%d records, want 6", n)
	}
}

// The log is shorter than it was (a topic made anew, say): what is stored below
// the lower bound is found where the broker says it is.
func TestLowerBoundTooHigh(t *testing.T) {
	c, f := fake(t)
	deliver(t, f, partitionT, records("a", 1))
	for _, low := range []int64{2, 50} {
		f.partition(partitionT).low = low
		reservation := reserve(t, f, partitionT, 2)
		at := storedIn(c)
		if sent := mustSend(t, f, partitionT, reservation, records("b", 2), false); sent != (sinks.Sent{Offset: at}) {
			t.Errorf("%+v, want offset %d", sent, at)
		}
		if sent := mustSend(t, f, partitionT, reservation, records("b", 2), true); sent != (sinks.Sent{Offset: at, Repeated: true}) {
			t.Errorf("%+v, want a repeat of offset %d", sent, at)
		}
		if got := f.partition(partitionT).low; got != at+2 {
			t.Errorf("lower bound %d, want %d", got, at+2)
		}
	}
	if n := storedIn(c); n != 5 {
		t.Errorf("%d records, want 5", n)
	}
}

// A topic made anew begins at 0 again; what is stored there is not taken for a
// batch of before.
func TestTopicMadeAnew(t *testing.T) {
	c, f := fake(t)
	for range 3 {
		deliver(t, f, partitionT, records("a", 2))
	}
	open := reserve(t, f, partitionT, 2)
	if err := errors.Join(c.DeleteTopic("t"), c.CreateTopic("t", 1, nil)); err != nil {
		t.Fatal(err)
	}
	again := false
	eventually(t, func() error {
		_, err := f.Send(t.Context(), partitionT, open, provided(records("b", 2)), again)
		if sinks.ReasonOf(err) == sinks.ReasonDoubtful || sinks.ReasonOf(err) == sinks.ReasonUnplaced {
			open, again = reserve(t, f, partitionT, 2), false
		} else {
			again = true
		}
		return err
	})
	deliver(t, f, partitionT, records("c", 2))
	if n := storedIn(c); n != 4 {
		t.Errorf("%d records, want 4", n)
	}
}

// The same address leads to another cluster by now: partitions begin anew there.
func TestClusterReplaced(t *testing.T) {
	before, f := fake(t, kfake.ClusterID("one"))
	deliver(t, f, partitionT, records("a", 1))
	open := reserve(t, f, partitionT, 1)
	_, port, err := net.SplitHostPort(before.ListenAddrs()[0])
	if err != nil {
		t.Fatal(err)
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		t.Fatal(err)
	}
	before.Close()
	after, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.Ports(number), kfake.SeedTopics(1, "t"), kfake.ClusterID("two"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(after.Close)
	one := f.seen.Load().id
	eventually(t, func() error {
		if f.seen.Load().id == one {
			return errors.New("the other cluster was not noticed")
		}
		return nil
	})
	_, err = f.Send(t.Context(), partitionT, open, provided(records("b", 1)), true)
	wantError(t, err, sinks.ReasonDoubtful)
	mustSend(t, f, partitionT, reserve(t, f, partitionT, 1), records("b", 1), false)
	if n := storedIn(after); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// The leader moves to another node: the next send goes there.
func TestLeaderMoves(t *testing.T) {
	c, err := kfake.NewCluster(kfake.NumBrokers(3), kfake.SeedTopics(1, "t"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	f := openWith(t, Options{Brokers: c.ListenAddrs()[:1], Topics: []string{"t"}})
	for range 4 {
		deliver(t, f, partitionT, records("a", 1))
		c.MoveTopicPartition("t", 0, (c.LeaderFor("t", 0)+1)%3)
	}
	deliver(t, f, partitionT, records("a", 1))
	if n := storedIn(c); n != 5 {
		t.Errorf("%d records, want 5", n)
	}
}

// The journal was taken to another cluster, whose producer ids are others'.
func TestAnotherCluster(t *testing.T) {
	_, here := fake(t, kfake.ClusterID("one"))
	c, there := fake(t, kfake.ClusterID("two"))
	reservation := reserve(t, here, partitionT, 1)
	mustSend(t, there, partitionT, reserve(t, there, partitionT, 1), records("other", 1), false)
	_, err := there.Send(t.Context(), partitionT, reservation, provided(records("a", 1)), true)
	wantError(t, err, sinks.ReasonDoubtful)
	if n := storedIn(c); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

// Every code that kafka-go knows has a fate and a reason; those it adds are
// unknown, which waits.
func TestUnknownCodesWait(t *testing.T) {
	for code := kafkago.Error(200); code < 210; code++ {
		if fateOf(code) != unknown || reasonOf(code).Class() != sinks.Retriable {
			t.Errorf("code %d: fate %d, reason %s", code, fateOf(code), reasonOf(code))
		}
	}
	if fateOf(errors.New("cut")) != unknown || fateOf(nil) != stored {
		t.Error("a lost answer is no answer")
	}
}
