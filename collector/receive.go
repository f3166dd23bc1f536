package collector

import (
	"context"
	"errors"

	"assent/names"
	"assent/rate"
	"assent/redact"
	"assent/sinks"
)

// receive lets the request in, takes its body and splits it into events.
func (c *Collector) receive(x *exchange, d Dialect) *RequestError {
	if err := c.beforeBody(x); err != nil {
		return err
	}
	if err := c.takeBody(x, c.o.Limits.Body, c.o.Limits.Decompressed); err != nil {
		return err
	}
	return c.afterBody(x, d)
}

// beforeBody asks all that can be answered without the body: whether there is a
// connection for events, room in the sink, a source that headers, host or path name,
// and what its sender's rates leave.
func (c *Collector) beforeBody(x *exchange) *RequestError {
	if x.conn.crowded() {
		return errOverloaded
	}
	if c.o.Sink.Admit("") != nil {
		return errSink
	}
	if x.announced >= 0 && x.announced <= prefetched {
		// It is here already, and the connection lives on if it is refused.
		if err := c.readBody(x, c.o.Limits.Body); err != nil {
			return err
		}
	}
	err := c.sourceFromHeaders(x)
	x.cost.entered, x.cost.size = true, max(0, x.announced)
	if late := c.chargeAddress(x, 0); late != nil {
		return late
	}
	if err != nil || x.source == nil {
		return err
	}
	return c.admitSource(x)
}

// afterBody splits the body into events and asks what only it can tell: the source whose
// key it holds, and what its events cost.
func (c *Collector) afterBody(x *exchange, d Dialect) *RequestError {
	before := x.source
	x.payload.max = c.o.Limits.Events
	if err := d.Events(&x.req, &x.payload); err != nil {
		return asRequestError(err)
	}
	x.sentAt = x.payload.SentAt
	if err := c.sourceFromBody(x); err != nil {
		return err
	}
	if x.source != before {
		if err := c.admitSource(x); err != nil {
			return err
		}
	}
	if err := c.charge(x, len(x.payload.Events)); err != nil {
		return err
	}
	if len(x.payload.Events) == 0 {
		return &RequestError{ReasonEmpty, "the body holds no event"}
	}
	if err := x.reserve(); err != nil {
		return err
	}
	for i := range x.payload.Events {
		x.payload.Events[i].read(c.o.Limits.Event)
		x.results = append(x.results, Result{ID: x.payload.Events[i].peek.get(peekMessageID)})
	}
	return nil
}

// findSource finds the source by what is known of the request so far, and checks that
// the page it comes from may speak for that source.
func (c *Collector) findSource(x *exchange) *RequestError {
	x.source, x.proven = c.sources.find(&x.req)
	if x.source == nil {
		return &RequestError{ReasonSource, ""}
	}
	if !x.source.allows(x.req.Origin, x.req.Host) {
		return &RequestError{ReasonOrigin, ""}
	}
	return nil
}

// sourceFromHeaders finds the source before the body is read. Where no key came there
// may be none yet: the body may hold one.
func (c *Collector) sourceFromHeaders(x *exchange) *RequestError {
	x.keyed = len(x.req.Key) > 0 || len(x.req.Bearer) > 0
	if err := c.findSource(x); x.keyed || x.source != nil {
		return err
	}
	return nil
}

// sourceFromBody finds the source once the body was read: a beacon can send its key
// only there. Such a key stands above host and path, and below one that was sent with
// the headers.
func (c *Collector) sourceFromBody(x *exchange) *RequestError {
	if x.source != nil && (x.keyed || len(x.payload.Key) == 0) {
		return nil
	}
	if !x.keyed {
		x.req.Key = x.payload.Key
	}
	return c.findSource(x)
}

// admitSource asks for the source's share of the sink and of the node's time.
func (c *Collector) admitSource(x *exchange) *RequestError {
	if c.o.Sink.Admit(x.source.ID) != nil {
		return errSink
	}
	x.cost.source = rate.Bill{}
	return c.chargeSource(x, len(x.payload.Events))
}

// takeBody reads the body, at most limit bytes of it, and decompresses it, to at
// most unfolded bytes. A request that entered pays for it.
func (c *Collector) takeBody(x *exchange, limit, unfolded int) *RequestError {
	if err := c.readBody(x, limit); err != nil {
		return err
	}
	paid := func(size int) *RequestError {
		x.cost.size = max(x.cost.size, size)
		if !x.cost.entered {
			return nil
		}
		return c.charge(x, 0)
	}
	if err := paid(len(x.req.Body)); err != nil {
		return err
	}
	if len(x.encoding) == 0 || names.EqualFold(x.encoding, "identity") {
		return nil
	}
	if err := x.decompress(x.req.Body, unfolded, paid); err != nil {
		return err
	}
	x.req.Body = x.body
	return paid(len(x.body))
}

// asRequestError gives a dialect's error its reason.
func asRequestError(err error) *RequestError {
	var own *RequestError
	if errors.As(err, &own) {
		return own
	}
	var syntax *redact.SyntaxError
	if errors.As(err, &syntax) {
		return &RequestError{ReasonUnreadable, syntax.Error()}
	}
	return &RequestError{ReasonUnreadable, ""}
}

// refuseRequest answers for a request none of whose events was taken. A body
// that cannot be read leaves a bad row; a sender without a source leaves a
// count only, so that strangers cannot fill the disk.
func (c *Collector) refuseRequest(x *exchange, err *RequestError) {
	x.batch.Events, x.batch.Records, x.headers = cut(x.batch.Events, 0), cut(x.batch.Records, 0), cut(x.headers, 0)
	x.ans.Cookies = cut(x.ans.Cookies, 0)
	switch err.Reason {
	case ReasonUnreadable, ReasonEmpty, ReasonDecompress, ReasonTooMany:
		if x.source != nil && x.wire == nil {
			c.appendBadRow(x, sinks.StageReceive, err.Reason, x.req.Body)
			c.addEvent(x, 0, 0, false)
			if c.commitBatch(context.Background(), x, sinks.Durable) != nil {
				err = &RequestError{ReasonUnavailable, ""}
			}
			break
		}
		c.m.refused(err.Reason)
	default:
		c.m.refused(err.Reason)
	}
	refuse(&x.ans, err.Reason, err.Detail)
}
