package collector

import (
	"context"
	"errors"

	"assent/names"
	"assent/rate"
	"assent/redact"
	"assent/sinks"
)

// enter is all that is asked of a request before its body is read, as far as it
// can be answered without: a connection for events, room in the sink, a source, the
// sender's rate.
func (c *Collector) enter(x *exchange) *RequestError {
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
	err := c.open(x)
	x.cost.entered, x.cost.size = true, max(0, x.announced)
	if late := c.chargeAddress(x, 0); late != nil {
		return late
	}
	if err != nil || x.source == nil {
		return err
	}
	return c.share(x)
}

// share is what one source may have of the sink and of the node's time.
func (c *Collector) share(x *exchange) *RequestError {
	if c.o.Sink.Admit(x.source.ID) != nil {
		return errSink
	}
	x.cost.source = rate.Bill{}
	return c.chargeSource(x, len(x.events))
}

// open finds the source by what headers and query say and checks the origin. A
// key that only the body holds is looked for by admit.
func (c *Collector) open(x *exchange) *RequestError {
	r := &x.req
	r.MaxEvents = c.o.Limits.Events
	x.keyed = len(r.Key) > 0 || len(r.Bearer) > 0
	x.source, x.proven = c.sources.find(r)
	if x.source == nil && x.keyed {
		return &RequestError{ReasonSource, ""}
	}
	if x.source != nil && !x.source.allows(r.Origin, r.Host) {
		return &RequestError{ReasonOrigin, ""}
	}
	return nil
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

// admit settles the source once the body was read: a beacon can send its key
// only there. A key in the body stands above the host.
func (c *Collector) admit(x *exchange) *RequestError {
	if x.source != nil && (x.keyed || len(x.req.Key) == 0) {
		return nil
	}
	if x.source, x.proven = c.sources.find(&x.req); x.source == nil {
		return &RequestError{ReasonSource, ""}
	}
	if !x.source.allows(x.req.Origin, x.req.Host) {
		return &RequestError{ReasonOrigin, ""}
	}
	return nil
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
			c.appendBadRow(x, StageReceive, err.Reason, x.req.Body)
			c.enclose(x, 0, 0, false)
			if c.commit(context.Background(), x, sinks.Durable) != nil {
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
