package collector

import (
	"errors"

	"assent/redact"
)

// open finds the source by what headers and query say, checks the origin and
// decompresses the body. A key that only the body holds is looked for by admit.
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
	if encoding := x.encoding; len(encoding) > 0 && !asciiEqualFold(encoding, "identity") {
		body, err := decompress(x.body[:0], r.Body, encoding, c.o.Limits.Decompressed)
		x.body = body
		if err != nil {
			return err
		}
		r.Body = body
	}
	return nil
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
	x.batch.Records, x.headers = x.batch.Records[:0], x.headers[:0]
	x.ans.Cookies = x.ans.Cookies[:0]
	switch err.Reason {
	case ReasonUnreadable, ReasonEmpty, ReasonDecompress, ReasonTooMany:
		if x.source != nil {
			c.appendBadRow(x, StageReceive, err.Reason, x.req.Body)
			if c.commit(x) != nil {
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
