package collector

import (
	"context"
	"errors"
	"slices"
	"time"
	"unsafe"

	"assent/consent"
	"assent/consent/signals"
)

// choiceLife is how long a browser keeps the choice cookie. A grant in it ends
// earlier by its own date; a refusal should be remembered as long as browsers
// let a cookie live (400 days, RFC 6265bis draft, 5.5).
const choiceLife = 400 * 24 * time.Hour

// person finds whom the request proves and what they chose, and reads its signals.
func (c *Collector) person(x *exchange) {
	x.person = c.o.Registry.Identify(x.req.ChoiceCookie, x.req.IDCookie, x.req.SubjectToken).In(x.policy.Purposes())
	x.policy.Signals().Read(x.carried, x.now, &x.signals)
	if len(x.payload.Context) == 0 {
		return
	}
	around, err := PeekObject(append(append([]byte(`{"context":`), x.payload.Context...), '}'))
	if err != nil {
		x.signals.Hear(consent.Segment, consent.Verdict{Said: true, Unreadable: true})
		return
	}
	(&Event{peeked: true, peek: around}).signals(x.policy.Signals(), x.now, &x.signals)
}

// choose records a choice of the person, within the rate of their address, and sets the
// cookies that follow from it. It is durable and effective once choose returns.
func (c *Collector) choose(x *exchange, choice consent.Choice) (*consent.Outcome, *RequestError) {
	if err := c.chargeChoice(x, &choice, len(x.req.Body)); err != nil {
		return nil, err
	}
	out, err := c.record(x, choice)
	var wrong consent.ChoiceError
	switch {
	case errors.As(err, &wrong):
		return nil, &RequestError{ReasonChoice, wrong.Error()}
	case err != nil:
		return nil, &RequestError{ReasonUnavailable, "the choice was not recorded"}
	}
	if choice.Account.IsZero() { // an account has no cookies, whoever's came along
		c.choiceCookies(x, out)
	}
	return out, nil
}

// record makes a choice effective; from then on the person is who it is about.
func (c *Collector) record(x *exchange, choice consent.Choice) (*consent.Outcome, error) {
	regime := x.place.regime
	choice.Visitor = x.person
	choice.NewID = c.o.Cookies.Domain != "" && x.person.Mixed()
	choice.Jurisdiction, choice.Regimes = x.place.at.String(), regime.Names()
	choice.Policy, choice.PolicyHash, choice.Source = x.policy.stamp, x.policy.hash, x.source.ID
	choice.Signals = x.signals.Present
	choice.NeedsID = func(s *consent.State) bool {
		k := x.circumstances
		k.person = s
		return k.keepsID(nil)
	}
	before := x.person
	out, err := c.o.Registry.Record(context.Background(), choice)
	if err != nil {
		return nil, err
	}
	c.m.countChoice(regime.Header(), before.In(x.policy.Purposes()), out.State.In(x.policy.Purposes()))
	x.person = out.State
	return out, nil
}

// choiceCookies sets what the outcome says: the choice, which names nobody, and
// the id only while something allowed needs it.
func (c *Collector) choiceCookies(x *exchange, out *consent.Outcome) {
	x.ans.Cookies = append(x.ans.Cookies[:0], Cookie{Name: c.o.Cookies.Choice, Value: out.ChoiceCookie, MaxAge: choiceLife})
	switch {
	case out.IDCookie != "":
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.ID, Value: out.IDCookie, MaxAge: out.IDEnds.Sub(x.req.Received)})
	case x.idCookies > 0:
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.ID})
	}
}

// adopt records what a consent manager that speaks for the source's visitors says that the
// person chose, before anything is judged: once for each change, and only what is newer
// than what is on record, which Record looks at while nobody else can change it. Nothing is
// recorded for somebody who proves nobody and has no cookies to remember an id. What is not
// recorded still narrows, as every signal does. A choice cookie is set only in the place of
// one that came and says something older bound to nobody: the browser may have got another
// one meanwhile, for a choice on the brand's own page.
func (c *Collector) adopt(x *exchange) {
	authority, proves := x.source.Authority, !x.person.Subject.IsZero()
	remembers := x.source.Kind == KindWeb && !x.fetched || proves
	if authority == 0 || x.hidden || x.person.Unreadable || !remembers || string(x.req.FetchSite) == "cross-site" {
		return
	}
	claims := x.policy.Signals().Claims(x.claimed(), authority, x.now)
	if !proves { // whoever keeps no cookies would get an id with each request
		claims = slices.DeleteFunc(claims, func(k signals.Claim) bool { return !k.Cookie() })
	}
	for i, changes := range x.changes(claims) {
		if len(changes) == 0 || !proves && !grants(changes) {
			continue
		}
		evidence := claims[i].Evidence()
		choice := consent.Choice{Purposes: changes, Method: consent.CMP, AssertedAt: claims[i].Made, Made: claims[i].Made, MadeBy: claims[i].By, Evidence: evidence}
		if c.chargeChoice(x, &choice, len(evidence.String)+len(evidence.Said)) != nil {
			x.ans.wait = 0 // the events are not refused for it
			return
		}
		out, err := c.record(x, choice)
		if err != nil {
			continue // nothing newer, or not now
		}
		x.adopted = true
		if x.choices > 0 { // which the browser would go on to show
			c.choiceCookies(x, out)
		} else if out.IDCookie != "" {
			x.ans.Cookies = append(x.ans.Cookies[:0], Cookie{Name: c.o.Cookies.ID, Value: out.IDCookie, MaxAge: out.IDEnds.Sub(x.req.Received)})
		}
	}
}

// succeeds reports whether one claim counts after another: it is newer, and of those that
// may be of one instant, as strings that tell the day only, the refusal is.
func succeeds(claim *signals.Claim, says consent.Status, other *signals.Claim, said consent.Status) bool {
	switch {
	case says == said:
		return claim.Made.After(other.Made)
	case says == consent.Denied:
		return !claim.By.Before(other.Made)
	}
	return claim.Made.After(other.By)
}

func grants(changes map[string]consent.Status) bool {
	for _, status := range changes {
		if status == consent.Granted {
			return true
		}
	}
	return false
}

// changes are what each of the claims may change: of several that speak of a purpose the
// newest does, the strictest of those of one instant. What stands already is left out.
func (k *circumstances) changes(claims []signals.Claim) []map[string]consent.Status {
	purposes, out := k.policy.Purposes(), make([]map[string]consent.Status, len(claims))
	person := k.person.In(purposes)
	for i := range purposes.Len() {
		best, status := -1, consent.Unknown
		for c := range claims {
			claim, says := &claims[c], consent.Unknown
			switch {
			case claim.Denied.Has(i):
				says = consent.Denied
			case claim.Granted.Has(i):
				says = consent.Granted
			}
			if says != consent.Unknown && (best < 0 || succeeds(claim, says, &claims[best], status)) {
				best, status = c, says
			}
		}
		e := person.Entry(i)
		stands := e != nil && e.Status == status && (status == consent.Denied || person.Granted.Has(i) && k.now.Before(e.UntilTime()))
		if best < 0 || stands || !purposes.At(i).Basis.Chooses() {
			continue
		}
		made, recorded := claims[best].Made, person.LatestTime(i)
		if status == consent.Granted && (purposes.At(i).Revision > 1 || !recorded.IsZero() && !recorded.Before(made)) ||
			status == consent.Denied && recorded.After(claims[best].By) {
			continue
		}
		if end := k.place.regime.Rules.Ends(made); status == consent.Granted && !end.IsZero() && !k.now.Before(end) {
			continue
		}
		if out[best] == nil {
			out[best] = map[string]consent.Status{}
		}
		out[best][purposes.At(i).Name] = status
	}
	return out
}

// claimed are the values that may speak for the person: those of cookies, and, where the
// request is no mere link, those of query and events.
func (x *exchange) claimed() []signals.Carried {
	var out []signals.Carried
	own := string(x.req.Method) == "POST"
	for _, c := range x.carried {
		if c.Place.In == signals.Cookie || own {
			out = append(out, c)
		}
	}
	if own {
		for i := range x.payload.Events {
			if e := &x.payload.Events[i]; e.Reason == "" {
				if _, refused := e.kind(); refused == "" {
					out = append(out, e.carried()...)
				}
			}
		}
	}
	return out
}

// visitor gives an id to whoever needs one and has none: its cookie goes out with the
// answer, and it is offered for the request's own events.
func (c *Collector) visitor(x *exchange) {
	if !x.givesID(x.payload.Events) {
		return
	}
	fresh, err := c.o.Registry.NewVisitor()
	if err != nil {
		return // without randomness there is no id to give
	}
	x.fresh = fresh
}

// cookies settles the cookies of an answer to events. An id that nothing allowed needs
// ends, and what is on record for it must outlive it, a denial above all. A choice that
// is bound to an id that is gone is set anew, bound to nobody: it would tell one visitor
// from all others. Of a state that cannot be read nothing is concluded; nor is anything
// of a state that a newer choice made old while the request was under way, because the
// answer to that choice may have reached the browser before this one. An answer to
// events sets no choice cookie otherwise; adopt has set its own.
func (c *Collector) cookies(x *exchange) {
	r, person := c.o.Registry, x.person
	if x.fresh != "" {
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.ID, Value: r.IDCookie(x.fresh), MaxAge: consent.IDLife})
	}
	if x.source.Kind != KindWeb || x.adopted || x.signals.Unreadable != 0 || x.hidden || person.Unreadable || x.place.unreadable || person.Snapshot != 0 && !r.Unchanged(person.Snapshot) {
		return
	}
	ends := x.fresh == "" && x.idCookies > 0 && !x.keepsID(nil)
	if ends {
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.ID})
	}
	alone := person.Subject.IsZero() && person.Bonded() && len(x.req.SubjectToken) == 0
	if !alone && (!ends || person.Subject.IsZero()) {
		return
	}
	if left := r.WithoutID(person); left != "" {
		x.ans.Cookies = append(x.ans.Cookies, Cookie{Name: c.o.Cookies.Choice, Value: left, MaxAge: choiceLife})
	}
}

// personOf finds whose event it is: who proved an id by cookie or token; else whoever
// a choice linked the tracker's own anonymous id to; else the account that a server with
// its token vouches for. The id that an event names beside one of these narrows: its holder may have refused on another device. The subjects are
// those who may yet take back what the event is judged by, an id that nobody linked so
// far and one that the answer to this request gives out among them.
func (c *Collector) personOf(x *exchange, e *Event) {
	one, registry := &x.judged, c.o.Registry
	n := 0
	add := func(s consent.Subject) {
		if !s.IsZero() && n < len(one.subjects) {
			one.subjects[n] = s
			n++
		}
	}
	proven := x.person.Subject
	add(proven)
	add(x.person.Also)
	for _, class := range x.person.Classes {
		add(class)
	}
	one.snapshot = x.person.Snapshot // of all these
	if x.fresh != "" {
		fresh := consent.Subject{Kind: consent.Visitor, ID: x.fresh}
		one.snapshot = joined(registry, n, one.snapshot, registry.Snapshot(fresh))
		add(fresh)
	}
	answers := !proven.IsZero() // somebody does already; whom else the event names narrows
	name := func(s consent.Subject) {
		known := registry.Lookup(s)
		one.snapshot = joined(registry, n, one.snapshot, known.Snapshot)
		add(s)
		if answers {
			one.person = consent.Narrow(one.person, known)
			return
		}
		one.person = consent.Combine(one.person, known.In(x.policy.Purposes()))
		answers = !known.Empty()
	}
	if id := scalarText(e.peek.get(peekAnonymousID)); len(id) > 0 {
		name(consent.Subject{Kind: consent.Anonymous, ID: unsafe.String(unsafe.SliceData(id), len(id))})
	}
	switch id, said := e.account(); {
	case !x.proven || !said:
	case id == nil:
		one.unnamed = true
	default:
		name(consent.UserOf(x.source.Accounts, string(id)))
	}
}

// joined is the snapshot of n subjects and one more.
func joined(r *consent.Registry, n int, one, more uint64) uint64 {
	if n == 0 {
		return more
	}
	return r.JoinSnapshots(one, more)
}
