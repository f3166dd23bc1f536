package collector

import (
	"errors"
	"io"
	"net"
)

// A body is read by the handler and not before it, once it is known that there is
// a sink, a source, a token and memory for it. fasthttp has then read at most the
// first 8 KiB, and a single byte where the sink admits nothing.

// readBody takes the body from the connection. Once it returns nil, the next
// request may be read from there.
func (c *Collector) readBody(x *exchange, limit int) *RequestError {
	switch {
	case x.wire == nil:
		return nil
	case x.announced > limit:
		return &RequestError{ReasonTooLarge, ""}
	case !c.memory.fits(x.announced):
		return errOverloaded
	}
	// Memory is taken for what has come and as much again, not for what is announced.
	most, room := limit+1, 4<<10
	if x.announced >= 0 {
		most, room = x.announced, min(x.announced, freeBody)
	}
	b, taken := x.raw[:0], 0
	for {
		var ok bool
		if b, ok = x.grow(b, room, &taken); !ok {
			return errOverloaded
		}
		n, err := x.wire.Read(b[len(b):min(cap(b), limit+1)])
		b = b[:len(b)+n]
		x.raw = b
		switch {
		case len(b) > limit:
			return &RequestError{ReasonTooLarge, ""}
		case errors.Is(err, io.EOF) && len(b) >= x.announced && (x.announced >= 0 || !x.conn.ended()):
			x.wire, x.req.Body = nil, b
			return nil
		case x.conn.evicted():
			return errOverloaded
		case err != nil:
			return wireError(err)
		case len(b) == cap(b):
			room = min(2*cap(b), most)
		}
	}
}

// wireError says why the rest of a request cannot be read.
func wireError(err error) *RequestError {
	var timeout net.Error
	if errors.As(err, &timeout) && timeout.Timeout() {
		return &RequestError{ReasonTimeout, ""}
	}
	return &RequestError{ReasonUnreadable, "this is not an HTTP request that can be read"}
}
