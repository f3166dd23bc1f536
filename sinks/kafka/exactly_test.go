package kafka

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"assent/sinks"
	kafkatest "assent/test/kafka"
)

// The same reservation sent twice is stored once, also with values nulled meanwhile;
// what follows is told from it.
func TestRepeatIsStoredOnce(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, nil)
	p := partitionOf(t, f, topic, "k")
	first := records("a", 3)
	reservation := reserve(t, f, p, 3)
	if sent := mustSend(t, f, p, reservation, first, false); sent != (sinks.Sent{Offset: 0}) {
		t.Errorf("%+v, want offset 0", sent)
	}
	if sent := mustSend(t, f, p, reservation, first, true); sent != (sinks.Sent{Offset: 0, Repeated: true}) {
		t.Errorf("%+v, want a repeat of offset 0", sent)
	}
	first[1] = nulled("k")
	if sent := mustSend(t, f, p, reservation, first, true); sent != (sinks.Sent{Offset: 0, Repeated: true}) {
		t.Errorf("%+v, want a repeat of offset 0", sent)
	}
	next := reserve(t, f, p, 2)
	if sent := mustSend(t, f, p, next, records("b", 2), true); sent != (sinks.Sent{Offset: 3}) {
		t.Errorf("a reservation that was never sent: %+v, want offset 3", sent)
	}
	wantIDs(t, b, topic, "a-0 a-1 a-2 b-0 b-1")
}

// Reservations that were not sent are forgotten.
func TestPlanAdvancesNothing(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, nil)
	p := partitionOf(t, f, topic, "k")
	mustSend(t, f, p, reserve(t, f, p, 1), records("a", 1), false)
	reserve(t, f, p, 7)
	reserve(t, f, p, 4)
	mustSend(t, f, p, reserve(t, f, p, 2), records("b", 2), false)
	wantIDs(t, b, topic, "a-0 b-0 b-1")
}

// A later process repeats the reservations of an earlier one, among reservations of its own.
func TestRepeatAfterARestart(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	before := open(t, b, nil)
	p := partitionOf(t, before, topic, "k")
	mustSend(t, before, p, reserve(t, before, p, 2), records("a", 2), false)
	sent := reserve(t, before, p, 3)
	mustSend(t, before, p, sent, records("b", 3), false)
	unsent := reserve(t, before, p, 2)
	before.Close()

	after := open(t, b, nil)
	if sent := mustSend(t, after, p, sent, records("b", 3), true); sent != (sinks.Sent{Offset: 2, Repeated: true}) {
		t.Errorf("%+v, want a repeat of offset 2", sent)
	}
	mustSend(t, after, p, reserve(t, after, p, 1), records("d", 1), false)
	if sent := mustSend(t, after, p, unsent, records("c", 2), true); sent != (sinks.Sent{Offset: 6}) {
		t.Errorf("%+v, want offset 6, not repeated", sent)
	}
	mustSend(t, after, p, reserve(t, after, p, 1), records("e", 1), false)
	wantIDs(t, b, topic, "a-0 a-1 b-0 b-1 b-2 d-0 c-0 c-1 e-0")
}

// A sequence goes on at 0 after the largest int32, as brokers count.
func TestSequenceWraps(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, nil)
	p := partitionOf(t, f, topic, "k")
	deliver(t, f, p, records("first", 1)) // brokers of 4.5 want 0 in a log that was never written (KAFKA-15591)
	f.partition(p).name.ok, f.partition(p).fresh = false, true
	reserve(t, f, p, 3)
	f.partition(p).sequence = 1<<31 - 2
	reservation := reserve(t, f, p, 3)
	mustSend(t, f, p, reservation, records("a", 3), false)
	next := reserve(t, f, p, 2)
	if r, err := parseReservation(next); err != nil || r.sequence != 1 {
		t.Errorf("sequence %d, %v, want 1", r.sequence, err)
	}
	mustSend(t, f, p, next, records("b", 2), false)
	mustSend(t, f, p, reservation, records("a", 3), true)
	wantIDs(t, b, topic, "first-0 a-0 a-1 a-2 b-0 b-1")
}

// A reservation that outlived the broker's memory of its producer is not sent.
func TestOldPlanIsLookedUp(t *testing.T) {
	b := kafkatest.Shared(t)
	for _, name := range []string{"none", "zstd"} {
		t.Run(name, func(t *testing.T) {
			topic := topicFor(t, b, 1)
			clock := newClock()
			f := open(t, b, func(o *Options) { o.Compression = name; o.Now = clock.Now })
			p := partitionOf(t, f, topic, "k")
			mustSend(t, f, p, reserve(t, f, p, 2), records("a", 2), false)
			stored := reserve(t, f, p, 3)
			mustSend(t, f, p, stored, records("b", 3), false)
			for range 3 {
				mustSend(t, f, p, reserve(t, f, p, 50), records("c", 50), false)
			}
			absent := reserve(t, f, p, 2)
			clock.Add(13 * time.Hour)
			if sent := mustSend(t, f, p, stored, records("b", 3), true); sent != (sinks.Sent{Offset: 2, Repeated: true}) {
				t.Errorf("%+v, want a repeat of offset 2", sent)
			}
			_, err := f.Send(t.Context(), p, absent, provided(records("d", 2)), true)
			wantError(t, err, sinks.ReasonUnplaced)
			mustSend(t, f, p, absent, records("e", 2), false) // never sent: its age does not matter
			if n := len(b.ReadAll(t, topic)); n != 157 {
				t.Errorf("%d records, want 157", n)
			}
		})
	}
}

// The clock was set back: nobody knows how old the reservation is.
func TestPlanOfTheFutureIsLookedUp(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	clock := newClock()
	f := open(t, b, func(o *Options) { o.Now = clock.Now })
	p := partitionOf(t, f, topic, "k")
	reservation := reserve(t, f, p, 1)
	clock.Add(-time.Hour)
	_, err := f.Send(t.Context(), p, reservation, provided(records("a", 1)), true)
	wantError(t, err, sinks.ReasonUnplaced)
}

// A broker remembers five batches of a producer; what is older it calls out of
// order, though it is stored. The partition goes on under a new identity.
func TestOutOfOrderIsLookedUp(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, nil)
	p := partitionOf(t, f, topic, "k")
	old := reserve(t, f, p, 2)
	mustSend(t, f, p, old, records("a", 2), false)
	for range 6 {
		mustSend(t, f, p, reserve(t, f, p, 1), records("b", 1), false)
	}
	if sent := mustSend(t, f, p, old, records("a", 2), true); sent != (sinks.Sent{Offset: 0, Repeated: true}) {
		t.Errorf("%+v, want a repeat of offset 0", sent)
	}
	mustSend(t, f, p, reserve(t, f, p, 1), records("x", 1), false)
	r, err := parseReservation(reserve(t, f, p, 1))
	if err != nil {
		t.Fatal(err)
	}
	r.sequence += 10 // as if batches before it had been lost
	_, err = f.Send(t.Context(), p, r.append(nil), provided(records("c", 1)), false)
	wantError(t, err, sinks.ReasonUnplaced)
	mustSend(t, f, p, reserve(t, f, p, 1), records("c", 1), false)
	again := reserve(t, f, p, 1)
	mustSend(t, f, p, again, records("d", 1), false)
	mustSend(t, f, p, again, records("d", 1), true)
	wantIDs(t, b, topic, "a-0 a-1 b-0 b-0 b-0 b-0 b-0 b-0 x-0 c-0 d-0")
}

// Retention removed what would have to be read.
func TestLookUpOfWhatIsGoneIsDoubtful(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	clock := newClock()
	f := open(t, b, func(o *Options) { o.Now = clock.Now })
	p := partitionOf(t, f, topic, "k")
	var reservations [3][]byte
	for i := range reservations {
		reservations[i] = reserve(t, f, p, 2)
		mustSend(t, f, p, reservations[i], records("a", 2), false)
	}
	deleteBefore(t, b, topic, 3)
	clock.Add(13 * time.Hour)
	_, err := f.Send(t.Context(), p, reservations[0], provided(records("a", 2)), true)
	wantError(t, err, sinks.ReasonDoubtful)
	if sent := mustSend(t, f, p, reservations[1], records("a", 2), true); sent.Offset != 2 {
		t.Errorf("%+v: the batch of which a part is left is there", sent)
	}
	if sent := mustSend(t, f, p, reservations[2], records("a", 2), true); sent.Offset != 4 {
		t.Errorf("%+v, want offset 4", sent)
	}
}

// Refusals that are a record's own fault leave the sequence to what remains.
func TestRefusedForGood(t *testing.T) {
	b := kafkatest.Shared(t)
	big := record("k", "big", `{"x":"`+strings.Repeat("x", 50_000)+`"}`)
	keyless := record("", "keyless", `{}`)
	for _, c := range []struct {
		name, setting string
		bad           sinks.Outgoing
		want          sinks.Reason
	}{
		{"too large", "max.message.bytes=20000", big, sinks.ReasonTooLarge},
		{"no key where compacted", "cleanup.policy=compact", keyless, sinks.ReasonRefused},
	} {
		t.Run(c.name, func(t *testing.T) {
			topic := topicFor(t, b, 1, c.setting)
			f := open(t, b, func(o *Options) { o.Compression = "none" })
			p := partitionOf(t, f, topic, "k")
			mustSend(t, f, p, reserve(t, f, p, 1), records("a", 1), false)
			all := append(records("b", 2), c.bad)
			reservation := reserve(t, f, p, 3)
			for _, again := range []bool{false, true} {
				_, err := f.Send(t.Context(), p, reservation, provided(all), again)
				wantError(t, err, c.want)
				if strings.Contains(err.Error(), "xxx") || strings.Contains(err.Error(), "keyless") {
					t.Errorf("%v: holds a record's value", err)
				}
			}
			mustSend(t, f, p, reserve(t, f, p, 2), all[:2], false)
			_, err := f.Send(t.Context(), p, reserve(t, f, p, 1), provided(all[2:]), false)
			wantError(t, err, c.want)
			mustSend(t, f, p, reserve(t, f, p, 1), records("c", 1), false)
			wantIDs(t, b, topic, "a-0 b-0 b-1 c-0")
		})
	}
}

// A record whose instant the topic does not take is stored with that of its
// arrival: its own is in its headers. Nothing of it is anybody's fault.
func TestMistimed(t *testing.T) {
	b := kafkatest.Shared(t)
	for name, by := range map[string]time.Duration{"a clock that runs ahead": 3 * time.Hour, "a long wait": -3 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			topic := topicFor(t, b, 1, "message.timestamp.before.max.ms=3600000", "message.timestamp.after.max.ms=3600000")
			f := open(t, b, nil)
			p := partitionOf(t, f, topic, "k")
			all := records("a", 2)
			all[1].Time += by.Milliseconds()
			reservation := reserve(t, f, p, 2)
			mustSend(t, f, p, reservation, all, false)
			mustSend(t, f, p, reservation, all, true)
			mustSend(t, f, p, reserve(t, f, p, 1), records("b", 1), false)
			wantIDs(t, b, topic, "a-0 a-1 b-0")
		})
	}
}

// A batch that was stored before the topic's limit was lowered is refused when
// it is repeated, and is stored all the same.
func TestRefusedRepeatIsLookedUp(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, func(o *Options) { o.Compression = "none" })
	p := partitionOf(t, f, topic, "k")
	all := []sinks.Outgoing{record("k", "big", `{"x":"`+strings.Repeat("x", 50_000)+`"}`)}
	reservation := reserve(t, f, p, 1)
	mustSend(t, f, p, reservation, all, false)
	b.Tool(t, "", "kafka.admin.ConfigCommand", "--alter", "--topic", topic, "--add-config", "max.message.bytes=20000")
	if sent := mustSend(t, f, p, reservation, all, true); sent != (sinks.Sent{Offset: 0, Repeated: true}) {
		t.Errorf("%+v, want a repeat of offset 0", sent)
	}
	wantIDs(t, b, topic, "big")
}

// A topic may have its broker compress anew; its batches keep their identity.
func TestLookUpOfWhatTheBrokerCompressed(t *testing.T) {
	b := kafkatest.Shared(t)
	for _, c := range []string{"gzip", "snappy", "lz4", "zstd", "uncompressed"} {
		t.Run(c, func(t *testing.T) {
			topic := topicFor(t, b, 1, "compression.type="+c)
			clock := newClock()
			f := open(t, b, func(o *Options) {
				o.Now = clock.Now
				if c == "zstd" {
					o.Compression = "gzip"
				}
			})
			p := partitionOf(t, f, topic, "k")
			mustSend(t, f, p, reserve(t, f, p, 1), records("a", 1), false)
			reservation := reserve(t, f, p, 2000)
			all := records("b", 2000)
			mustSend(t, f, p, reservation, all, false)
			clock.Add(13 * time.Hour)
			if sent := mustSend(t, f, p, reservation, all, true); sent != (sinks.Sent{Offset: 1, Repeated: true}) {
				t.Errorf("%+v, want a repeat of offset 1", sent)
			}
		})
	}
}

// What cannot be read is nobody's reservation.
func TestUnreadableReservation(t *testing.T) {
	b := kafkatest.Shared(t)
	topic := topicFor(t, b, 1)
	f := open(t, b, nil)
	p := partitionOf(t, f, topic, "k")
	good := reserve(t, f, p, 2)
	other, err := parseReservation(good)
	if err != nil {
		t.Fatal(err)
	}
	other.cluster++
	for name, reservation := range map[string][]byte{
		"empty": nil, "short": good[:len(good)-1], "of another version": append([]byte{9}, good[1:]...), "of another cluster": other.append(nil),
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Send(t.Context(), p, reservation, provided(records("a", 2)), true)
			wantError(t, err, sinks.ReasonDoubtful)
			_, err = f.Send(t.Context(), p, reservation, provided(records("a", 2)), false)
			wantError(t, err, sinks.ReasonUnplaced)
		})
	}
	_, err = f.Send(t.Context(), p, good, provided(records("a", 1)), false)
	wantError(t, err, sinks.ReasonUnplaced)
	wantIDs(t, b, topic, "")
}

// deleteBefore removes the records of partition 0 below offset, as retention
// does.
func deleteBefore(t *testing.T, b *kafkatest.Broker, topic string, offset int64) {
	t.Helper()
	list := filepath.Join(t.TempDir(), "offsets.json")
	content := fmt.Appendf(nil, `{"version":1,"partitions":[{"topic":%q,"partition":0,"offset":%d}]}`, topic, offset)
	if err := os.WriteFile(list, content, 0o600); err != nil {
		t.Fatal(err)
	}
	b.Tool(t, "", "org.apache.kafka.tools.DeleteRecordsCommand", "--offset-json-file", list)
}
