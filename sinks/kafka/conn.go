package kafka

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	kafkago "github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/segmentio/kafka-go/protocol/apiversions"
	"github.com/segmentio/kafka-go/protocol/saslauthenticate"
	"github.com/segmentio/kafka-go/protocol/saslhandshake"
	"github.com/segmentio/kafka-go/sasl"

	"assent/sinks"
)

const (
	clientID = "assent"
	// idleLimit is below the 10 minutes after which brokers close (Kafka's
	// connections.max.idle.ms) and the 350 seconds of common load balancers.
	idleLimit = 4 * time.Minute
)

// conns are the connections to all brokers. A connection carries one request at
// a time: brokers answer the requests of a connection one after another, and
// requests of independent partitions must not wait for each other.
type conns struct {
	timeout time.Duration
	tls     *tls.Config
	sasl    sasl.Mechanism

	mu     sync.Mutex
	idle   map[string][]*conn // by address; the one used last is at the end
	closed bool
}

type conn struct {
	*protocol.Conn
	used time.Time
}

// ask sends one request to the broker at addr and returns the answer. When it
// returns, nobody reads msg or what it points to any more.
func (cs *conns) ask(ctx context.Context, addr string, msg protocol.Message) (protocol.Message, error) {
	return cs.askLate(ctx, addr, func() (protocol.Message, error) { return msg, nil })
}

// askLate is ask with a request that is made when the connection is there.
func (cs *conns) askLate(ctx context.Context, addr string, request func() (protocol.Message, error)) (protocol.Message, error) {
	ctx, cancel := context.WithTimeout(ctx, cs.timeout)
	defer cancel()
	c, err := cs.take(ctx, addr)
	if err != nil {
		return nil, err
	}
	msg, err := request()
	if err != nil {
		cs.put(addr, c)
		return nil, err
	}
	answer, err := c.roundTrip(ctx, msg)
	if err != nil {
		c.Close()
		cs.drop(addr) // what broke this one has likely broken the others
		return nil, fmt.Errorf("asking broker %s: %w", addr, expired(ctx, err))
	}
	c.used = time.Now()
	cs.put(addr, c)
	return answer, nil
}

// expired returns what ended ctx, if that is why an exchange failed.
func expired(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return context.DeadlineExceeded
	}
	return err
}

// roundTrip makes one exchange and gives up when ctx ends.
func (c *conn) roundTrip(ctx context.Context, msg protocol.Message) (protocol.Message, error) {
	deadline, _ := ctx.Deadline()
	c.SetDeadline(deadline)
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	answer, err := c.RoundTrip(msg)
	if !stop() && err == nil {
		err = ctx.Err() // its deadline is or will be spoiled
	}
	return answer, err
}

func (cs *conns) take(ctx context.Context, addr string) (*conn, error) {
	cs.mu.Lock()
	if cs.closed {
		cs.mu.Unlock()
		return nil, &sinks.Error{Reason: sinks.ReasonClosed}
	}
	if list := cs.idle[addr]; len(list) > 0 {
		c := list[len(list)-1]
		cs.idle[addr] = list[:len(list)-1]
		cs.mu.Unlock()
		return c, nil
	}
	cs.mu.Unlock()
	c, err := cs.dial(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connecting to broker %s: %w", addr, expired(ctx, err))
	}
	return c, nil
}

func (cs *conns) put(addr string, c *conn) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	if cs.closed {
		c.Close()
		return
	}
	cs.idle[addr] = append(cs.idle[addr], c)
}

// drop closes all idle connections to addr.
func (cs *conns) drop(addr string) {
	cs.mu.Lock()
	list := cs.idle[addr]
	delete(cs.idle, addr)
	cs.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

// prune closes connections that were not used for long.
func (cs *conns) prune(now time.Time) {
	cs.mu.Lock()
	defer cs.mu.Unlock()
	for addr, list := range cs.idle {
		n := 0
		for n < len(list) && now.Sub(list[n].used) > idleLimit {
			list[n].Close()
			n++
		}
		cs.idle[addr] = list[n:]
		if n == len(list) {
			delete(cs.idle, addr)
		}
	}
}

func (cs *conns) close() {
	cs.mu.Lock()
	cs.closed = true
	all := cs.idle
	cs.idle = nil
	cs.mu.Unlock()
	for _, list := range all {
		for _, c := range list {
			c.Close()
		}
	}
}

// dial connects, agrees on versions and authenticates.
func (cs *conns) dial(ctx context.Context, addr string) (*conn, error) {
	raw, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if cs.tls != nil {
		config := cs.tls
		if config.ServerName == "" {
			config = config.Clone()
			config.ServerName, _, _ = net.SplitHostPort(addr)
		}
		raw = tls.Client(raw, config)
	}
	c := &conn{Conn: protocol.NewConn(raw, clientID)}
	if err := cs.greet(ctx, c); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (cs *conns) greet(ctx context.Context, c *conn) error {
	answer, err := c.roundTrip(ctx, &apiversions.Request{})
	if err != nil {
		return fmt.Errorf("asking for versions: %w", err)
	}
	list := answer.(*apiversions.Response)
	if list.ErrorCode != 0 {
		return fmt.Errorf("asking for versions: %w", kafkago.Error(list.ErrorCode))
	}
	versions := make(map[protocol.ApiKey]int16, len(list.ApiKeys))
	for _, k := range list.ApiKeys {
		key := protocol.ApiKey(k.ApiKey)
		versions[key] = key.SelectVersion(k.MinVersion, k.MaxVersion)
	}
	c.SetVersions(versions)
	if cs.sasl == nil {
		return nil
	}
	if err := cs.authenticate(ctx, c); err != nil {
		return fmt.Errorf("authenticating: %w", err)
	}
	return nil
}

func (cs *conns) authenticate(ctx context.Context, c *conn) error {
	answer, err := c.roundTrip(ctx, &saslhandshake.Request{Mechanism: cs.sasl.Name()})
	if err != nil {
		return err
	}
	if code := answer.(*saslhandshake.Response).ErrorCode; code != 0 {
		return kafkago.Error(code)
	}
	state, reply, err := cs.sasl.Start(ctx)
	if err != nil {
		return err
	}
	for done := false; !done; {
		answer, err := c.roundTrip(ctx, &saslauthenticate.Request{AuthBytes: reply})
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			return kafkago.SASLAuthenticationFailed // how a broker may say so
		}
		if err != nil {
			return err
		}
		res := answer.(*saslauthenticate.Response)
		if res.ErrorCode != 0 {
			return kafkago.Error(res.ErrorCode)
		}
		if done, reply, err = state.Next(ctx, res.AuthBytes); err != nil {
			return kafkago.SASLAuthenticationFailed // the cause is the exchange's own text
		}
	}
	return nil
}
