package kafka

import (
	"errors"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kmsg"

	"assent/sinks"
)

// liar makes node 1 of c say that topic t has so many partitions, the first of
// them without a leader if the number is negative; 0: the truth.
func liar(t *testing.T, c *kfake.Cluster) *atomic.Int32 {
	t.Helper()
	says, addrs := new(atomic.Int32), c.ListenAddrs()
	c.ControlKey(int16(kmsg.Metadata), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		n := says.Load()
		if n == 0 || c.CurrentNode() != 1 {
			return nil, nil, false
		}
		resp := req.ResponseKind().(*kmsg.MetadataResponse)
		resp.ClusterID = kmsg.StringPtr("one")
		for i, addr := range addrs {
			host, port, _ := net.SplitHostPort(addr)
			number, _ := strconv.Atoi(port)
			b := kmsg.NewMetadataResponseBroker()
			b.NodeID, b.Host, b.Port = int32(i), host, int32(number)
			resp.Brokers = append(resp.Brokers, b)
		}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic = kmsg.StringPtr("t")
		for i := range max(n, -n) {
			p := kmsg.NewMetadataResponseTopicPartition()
			if p.Partition = i; i == 0 && n < 0 {
				p.Leader = -1
			}
			topic.Partitions = append(topic.Partitions, p)
		}
		resp.Topics = append(resp.Topics, topic)
		return resp, nil, true
	})
	return says
}

// What becomes of partition 5 when answers do not have it: whether a record gets a
// partition, and what a new reservation, an unsent one and one that was sent are told, after a
// script, of which each step is followed by a look at the cluster:
//
//	=N     the topic is made again with N partitions; 0: it is deleted
//	lag=N  one broker says that it has so many, and is asked before the other
//	+D     time passes
//	ask    somebody has a reservation for the partition
func TestPartitionGone(t *testing.T) {
	f := func(name, script, want string) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := kfake.NewCluster(kfake.NumBrokers(2), kfake.ClusterID("one"), kfake.SeedTopics(1, "u"))
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(c.Close)
			says := liar(t, c)
			clock, addrs := newClock(), c.ListenAddrs()
			f := openWith(t, Options{Brokers: addrs, Now: clock.Now})
			reservation := reserve(t, f, sinks.Partition{Topic: "u"}, 1) // a reservation names no partition
			f.Partition("t", nil)                                        // asks for the topic from now on
			partition := sinks.Partition{Topic: "t", Number: 5}
			for _, step := range strings.Fields(script) {
				kind, value, _ := strings.Cut(step, "=")
				n, _ := strconv.Atoi(value)
				switch kind {
				case "":
					if c.TopicInfo("t") != nil {
						err = c.DeleteTopic("t")
					}
					if err == nil && n > 0 {
						err = c.CreateTopic("t", int32(n), nil)
					}
				case "lag":
					says.Store(int32(n))
					f.answered.Store(&addrs[1])
				case "ask":
					f.Reserve(t.Context(), partition, 1)
				default:
					d, e := time.ParseDuration(step)
					clock.Add(d)
					err = e
				}
				if err = errors.Join(err, f.refreshed(t.Context())); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			told := func(err error) {
				if err == nil {
					got = append(got, "ok")
				} else {
					got = append(got, sinks.ReasonOf(err).String())
				}
			}
			_, err = f.Partition("t", []byte("k"))
			told(err)
			_, err = f.Reserve(t.Context(), partition, 1)
			told(err)
			for _, again := range []bool{false, true} {
				_, err = f.Send(t.Context(), partition, reservation, provided(records("a", 1)), again)
				told(err)
			}
			if got := strings.Join(got, " "); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		})
	}
	const (
		there   = "ok ok ok ok"
		waits   = "unavailable unavailable unavailable unavailable"
		gone    = "unavailable unplaced unplaced doubtful"
		settled = "ok unplaced unplaced doubtful"
	)
	f("there", "=6 +1h", there)
	f("fewer", "=6 =2", waits)
	f("fewer, not for long", "=6 =2 +30s", waits)
	f("fewer, for long", "=6 =2 +31s", gone)
	f("known from a reservation before the topic is there", "ask =2", waits)
	f("others may still have to hear of it", "=6 =2 +31s +10s", gone)
	f("all have heard of it", "=6 =2 +31s +11s", settled)
	f("there again", "=6 =2 +31s +11s =6", there)
	f("there in between", "=6 =2 +20s =6 =2 +20s", waits)
	f("another number in between", "=6 =2 +20s =3 =2 +20s", waits)
	f("a leader missing in between", "=6 =2 +20s lag=-2 lag=0 +20s", waits)
	f("a leader missing", "=6 =2 lag=-2 +1h +1h", waits)
	f("deleted", "=6 =0 +1h", "no_topic no_topic no_topic no_topic")
	f("deleted in between", "=6 =2 +20s =0 =2 +20s", waits)
	f("made again after long", "=6 =0 +1h =2", waits)
	f("made again after long, for long", "=6 =0 +1h =2 +31s", gone)
	f("a broker that lags", "=6 lag=2 +31s +31s +31s", waits)
	f("a broker that has caught up", "=6 lag=2 +31s lag=0", there)
	f("a broker that others agree with in the end", "=6 lag=2 +31s =2 +20s", waits)
	f("a broker that others have agreed with for long", "=6 lag=2 +31s =2 +31s", gone)
	f("known by a reservation alone", "=2 ask +29s", waits)
	f("known by a reservation alone, for long", "=2 ask +31s", gone)
	f("known by a reservation alone, settled", "=2 ask +31s +11s", settled)
	f("known by a reservation alone, late", "=2 +31s ask", gone)
}
