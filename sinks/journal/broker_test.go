package journal

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"assent/sinks"
)

// A broker is a model of Kafka as far as exactly-once rests on it. It outlives
// the processes that write to it.
type broker struct {
	mu         sync.Mutex
	rng        *rand.Rand
	partitions map[sinks.Partition]*partition
	counts     map[string]int32 // partitions by topic
	nextPID    uint64

	// Faults.
	noTopic    map[string]sinks.Reason // Partition fails
	down       map[sinks.Partition]sinks.Reason
	allDown    bool
	unready    bool
	lose       float64 // chance that an answer is lost after storing
	drop       float64 // chance that a request is lost before storing
	doubtful   bool    // what is looked for cannot be found out
	poison     string  // a record with this in it is refused
	stuck      string  // a topic that acknowledges nothing
	maxRequest int     // bytes of bodies; 0: no limit
	sendTime   time.Duration

	sends, repeats, lookups, violations int
	seen                                map[sinks.Partition]int // sends by partition
	working                             int                     // sends under way
	beside                              []int                   // by send: how many others were, when it began
}

type partition struct {
	log       []string // bodies
	times     []int64
	producers map[uint64]*producer
}

type producer struct {
	next uint32
	last []batchInfo // five at most
}

type batchInfo struct{ base, n, offset uint32 }

func newBroker(seed uint64, topics map[string]int32) *broker {
	return &broker{
		rng: rand.New(rand.NewPCG(seed, 7)), partitions: map[sinks.Partition]*partition{}, counts: topics,
		noTopic: map[string]sinks.Reason{}, down: map[sinks.Partition]sinks.Reason{}, seen: map[sinks.Partition]int{},
	}
}

// with changes the broker.
func (b *broker) with(f func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f()
}

func (b *broker) partition(l sinks.Partition) *partition {
	p := b.partitions[l]
	if p == nil {
		p = &partition{producers: map[uint64]*producer{}}
		b.partitions[l] = p
	}
	return p
}

// forget is what a broker does to producers after a day.
func (b *broker) forget() {
	for _, p := range b.partitions {
		p.producers = map[uint64]*producer{}
	}
}

// records returns the bodies of a topic's partitions, one slice each.
func (b *broker) records(topic string) (all [][]string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for l, p := range b.partitions {
		if l.Topic == topic {
			all = append(all, append([]string(nil), p.log...))
		}
	}
	return all
}

func (b *broker) count() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, p := range b.partitions {
		n += len(p.log)
	}
	return n
}

// A client is one process's forwarder.
type client struct {
	b      *broker
	mu     sync.Mutex
	pid    map[sinks.Partition]uint64
	next   map[sinks.Partition]uint32
	killed bool
	closed bool
	inside map[sinks.Partition]bool
	nonce  uint64
	base   uint64
}

func (b *broker) client() *client {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nextPID++
	return &client{b: b, base: b.nextPID, pid: map[sinks.Partition]uint64{}, next: map[sinks.Partition]uint32{}, inside: map[sinks.Partition]bool{}}
}

// kill makes everything the client does from now on come to nothing.
func (c *client) kill() {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	c.killed = true
}

func fail(r sinks.Reason) error { return &sinks.Error{Reason: r} }

func (c *client) Partition(topic string, key []byte) (sinks.Partition, error) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if r, no := c.b.noTopic[topic]; no {
		return sinks.Partition{}, fail(r)
	}
	n := c.b.counts[topic]
	if n == 0 {
		return sinks.Partition{}, fail(sinks.ReasonNoTopic)
	}
	if key == nil {
		c.nonce++
		return sinks.Partition{Topic: topic, Number: int32(c.nonce % uint64(n))}, nil
	}
	h := fnv.New32a()
	h.Write(key)
	return sinks.Partition{Topic: topic, Number: int32(h.Sum32() % uint32(n))}, nil
}

func (c *client) Reserve(ctx context.Context, l sinks.Partition, n int) ([]byte, error) {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.b.allDown || c.killed {
		return nil, fail(sinks.ReasonUnavailable)
	}
	if r, down := c.b.down[l]; down {
		return nil, fail(r)
	}
	if l.Number >= c.b.counts[l.Topic] {
		return nil, fail(sinks.ReasonUnplaced)
	}
	if c.pid[l] == 0 {
		c.pid[l] = c.base<<32 | 1
	}
	reservation := binary.LittleEndian.AppendUint64(nil, c.pid[l])
	reservation = binary.LittleEndian.AppendUint32(reservation, c.next[l])
	return binary.LittleEndian.AppendUint32(reservation, uint32(n)), nil
}

func (c *client) Send(ctx context.Context, l sinks.Partition, reservation []byte, provide sinks.Provider, again bool) (sinks.Sent, error) {
	b := c.b
	b.mu.Lock()
	defer b.mu.Unlock()
	if c.inside[l] {
		b.violations++
	}
	c.inside[l] = true
	b.beside = append(b.beside, b.working)
	b.working++
	defer func() { c.inside[l] = false; b.working-- }()
	if b.sendTime > 0 {
		d := b.sendTime
		b.mu.Unlock()
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
		b.mu.Lock()
	}
	b.sends++
	b.seen[l]++
	if c.killed || b.allDown || ctx.Err() != nil {
		return sinks.Sent{}, fail(sinks.ReasonUnavailable)
	}
	if r, down := b.down[l]; down {
		return sinks.Sent{}, fail(r)
	}
	if b.rng.Float64() < b.drop || l.Topic == b.stuck && b.rng.IntN(2) == 0 {
		return sinks.Sent{}, fail(sinks.ReasonTimeout)
	}
	if l.Number >= b.counts[l.Topic] {
		if again {
			return sinks.Sent{}, fail(sinks.ReasonDoubtful)
		}
		return sinks.Sent{}, fail(sinks.ReasonUnplaced)
	}
	outgoing, err := provide()
	if err != nil {
		return sinks.Sent{}, err
	}
	pid := binary.LittleEndian.Uint64(reservation)
	base, n := binary.LittleEndian.Uint32(reservation[8:]), binary.LittleEndian.Uint32(reservation[12:])
	if int(n) != len(outgoing) {
		b.violations++
	}
	size := 0
	for _, p := range outgoing {
		size += len(p.Body)
		if b.poison != "" && strings.Contains(string(p.Body), b.poison) {
			return sinks.Sent{}, fail(sinks.ReasonRefused)
		}
	}
	if b.maxRequest > 0 && size > b.maxRequest {
		return sinks.Sent{}, fail(sinks.ReasonTooLarge)
	}
	sent, err := c.append(l, pid, base, n, outgoing, again)
	if err == nil {
		if pid == c.pid[l] {
			c.next[l] = base + n
		}
		if b.rng.Float64() < b.lose || l.Topic == b.stuck {
			return sinks.Sent{}, fail(sinks.ReasonTimeout)
		}
	}
	return sent, err
}

// append does what a broker does with a batch, and what a client does about it.
func (c *client) append(l sinks.Partition, pid uint64, base, n uint32, outgoing []sinks.Outgoing, again bool) (sinks.Sent, error) {
	p := c.b.partition(l)
	pr := p.producers[pid]
	if pr == nil && again {
		return c.lookUp(l, outgoing) // it would be taken for new
	}
	if pr == nil {
		pr = &producer{next: base}
		p.producers[pid] = pr
	}
	for _, old := range pr.last {
		if old.base == base && old.n == n {
			c.b.repeats++
			return sinks.Sent{Offset: int64(old.offset), Repeated: true}, nil
		}
	}
	if base != pr.next {
		if !again {
			c.b.violations++
		}
		return c.lookUp(l, outgoing)
	}
	offset := uint32(len(p.log))
	for _, out := range outgoing {
		p.log = append(p.log, string(out.Body))
		p.times = append(p.times, out.Time)
	}
	pr.next = base + n
	pr.last = append(pr.last, batchInfo{base, n, offset})
	if len(pr.last) > 5 {
		pr.last = pr.last[1:]
	}
	return sinks.Sent{Offset: int64(offset)}, nil
}

// lookUp looks for records by their ce_id.
func (c *client) lookUp(l sinks.Partition, outgoing []sinks.Outgoing) (sinks.Sent, error) {
	c.b.lookups++
	c.pid[l], c.next[l] = c.pid[l]+1, 0
	if c.pid[l] == 1 {
		c.pid[l] = c.base<<32 | 2
	}
	if c.b.doubtful {
		return sinks.Sent{}, fail(sinks.ReasonDoubtful)
	}
	there := map[string]bool{}
	for _, body := range c.b.partition(l).log {
		there[string(sinks.BodyHeader([]byte(body), "ce_id"))] = true
	}
	for _, p := range outgoing {
		if id := sinks.BodyHeader(p.Body, "ce_id"); id != nil && there[string(id)] {
			return sinks.Sent{Offset: -1, Repeated: true}, nil
		}
	}
	return sinks.Sent{}, fail(sinks.ReasonUnplaced)
}

func (c *client) Ready() error {
	c.b.mu.Lock()
	defer c.b.mu.Unlock()
	if c.b.allDown || c.b.unready {
		return fail(sinks.ReasonUnavailable)
	}
	return nil
}

func (c *client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return fmt.Errorf("closed twice")
	}
	c.closed = true
	return nil
}
