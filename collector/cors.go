package collector

// cors lets an allowed page of the source read the answer (Fetch standard, CORS
// protocol). The origin is named, never reflected unchecked, and never `*`:
// cookies go with the request.
func cors(x *exchange) {
	if len(x.req.Origin) == 0 || x.source == nil || !x.source.allows(x.req.Origin, x.req.Host) {
		return
	}
	x.ans.Header("Access-Control-Allow-Origin", string(x.req.Origin))
	x.ans.Header("Access-Control-Allow-Credentials", "true")
	x.ans.Header("Vary", "Origin")
}

// preflight answers OPTIONS. The source key may only come with the request
// itself, so an origin that any source allows is told yes; the request is still
// checked against its own source.
func (c *Collector) preflight(x *exchange, methods string) {
	x.ans.Status = 204
	for _, s := range c.sources.all {
		if len(x.req.Origin) > 0 && s.allows(x.req.Origin, x.req.Host) {
			x.source = s // whose page it is: handle adds what every answer carries
			x.ans.Header("Access-Control-Allow-Methods", methods)
			x.ans.Header("Access-Control-Allow-Headers", "content-type, content-encoding, authorization, x-assent-subject")
			x.ans.Header("Access-Control-Max-Age", "7200")
			return
		}
	}
	refuse(&x.ans, ReasonOrigin, "")
}
