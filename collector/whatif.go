package collector

import (
	"time"

	"assent/consent"
	"assent/geo"
	"assent/policy"
)

// WhatIf is an event of an imagined person: what explain and the demo page ask.
type WhatIf struct {
	Event        []byte // one JSON object
	Jurisdiction geo.Jurisdiction
	Choices      map[string]consent.Status // by purpose; what is not named was never asked
	GPC          string                    // value of the Sec-GPC header
	Audience     policy.Audience
	Address      string // of the device; empty: none offered
	UserAgent    string
	Now          time.Time
}

// Explain judges an imagined event by the steps a real one takes: the event's own
// signals, Resolve, Decide and Append. A purpose that the policy does not
// declare is an error.
func Explain(p *policy.Policy, w WhatIf) (*policy.Explanation, error) {
	e := Event{Raw: w.Event}
	peek, err := PeekObject(w.Event)
	if err != nil {
		return nil, asRequestError(err)
	}
	e.peek = peek
	person, err := consent.Imagine(p.Purposes(), w.Choices, w.Now)
	if err != nil {
		return nil, err
	}
	var signal consent.Signals
	signal.SetGPC([]byte(w.GPC))
	if raw := e.peek.get(peekPreferences); raw != nil {
		p.Purposes().SegmentPreferences(raw, &signal)
	}
	regime, source := p.Regime(w.Jurisdiction, w.Now), policy.Source{Audience: w.Audience}
	res := consent.Resolve(regime.Rules, person, &signal, w.Now, w.Now)
	offers := map[string]string{
		Offers[offerMessageID]:  "00000000-0000-7000-8000-000000000001",
		Offers[offerReceivedAt]: string(appendTime(nil, w.Now)),
	}
	if p.NeedsID(source, regime, &res) {
		offers[Offers[offerAnonymousID]] = "00000000-0000-7000-8000-000000000002"
	}
	for i, value := range map[int]string{offerIP: w.Address, offerUserAgent: w.UserAgent} {
		if value != "" {
			offers[Offers[i]] = value
		}
	}
	return p.Explain(policy.Question{
		Source: source, Jurisdiction: w.Jurisdiction, Now: w.Now,
		Resolution: &res, Event: w.Event, Offers: offers,
	})
}
