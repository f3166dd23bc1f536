package collector

import (
	"time"

	"assent/consent"
	"assent/policy"
)

// choiceLife is how long a browser keeps the choice cookie. A grant in it ends
// earlier by its own date; a refusal should be remembered as long as browsers
// let a cookie live (400 days, RFC 6265bis draft, 5.5).
const choiceLife = 400 * 24 * time.Hour

// visitor decides over the id cookie: given where an allowed purpose needs a
// visitor id and the browser has none, expired where none needs it any more.
// Of a state that cannot be read nothing is concluded.
func (c *Collector) visitor(x *exchange) {
	x.fresh = ""
	if x.source.Kind != KindWeb || x.person.Unreadable || x.place.unreadable {
		return
	}
	// What one event's own preferences deny, no cookie is set for.
	signal := x.signal
	for i := range x.events {
		if raw := x.events[i].peek.get(peekPreferences); raw != nil && len(x.req.IDCookie) == 0 {
			x.policy.Purposes().SegmentPreferences(raw, &signal)
		}
	}
	res := consent.Resolve(x.place.regime.Rules, x.person, &signal, x.req.Received, x.req.Received)
	needs := x.policy.NeedsID(policy.Source{Audience: x.source.Audience}, x.place.regime, &res)
	switch {
	case !needs && len(x.req.IDCookie) > 0:
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.ID})
		if !x.person.Subject.IsZero() && !x.person.Empty() {
			// What is on record for the id must outlive it, a denial above all.
			x.ans.Cookies = append(x.ans.Cookies, Cookie{
				Name: c.o.Cookies.Choice, Value: c.o.Registry.ChoiceCookie(x.person, false), MaxAge: choiceLife,
			})
		}
	case needs && x.person.Subject.IsZero() && !x.namesVisitor():
		fresh, err := c.o.Registry.NewVisitor()
		if err != nil {
			return // without randomness there is no id to give
		}
		x.fresh = fresh
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.ID, Value: c.o.Registry.IDCookie(fresh), MaxAge: consent.IDLife})
	}
}

// namesVisitor reports whether every event brings the tracker's own id, so that
// no cookie is needed to count the visitor.
func (x *exchange) namesVisitor() bool {
	for i := range x.events {
		e := &x.events[i]
		if !e.peeked || e.peek.get(peekAnonymousID) == nil {
			return false
		}
	}
	return true
}

// offer puts what Assent knows itself at the policy's disposal, for events that
// do not bring it. The message id is each record's own: see redact.
func (c *Collector) offer(x *exchange) {
	s := &x.one.supply
	s.Reset()
	if id := x.visitorID(); id != nil {
		s.SetBytes(offerAnonymousID, id)
	}
	s.SetBytes(offerReceivedAt, x.stamp)
	if x.source.Kind == KindServer {
		return
	}
	if len(x.ip) > 0 {
		s.SetBytes(offerIP, x.ip)
	}
	if len(x.req.UserAgent) > 0 {
		s.SetBytes(offerUserAgent, x.req.UserAgent)
	}
}
