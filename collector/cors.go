package collector

// cors lets a page that may send read the answer, refusals included (Fetch standard,
// CORS protocol). The origin is named, never reflected unchecked, and never `*`: cookies
// go with the request. Where the key names no source, a page that may send for some
// source may read why.
func (c *Collector) cors(x *exchange) {
	origin, host := x.req.Origin, x.req.Host
	if len(origin) == 0 || x.source != nil && !x.source.allows(origin, host) || x.source == nil && c.sources.allowing(origin, host) == nil {
		return
	}
	x.ans.Header("Access-Control-Allow-Origin", string(origin))
	x.ans.Header("Access-Control-Allow-Credentials", "true")
	x.ans.Header("Access-Control-Expose-Headers", "Retry-After")
	x.ans.Header("Vary", "Origin")
}

// allowing is a source that lets pages of an origin send, nil where there is none.
func (s *sources) allowing(origin, host []byte) *Source {
	for _, src := range s.all {
		if len(origin) > 0 && src.allows(origin, host) {
			return src
		}
	}
	return nil
}

// maxAsked bounds the list of headers that a preflight asks for.
const maxAsked = 1024

// preflight answers OPTIONS. The source key may only come with the request itself, so
// an origin that any source allows is told yes, whatever the route; the request is
// still checked against its own source. What headers a page adds, monitoring above all,
// changes nothing here: those that are asked for are allowed.
func (c *Collector) preflight(x *exchange, methods string) {
	if x.source = c.sources.allowing(x.req.Origin, x.req.Host); x.source == nil {
		c.refuseQuietly(x, &RequestError{ReasonOrigin, ""})
		return
	}
	x.ans.Status = 204
	x.ans.Header("Access-Control-Allow-Methods", methods)
	asked := "content-type, content-encoding, authorization, x-assent-subject"
	if sent := x.req.AskedHeaders; len(sent) > 0 && len(sent) <= maxAsked && isHeaderList(sent) {
		asked = string(sent)
	}
	x.ans.Header("Access-Control-Allow-Headers", asked)
	x.ans.Header("Access-Control-Max-Age", "7200")
}

// isHeaderList reports whether a value holds nothing but header names, commas and
// spaces (RFC 9110, 5.6.2: the characters of a token).
func isHeaderList(b []byte) bool {
	for _, c := range b {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == ',', c == ' ', c == '-', c == '_', c == '.', c == '!', c == '#', c == '$', c == '%', c == '&', c == '\'', c == '*', c == '+', c == '^', c == '`', c == '|', c == '~':
		default:
			return false
		}
	}
	return true
}
