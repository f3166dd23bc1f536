package collector

import (
	"bytes"
	"net/url"
	"strings"
	"time"

	"assent/consent"
	"assent/names"
	"assent/policy"
)

// Standing is what a person chose and what follows from it. Its JSON is the answer of
// GET /v1/consent.
type Standing struct {
	Purposes     map[string]PurposeStanding `json:"purposes"`
	Regimes      []string                   `json:"regimes"`
	Jurisdiction string                     `json:"jurisdiction"`
	Signals      []string                   `json:"signals"`
}

// PurposeStanding is the same for one purpose.
type PurposeStanding struct {
	Status  string     `json:"status"`
	Allowed bool       `json:"allowed"`
	Source  string     `json:"source"` // record, signal or law: what the answer rests on
	Since   *time.Time `json:"since,omitempty"`
	Until   *time.Time `json:"until,omitempty"`
	Why     string     `json:"why"`
}

// visit opens a page to a request that has a source: a browser that shows a page sends
// no key, so host or path must name the source. A page of this host needs no place in the
// source's origins: its forms come from here, and Form sees to that.
func (c *Collector) visit(page Page, ofThisHost bool) func(*exchange) {
	return func(x *exchange) {
		v := &Visit{c: c, x: x}
		err := c.findSource(x)
		if err != nil && !(ofThisHost && err.Reason == ReasonOrigin && x.req.sameOrigin()) {
			v.Refuse(err)
			return
		}
		c.locate(x)
		c.person(x)
		page(v, &x.ans)
	}
}

// Request is the request itself.
func (v *Visit) Request() *Request { return &v.x.req }

// Source is whose visitor this is.
func (v *Visit) Source() *Source { return v.x.source }

// Policy is the policy in force for this request. Another one may be for the next.
func (v *Visit) Policy() *policy.Policy { return v.x.policy.Policy }

// Regime is the law that applies where the person is, as of now.
func (v *Visit) Regime() *policy.Regime { return v.x.place.regime }

// Refuse answers with problem details and counts the refusal.
func (v *Visit) Refuse(err *RequestError) { v.c.refuseQuietly(v.x, err) }

// Standing explains the person's state purpose by purpose, after a choice the new one.
func (v *Visit) Standing() *Standing {
	x := v.x
	purposes := x.policy.Purposes()
	k := x.circumstances
	k.person = k.person.In(purposes)
	s := k.person
	res := k.resolve(&k.signals)
	allowed := x.policy.Allowed(k.audience(), k.place.regime, &res)
	out := &Standing{
		Purposes: map[string]PurposeStanding{}, Regimes: x.place.regime.Names(), Jurisdiction: x.place.at.String(),
		Signals: k.signals.Present.Names(),
	}
	for i := range purposes.Len() {
		ps := PurposeStanding{Status: res.Status(i).String(), Allowed: allowed.Has(i), Source: "law", Why: res.Why[i].String()}
		switch res.Why[i] {
		case consent.DeniedOptOut, consent.DeniedPreference, consent.SignalUnusable:
			ps.Source = "signal"
		case consent.NoChoice, consent.UnreadableState:
		default:
			ps.Source = "record"
			if e := s.Entry(i); e != nil {
				since := e.SinceTime()
				if since.After(x.req.Received) {
					since = x.req.Received // a version may be, just after another one
				}
				ps.Since = &since
				if e.Status == consent.Granted {
					until := e.UntilTime()
					if end := k.place.regime.Rules.Ends(e.GivenTime()); !end.IsZero() && end.Before(until) {
						until = end
					}
					ps.Until = &until
				}
			}
		}
		if basis := purposes.At(i).Basis; !basis.Chooses() {
			ps.Source, ps.Why = "law", basis.String()
		}
		out.Purposes[purposes.At(i).Name] = ps
	}
	return out
}

// maxFields bounds the fields of a form.
const maxFields = 256

// Form reads the form of a page of this host, and lets the visitor choose by it. No
// other site can send a form in a visitor's name: a browser says whether the page is of
// the same origin (Fetch Metadata, 2.1) or, if it is too old for that, from which origin
// it is (Fetch standard, 3.2). What sends neither is no browser that other sites' pages
// can make post. A page with a form must not have the referrer policy no-referrer, which
// makes its origin null.
func (v *Visit) Form() (url.Values, *RequestError) {
	r := &v.x.req
	switch {
	case string(r.Method) != "POST" || !r.sameOrigin():
		return nil, &RequestError{ReasonOrigin, ""}
	case !r.isMedia("application/x-www-form-urlencoded"):
		return nil, &RequestError{ReasonUnreadable, "want a form: application/x-www-form-urlencoded"}
	case bytes.Count(r.Body, []byte{'&'}) >= maxFields:
		return nil, &RequestError{ReasonUnreadable, "the form has more than 256 fields"}
	}
	form, err := url.ParseQuery(string(r.Body))
	if err != nil {
		return nil, &RequestError{ReasonUnreadable, "the form is not URL-encoded"}
	}
	v.mayChoose = true
	return form, nil
}

// isMedia reports whether the body has a media type, given in lower case.
func (r *Request) isMedia(want string) bool {
	media, _, _ := bytes.Cut(r.ContentType, []byte{';'})
	return names.EqualFold(bytes.TrimSpace(media), want)
}

// sameOrigin reports whether no other site's page makes the request.
func (r *Request) sameOrigin() bool {
	switch {
	case len(r.FetchSite) > 0:
		return string(r.FetchSite) == "same-origin"
	case len(r.Origin) > 0:
		_, host, _ := strings.Cut(string(r.Origin), "://")
		return names.EqualFold(r.Host, strings.ToLower(host))
	}
	return true
}

// Choose records a choice of the person, and sets the cookies that follow from it. The
// choice is durable and effective for the very next event once Choose returns. It must
// have come by Form, or as JSON.
func (v *Visit) Choose(choice consent.Choice) (*consent.Outcome, *RequestError) {
	if !v.mayChoose {
		return nil, &RequestError{ReasonOrigin, ""}
	}
	return v.c.choose(v.x, choice)
}
