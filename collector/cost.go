package collector

import (
	"net/netip"

	"assent/consent"
	"assent/rate"
)

// tokenBytes is the length of body that costs a token: an event is seldom longer.
const tokenBytes = 4 << 10

// storedBodies is how many times Limits.Decompressed one request may commit: the
// records of an event for several recipients, with their headers, are more bytes
// than the event.
const storedBodies = 4

var errStored = &RequestError{ReasonTooLarge, "its events become more bytes than one request may store: send fewer at once"}

// tokens is what a request costs: a token for each event and at least one for
// each started 4 KiB of its body, so that neither many events nor long ones come
// cheap, and no compression makes them so. What it is about to commit counts likewise,
// as if for one recipient: how many there are is not the sender's doing.
func (x *exchange) tokens(events int) int {
	size := max(x.cost.size, x.cost.longest)
	return max(1, events, (size+tokenBytes-1)/tokenBytes)
}

// charge has the sender's buckets pay what is known of the request's cost by now.
// It is asked whenever more is known: before the body is read, while it is
// decompressed, before its events are judged, before they are stored. What was paid for
// a request that is refused later is not given back, for it cost that much.
func (c *Collector) charge(x *exchange, events int) *RequestError {
	if err := c.chargeAddress(x, events); err != nil {
		return err
	}
	return c.chargeSource(x, events)
}

// chargeAddress charges the client address, but for who showed a token: such a
// server speaks for many from one address.
func (c *Collector) chargeAddress(x *exchange, events int) *RequestError {
	if c.addressRate.None() || x.proven {
		return nil
	}
	x.ans.wait = c.addresses.Pay(c.sender(x), c.addressRate, c.instant(x.req.Received), &x.cost.address, x.tokens(events))
	return x.waits()
}

func (c *Collector) chargeSource(x *exchange, events int) *RequestError {
	if c.sourceRate.None() || x.source == nil {
		return nil
	}
	bucket := &x.source.buckets[0]
	if x.proven {
		bucket = &x.source.buckets[1]
	}
	x.ans.wait = bucket.Pay(c.sourceRate, c.instant(x.req.Received), &x.cost.source, x.tokens(events))
	return x.waits()
}

func (x *exchange) waits() *RequestError {
	if x.ans.wait > 0 {
		return errRate
	}
	return nil
}

// sender is the client address, or the peer's where the proxies name none.
func (c *Collector) sender(x *exchange) netip.Addr {
	if addr := c.clientAddr(x); addr.IsValid() {
		return addr
	}
	return x.req.Peer
}

// clientAddr is the address of the device behind the trusted proxies, worked out once a
// request; the zero Addr where they name none that can be read.
func (c *Collector) clientAddr(x *exchange) netip.Addr {
	if !x.traced {
		x.client, x.asserted = c.proxies.Client(x.req.Peer, x.forwarding)
		x.traced = true
	}
	return x.client
}

// count counts the records of one event, from the first on, as bytes the request is
// about to commit, and refuses it whole once they are too many.
func (x *exchange) count(first, most int) *RequestError {
	longest := 0
	for i := range x.batch.Records[first:] {
		r := &x.batch.Records[first+i]
		n := len(r.Topic) + len(r.Key) + len(r.Value)
		for k := range r.Headers {
			n += len(r.Headers[k].Key) + len(r.Headers[k].Value)
		}
		x.cost.stored += n
		longest = max(longest, n)
	}
	x.cost.longest += longest
	if x.cost.stored > most {
		return errStored
	}
	return nil
}

// choiceTokenBytes is the length of a choice that costs a token. Each choice is
// kept for good, as evidence, so floods of them are held back by bytes as well.
const choiceTokenBytes = 1 << 10

// chargeChoice holds the choices of one client address to a rate. A bucket has as
// much again in reserve for those that only deny: withdrawing must be as easy as
// giving (GDPR, Article 7(3)), also where somebody at the same address floods it with
// grants. A server that showed its token speaks for many from one address, and so does
// whatever runs on this machine: a proxy that does not say for whom, above all. One that
// says so in headers that cannot be read, or that contradict each other, passes on what
// a stranger wrote.
func (c *Collector) chargeChoice(x *exchange, choice *consent.Choice, bytes int) *RequestError {
	from := c.sender(x)
	if x.proven || from.IsLoopback() && !x.asserted {
		return nil
	}
	limit := c.choiceRate
	if onlyDenies(choice) {
		limit = limit.Doubled()
	}
	n := max(1, (bytes+choiceTokenBytes-1)/choiceTokenBytes)
	x.ans.wait = c.choosers.Pay(from, limit, c.instant(x.req.Received), &rate.Bill{}, n)
	return x.waits()
}

// onlyDenies reports whether a choice takes something away and gives nothing.
func onlyDenies(choice *consent.Choice) bool {
	denies := choice.All == consent.Denied
	for _, status := range choice.Purposes {
		if status != consent.Denied {
			return false
		}
		denies = true
	}
	return denies && choice.All != consent.Granted
}
