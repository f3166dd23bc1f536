package collector

import (
	"bytes"

	"github.com/valyala/fasthttp"

	"assent/names"
)

// misframed refuses a request whose end is in doubt. A proxy in front may see the
// end elsewhere, and would take what follows for the next request of somebody else
// (RFC 9112, 11.2: request smuggling). Such a request is refused and its connection
// closed also where RFC 9112 would let a server guess. fasthttp refuses some of these
// forms by itself, and repairs the others unsaid.
func misframed(h *fasthttp.RequestHeader) *RequestError {
	wrong := func(detail string) *RequestError { return &RequestError{ReasonUnreadable, detail} }
	if !bytes.HasPrefix(h.Protocol(), []byte("HTTP/1.")) {
		return wrong("the version of HTTP is neither 1.1 nor 1.0") // RFC 9110, 2.5
	}
	var length, coded bool
	for raw := h.RawHeaders(); len(raw) > 0; {
		end := bytes.IndexByte(raw, '\n')
		if end < 1 || raw[end-1] != '\r' {
			return wrong("a header line does not end with CRLF") // 2.2
		}
		line := raw[:end-1]
		if raw = raw[end+1:]; len(line) == 0 {
			break
		}
		if line[0] == ' ' || line[0] == '\t' {
			return wrong("a header line is folded") // 5.2
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		switch {
		case bytes.IndexByte(name, ' ') >= 0:
			return wrong("a header's name holds a space") // 5.1
		case names.EqualFold(name, "content-length"):
			length = true
		case names.EqualFold(name, "transfer-encoding"):
			coded = true
			if !names.EqualFold(bytes.Trim(value, " \t"), "chunked") {
				return wrong("transfer-encoding is not chunked alone") // 6.1
			}
		}
	}
	if length && coded {
		return wrong("content-length stands beside transfer-encoding") // 6.3
	}
	return nil
}
