package collector

import (
	"bytes"
	"net/netip"
	"time"
	"unicode/utf8"

	"assent/consent"
	"assent/geo"
	"assent/policy"
	"assent/sinks"
)

// circumstances are what an event is judged by beside itself. Whoever judges, be it an
// event, the id cookie, a choice or an explanation, does it with these methods.
type circumstances struct {
	policy  *inForce
	source  *Source
	place   place
	person  *consent.State  // whom the request proves, and what they chose
	signals consent.Signals // of the request
	fetched bool            // by a mail provider: see fetchers
	hidden  bool            // the tracker asks that nobody be recognised
	unnamed bool            // a server vouches for an account that it names in no form that can be read
	at, now time.Time       // of what is judged; of the judgement
	sentAt  []byte          // of the request, by its sender's clock; raw JSON, nil: not said
}

// place is where a person is, as far as known, and the law that follows.
type place struct {
	at         geo.Jurisdiction
	unreadable bool
	regime     *policy.Regime
	// Where database and network do not agree, regime is the conjunction of these.
	disputed [2]*policy.Regime
}

// judged is what is known of one event: its own circumstances, and what follows.
type judged struct {
	circumstances
	kind     policy.EventKind
	heard    consent.Signals // of request and event
	res      consent.Resolution
	subjects [maxSubjects]consent.Subject // whose choices bear on it; their bytes are the request's
	snapshot uint64                       // of what was known of them
}

// maxSubjects are two people, or two remembered choices and an id given out now, a
// tracker's id and an account.
const maxSubjects = 5

// judge works out what the policy allows of an event. A reason says that it is refused,
// and at which step.
func (j *judged) judge(e *Event, d *policy.Decision) (Reason, sinks.Stage) {
	if e.Reason != "" {
		return e.Reason, sinks.StageReceive
	}
	var reason Reason
	if j.kind, reason = e.kind(); reason != "" {
		return reason, sinks.StageDecide
	}
	j.heard = j.signals
	e.signals(j.policy.Signals(), j.now, &j.heard)
	j.res = j.resolve(&j.heard)
	j.policy.Decide(j.audience(), j.place.regime, &j.res, j.kind, d)
	return "", ""
}

// kind is what an event says it is. An event that does not say so in the form that
// every consumer reads alike is refused; so is one whose anonymousId names nobody, or
// one person in several ways, or is an id that no choice can name: it would pass by the
// choice linked to the id it means.
func (e *Event) kind() (k policy.EventKind, reason Reason) {
	switch raw := e.peek.get(peekType); {
	case raw == nil:
		return k, ReasonTypeMissing
	case len(raw) <= 2 || raw[0] != '"':
		return k, ReasonTypeInvalid
	default:
		k.Type = text(raw)
	}
	if raw := e.peek.get(peekEvent); raw != nil && string(raw) != "null" {
		if raw[0] != '"' {
			return k, ReasonEventInvalid
		}
		k.Event = text(raw)
	}
	switch raw := e.peek.get(peekAnonymousID); {
	case raw == nil, string(raw) == "null", string(raw) == `""`:
	case raw[0] != '"' && !plainInteger(raw), !consent.Nameable(scalarText(raw)):
		return k, ReasonIDInvalid
	}
	return k, ""
}

// resolve answers for every purpose under the signals given.
func (k *circumstances) resolve(heard *consent.Signals) consent.Resolution {
	rules := k.place.regime.Rules
	rules.Unreadable = k.place.unreadable || k.unnamed
	return consent.Resolve(rules, k.person.In(k.policy.Purposes()), heard, k.at, k.now)
}

func (k *circumstances) audience() policy.Source { return policy.Source{Audience: k.source.Audience} }

// keepsID reports whether an allowed purpose needs a visitor id. What one event's own
// signals deny, no cookie is set for.
func (k *circumstances) keepsID(events []Event) bool {
	heard := k.signals
	for i := range events {
		events[i].signals(k.policy.Signals(), k.now, &heard)
	}
	res := k.resolve(&heard)
	return k.policy.NeedsID(k.audience(), k.place.regime, &res)
}

// givesID reports whether a visitor without an id is given one with the answer: where a
// page's visitor is, and their choice, is known, an allowed purpose needs an id, and
// some event brings none of its own. What a browser remembers bound to no id would not
// count as the id's: such a visitor gets an id when they choose again. A mail provider
// keeps no cookie for its reader.
func (k *circumstances) givesID(events []Event) bool {
	return k.source.Kind == KindWeb && !k.fetched && !k.hidden && k.person.Subject.IsZero() && !k.person.Unreadable && !k.place.unreadable &&
		!k.person.Remembers() && !nameVisitor(events) && k.keepsID(events)
}

// nameVisitor reports whether every event brings the tracker's own id, so that no
// cookie is needed to count the visitor.
func nameVisitor(events []Event) bool {
	for i := range events {
		if e := &events[i]; !e.peeked || e.peek.get(peekAnonymousID) == nil {
			return false
		}
	}
	return true
}

// offers are what Assent itself puts at the policy's disposal for events that do not
// bring it, by the indices of Offers; nil: not offered. The message id is each record's
// own: see redact.
type offers [offerCount][]byte

// offers gives what may be offered. A server's own address and user agent say nothing
// of the person it speaks of; nor do a mail provider's.
func (k *circumstances) offers(visitor, receivedAt, ip, userAgent []byte) (o offers) {
	o[offerReceivedAt] = receivedAt
	if !k.hidden {
		o[offerAnonymousID] = visitor
	}
	if k.source.Kind != KindServer && !k.fetched {
		o[offerUserAgent] = userAgent
		if !k.hidden {
			o[offerIP] = ip
		}
	}
	return o
}

// anonymousHeader is what Snowplow's trackers send when they are told to recognise nobody
// (Snowplow, Anonymous tracking: no user identifiers, no address). The visitor's choices
// are honoured all the same: their cookies are read for that, and none is set.
const anonymousHeader = "SP-Anonymous"

// maxUserAgent is how many bytes of a user agent count. No real one is longer, and it
// is copied into every record of a request.
const maxUserAgent = 512

// bounded is a user agent's beginning, without a character that would be cut in two.
func bounded(userAgent []byte) []byte {
	if len(userAgent) <= maxUserAgent {
		return userAgent
	}
	n := maxUserAgent
	for n > maxUserAgent-utf8.UTFMax && !utf8.RuneStart(userAgent[n]) {
		n--
	}
	return userAgent[:n]
}

// senders finds the place of whoever sent the request, by its address and by what a
// trusted network says of it. A server's own says nothing of the person it speaks of,
// and a mail provider's nothing of its reader.
func (k *circumstances) senders(l geo.Locator, addr netip.Addr, named *geo.Forwarding) (p place, err error) {
	if k.source.Kind == KindServer || k.fetched {
		return k.locate(l, netip.Addr{})
	}
	if p, err = k.locate(l, addr); err != nil {
		return p, err
	}
	claim, err := geo.ReadClaim(named.Country, named.Region)
	if err != nil {
		return place{unreadable: true, regime: k.policy.Regime(geo.Unknown, k.now)}, err
	}
	if claim.Made {
		k.hear(&p, claim.At, l, addr)
	}
	return p, nil
}

// hear adds to the place of an address the place that a trusted network names. The
// finer of two that do not contradict each other is the person's. Otherwise the law of
// both holds. A database without an entry contradicts nothing; an address that hides
// its user, or a network that does not know, leaves the place unknown.
func (k *circumstances) hear(p *place, claim geo.Jurisdiction, l geo.Locator, addr netip.Addr) {
	hider, _ := l.(geo.Hider)
	switch {
	case !claim.Known(), !p.at.Known() && addr.IsValid() && hider != nil && hider.Hides(addr):
		p.at = geo.Unknown
	case !p.at.Known(), p.at.Holds(claim):
		p.at = claim
	case !claim.Holds(p.at):
		p.disputed = [2]*policy.Regime{p.regime, k.policy.Regime(claim, k.now)}
		p.regime = k.policy.Both(p.disputed[0], p.disputed[1])
		return
	}
	p.regime = k.policy.Regime(p.at, k.now)
}

// locate finds the place of an address and the law that applies there now; of the zero
// address, that of nowhere.
func (k *circumstances) locate(l geo.Locator, addr netip.Addr) (p place, err error) {
	if addr.IsValid() {
		p.at, err = l.Locate(addr)
		p.unreadable = err != nil
	}
	p.regime = k.policy.Regime(p.at, k.now)
	return p, err
}

// namesAddress is the address that an event names for its person, where its source may.
func (k *circumstances) namesAddress(proven bool, e *Event) (addr netip.Addr, may bool) {
	if k.source.Kind != KindServer || !proven || !k.source.MayNameAddress {
		return addr, false
	}
	return e.peek.address(), true
}

// namesTime is when an event happened, for judging: receipt, unless its source may name
// the instant, as timestamp or originalTimestamp: the earlier of the two. One that lies
// ahead is receipt; one that cannot be read is before every grant.
func (k *circumstances) namesTime(proven bool, e *Event) time.Time {
	if k.source.Kind != KindServer || !proven || !k.source.MayNameTime {
		return k.now
	}
	at := k.now
	for _, i := range [...]int{peekTimestamp, peekOriginalTimestamp} {
		raw := e.peek.get(i)
		if raw == nil {
			continue
		}
		named, err := time.Parse(time.RFC3339Nano, string(text(raw)))
		if err != nil {
			return time.Unix(0, 0)
		}
		// The sender's clock: what it says of the time of sending tells how wrong it is.
		said := e.peek.get(peekSentAt)
		if said == nil {
			said = k.sentAt
		}
		if sent, err := time.Parse(time.RFC3339Nano, string(text(said))); i == peekOriginalTimestamp && err == nil && sent.After(k.now) {
			named = named.Add(k.now.Sub(sent))
		}
		if named.Before(at) {
			at = named
		}
	}
	return at
}

// countDecisions counts, for one event, which purposes were allowed under its law, or
// under that of each of its two places.
func (f *inForce) countDecisions(p *place, allowed consent.PurposeSet) {
	if p.disputed[0] == nil {
		f.count(p.regime, allowed)
		return
	}
	for _, r := range p.disputed {
		f.count(r, allowed)
	}
}

// fetchers are the user agents by which mail providers fetch the images in their
// users' mail. Address and user agent of such a request are the provider's, and say
// nothing of the reader: where they are, or what they read with.
//
// Whoever sends one of these names is judged by the strictest law, and offers less
// than anybody else: there is nothing to gain by forging one.
var fetchers = []struct {
	provider, source string // source: where the name is told
	match            func(userAgent, name []byte) bool
	name             []byte
}{
	{"Gmail", "https://darkvisitors.com/agents/googleimageproxy", bytes.Contains, []byte("GoogleImageProxy")},
	{"Yahoo Mail, AOL", "https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html", bytes.Contains, []byte("YahooMailProxy")},
	// Mail Privacy Protection sends this and nothing after it; browsers always do.
	{"Apple Mail", "https://bird.com/en-nl/blog/4-insights-on-ios-15-mail-privacy-protection", bytes.Equal, []byte("Mozilla/5.0")},
	{"Fastmail", "https://www.fastmail.com/policies/bots", bytes.Contains, []byte("FastmailUA")},
	{"HEY", "https://www.hey.com/image-proxy", bytes.HasPrefix, []byte("hey.com/imageproxy")},
}

// isFetcher reports whether a mail provider fetches an image for one of its users.
// Images are fetched by GET.
func isFetcher(method, userAgent []byte) bool {
	if string(method) != "GET" {
		return false
	}
	for i := range fetchers {
		if f := &fetchers[i]; f.match(userAgent, f.name) {
			return true
		}
	}
	return false
}
