package collector

import (
	"context"
	"errors"
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
}

// choose records a choice of the person, within the rate of their address, and sets the
// cookies that follow from it. It is durable and effective once choose returns.
func (c *Collector) choose(x *exchange, choice consent.Choice) (*consent.Outcome, *RequestError) {
	if err := c.chargeChoice(x, &choice); err != nil {
		return nil, err
	}
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
	var wrong consent.ChoiceError
	switch {
	case errors.As(err, &wrong):
		return nil, &RequestError{ReasonChoice, wrong.Error()}
	case err != nil:
		return nil, &RequestError{ReasonUnavailable, "the choice was not recorded"}
	}
	c.m.countChoice(regime.Header(), before.In(x.policy.Purposes()), out.State.In(x.policy.Purposes()))
	c.choiceCookies(x, out)
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
// than what is on record. Nothing is recorded for somebody who proves nobody and has no
// cookies to remember it. What cannot be recorded now still narrows, as every signal does.
// Only strings that the page itself sent count, or that its cookies hold: a link that
// somebody else wrote proves nothing, though a browser sends its cookies with it.
func (c *Collector) adopt(x *exchange) {
	authority := x.source.Authority
	remembers := x.source.Kind == KindWeb && !x.fetched || !x.person.Subject.IsZero()
	if authority == 0 || x.hidden || x.person.Unreadable || !remembers {
		return
	}
	purposes := x.policy.Purposes()
	for _, claim := range x.policy.Signals().Claims(x.claimed(), authority, x.now) {
		changes, old := map[string]consent.Status{}, false
		if end := x.place.regime.Rules.Ends(claim.Made); !end.IsZero() {
			old = !x.now.Before(end)
		}
		person := x.person.In(purposes)
		for i := range purposes.Len() {
			e := person.Entry(i)
			if !purposes.At(i).Basis.Chooses() || e != nil && !e.SinceTime().Before(claim.Made) {
				continue
			}
			switch {
			case claim.Denied.Has(i) && !person.Denied.Has(i):
				changes[purposes.At(i).Name] = consent.Denied
			case !old && claim.Granted.Has(i) && !(person.Granted.Has(i) && e.Status == consent.Granted && x.now.Before(e.UntilTime())):
				changes[purposes.At(i).Name] = consent.Granted
			}
		}
		if len(changes) == 0 {
			continue
		}
		choice := consent.Choice{Purposes: changes, Method: consent.CMP, AssertedAt: claim.Made, Evidence: claim.Evidence()}
		if _, err := c.choose(x, choice); err == nil {
			x.adopted = true
		}
	}
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
			out = append(out, x.payload.Events[i].carried()...)
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
	if x.source.Kind != KindWeb || x.adopted || x.hidden || person.Unreadable || x.place.unreadable || person.Snapshot != 0 && !r.Unchanged(person.Snapshot) {
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
