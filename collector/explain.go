package collector

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"time"

	"assent/consent"
	"assent/consent/signals"
	"assent/geo"
	"assent/policy"
	"assent/redact"
	"assent/sinks"
)

// Hypothetical is an event of an imagined person: what explain and the demo page ask.
type Hypothetical struct {
	Event     []byte // one JSON object
	Source    *Source
	Locator   geo.Locator               // of Address; may be nil where Place is set
	Address   netip.Addr                // that the request comes from; not valid: none known
	Place     *geo.Jurisdiction         // instead of where Address is
	Named     geo.Forwarding            // the place that a trusted network names
	Anonymous bool                      // with SP-Anonymous
	Image     bool                      // it comes by GET, as from a page or mail that shows the pixel
	Choices   map[string]consent.Status // by purpose; what is not named was never asked
	Carried   []signals.Carried         // signals of the request
	UserAgent string
	Now       time.Time
	MaxEvent  int // bytes; 0: the default of Limits.Event
}

// Explain judges an imagined event by the steps a real one takes. A server source is
// imagined with its token. An event that would be refused is explained as such. A
// purpose that the policy does not declare is an error.
func Explain(p *policy.Policy, h Hypothetical) (*policy.Explanation, error) {
	userAgent := bounded([]byte(h.UserAgent))
	k := circumstances{policy: &inForce{Policy: p}, source: h.Source, at: h.Now, now: h.Now, hidden: h.Anonymous}
	var err error
	if k.person, err = consent.Imagine(p.Purposes(), h.Choices, h.Now); err != nil {
		return nil, err
	}
	p.Signals().Read(h.Carried, h.Now, &k.signals)
	e := []Event{{Raw: h.Event}}
	orDefault(&h.MaxEvent, defaultEvent)
	e[0].read(h.MaxEvent)
	k.fetched = h.Image && isFetcher(methodGet, userAgent)
	j := judged{circumstances: k}
	switch addr, may := k.namesAddress(true, &e[0]); {
	case h.Place != nil:
		j.place = place{at: *h.Place, regime: p.Regime(*h.Place, h.Now)}
	case may:
		j.place, _ = k.locate(h.Locator, addr) // an error is an unreadable place
	default:
		j.place, _ = k.senders(h.Locator, h.Address, &h.Named)
	}
	adopted, err := h.adopt(&j, &e[0])
	if err != nil {
		return nil, err
	}
	j.at = j.namesTime(true, &e[0])
	var visitor, ip []byte
	if j.givesID(e) || !j.person.Subject.IsZero() && k.source.Kind != KindServer && j.keepsID(nil) {
		visitor = []byte("00000000-0000-7000-8000-000000000002")
	}
	if h.Address.IsValid() {
		ip = h.Address.AppendTo(nil)
	}
	var d policy.Decision
	q := policy.Question{
		Source: k.audience(), Jurisdiction: j.place.at, Regime: j.place.regime, Now: h.Now, Event: h.Event,
		Offers: map[string]string{Offers[offerMessageID]: "00000000-0000-7000-8000-000000000001"},
	}
	reason, _ := j.judge(&e[0], &d)
	q.Heard = h.heard(p, &e[0], adopted)
	q.Kind, q.Resolution, q.Refused, q.Signals = j.kind, &j.res, string(reason), j.heard.Present.Names()
	if _, err := PeekObject(h.Event); err != nil {
		q.RefusedAt = err.Error()
	}
	for i, value := range k.offers(visitor, sinks.AppendTime(nil, h.Now), ip, userAgent) {
		if len(value) > 0 {
			q.Offers[Offers[i]] = string(value)
		}
	}
	x, err := p.Explain(q)
	var syntax *redact.SyntaxError
	if errors.As(err, &syntax) { // what only the step after judging sees
		q.Refused, q.RefusedAt = string(jsonReason(err)), syntax.Error()
		return p.Explain(q)
	}
	return x, err
}

// adopt imagines what a consent manager that speaks for the source's visitors would have
// recorded, and names the purposes by the places of its strings.
func (h *Hypothetical) adopt(j *judged, e *Event) (recorded map[string][]string, err error) {
	if h.Source.Authority == 0 || h.Anonymous || h.Source.Kind != KindWeb || j.fetched {
		return nil, nil
	}
	carried := h.Carried
	if !h.Image {
		carried = append(slices.Clone(carried), e.carried()...)
	}
	claims := j.policy.Signals().Claims(carried, h.Source.Authority, h.Now)
	all := maps.Clone(h.Choices)
	if all == nil {
		all = map[string]consent.Status{}
	}
	recorded = map[string][]string{}
	for i, changes := range j.changes(claims) {
		maps.Copy(all, changes)
		recorded[claims[i].Place()] = slices.Sorted(maps.Keys(changes))
	}
	j.person, err = consent.Imagine(j.policy.Purposes(), all, h.Now)
	return recorded, err
}

// heard says what each value that came did.
func (h *Hypothetical) heard(p *policy.Policy, e *Event, recorded map[string][]string) []signals.Finding {
	out := p.Signals().Explain(p.Purposes(), h.Carried, h.Now)
	out = append(out, p.Signals().Explain(p.Purposes(), e.carried(), h.Now)...)
	for i := range out {
		out[i].Recorded = recorded[out[i].Place]
	}
	return out
}
