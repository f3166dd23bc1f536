package policy

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"assent/consent"
	"assent/consent/signals"
	"assent/geo"
	"assent/redact"
)

// Question is what Explain is asked: one event of one person, somewhere, now.
// Resolution must come from the rules of the same regime; nil is an unreadable one.
type Question struct {
	Source       Source
	Jurisdiction geo.Jurisdiction
	Regime       *Regime // nil: the one of Jurisdiction and Now
	Now          time.Time
	Resolution   *consent.Resolution
	Event        []byte            // one JSON object
	Kind         EventKind         // what it says it is
	Offers       map[string]string // path → what Assent supplies there
	Refused      string            // the reason for which the event is refused before it is judged
	RefusedAt    string            // where, as far as a place is at fault
	Signals      []string          // that were heard
	Heard        []signals.Finding // what each value that came did
}

// Explanation is the whole decision in words. It holds the output, and so the
// person's data: it is for whoever asked and for nobody's log.
type Explanation struct {
	Policy       string             `json:"policy"` // name@version
	Hash         string             `json:"policy_hash"`
	Jurisdiction string             `json:"jurisdiction"`
	Regimes      []*Law             `json:"regimes"`
	OptIn        bool               `json:"opt_in"`
	Signals      []string           `json:"signals"`
	Heard        []signals.Finding  `json:"heard,omitempty"`
	Refused      string             `json:"refused,omitempty"` // the reason; nothing is kept of such an event
	RefusedAt    string             `json:"refused_at,omitempty"`
	Event        EventExplained     `json:"event"`
	Purposes     []PurposeExplained `json:"purposes"`
	Recipients   []RecipientFate    `json:"recipients"`
}

// EventExplained says what the event is for and by which rule.
type EventExplained struct {
	Type     string   `json:"type,omitempty"`
	Event    string   `json:"event,omitempty"`
	Purposes []string `json:"purposes"`
	Line     int      `json:"line"` // of the event rule; 0: defaults.events
}

// RecipientFate is what one recipient gets.
type RecipientFate struct {
	Name     string          `json:"name"`
	Topic    string          `json:"topic"`
	Role     string          `json:"role"`
	Pass     bool            `json:"pass"`
	Why      string          `json:"why"` // of the gate
	Line     int             `json:"line"`
	Purposes []string        `json:"purposes"` // served and allowed
	Output   json.RawMessage `json:"output"`   // null when withheld
	Expires  int             `json:"expires_days,omitempty"`
	Removed  int             `json:"removed"` // fields and elements left out
	Fields   []FieldFate     `json:"fields"`
}

// Explain says what Decide and Plan.Append do with an event, by running them; of an
// event that is refused, no more than that and where it was. The error is that of
// redact.Program.Append, an event that cannot be read, or names the bound that the
// event is beyond: the cost is linear in the event's size, once for each recipient.
func (p *Policy) Explain(q Question) (*Explanation, error) {
	if q.Regime == nil {
		q.Regime = p.Regime(q.Jurisdiction, q.Now)
	}
	r, res := p.orStrictest(q.Regime, q.Resolution)
	x := &Explanation{
		Policy: p.Name() + "@" + p.Version(), Hash: p.hash,
		Jurisdiction: q.Jurisdiction.String(), Regimes: r.laws, OptIn: r.OptIn(), Signals: q.Signals, Heard: q.Heard, Refused: q.Refused, RefusedAt: q.RefusedAt,
		Event:    EventExplained{Type: string(q.Kind.Type), Event: string(q.Kind.Event), Purposes: []string{}},
		Purposes: []PurposeExplained{}, Recipients: []RecipientFate{},
	}
	if q.Refused != "" {
		return x, nil
	}
	supply, err := p.supply(q.Offers)
	if err != nil {
		return nil, err
	}
	leaves, err := leavesOf(q.Event)
	if err != nil {
		return nil, fmt.Errorf("reading the event: %w", err)
	}
	var d Decision
	p.Decide(q.Source, r, res, q.Kind, &d)
	x.Event.Purposes, x.Event.Line = p.purposes.Names(d.Event), d.Rule
	for i := range p.purposes.Len() {
		x.Purposes = append(x.Purposes, p.explainPurpose(i, q.Source, r, res, d.Allowed))
	}
	e := explainer{p, q.Event, q.Offers, d.Allowed, leaves, supply, x.Purposes}
	e.index()
	for i := range d.Plans {
		fate, err := e.plan(&d.Plans[i], d.Event)
		if err != nil {
			return nil, fmt.Errorf("reading the event: %w", err)
		}
		x.Recipients = append(x.Recipients, fate)
	}
	return x, nil
}

func (e *explainer) plan(pl *Plan, event consent.PurposeSet) (RecipientFate, error) {
	to := pl.Recipient
	fate := RecipientFate{
		Name: to.Name, Topic: to.Topic, Role: to.Role, Pass: pl.Pass, Line: to.Line,
		Purposes: e.Policy.purposes.Names(pl.Purposes), Why: e.gate(pl, event),
	}
	// Whether the event can be read is the same for all: a closed gate must not
	// hide it.
	var tally redact.Tally
	open := *pl
	open.Pass = true
	out, err := open.Append(nil, e.event, e.supply, &tally)
	if err != nil {
		return fate, err
	}
	if pl.Pass {
		fate.Output, fate.Expires, fate.Removed = out, int(tally.Days), tally.Removed
	}
	fate.Fields = e.fields(&open)
	if !pl.Pass {
		for i := range fate.Fields {
			f := &fate.Fields[i]
			f.Fate, f.Reason, f.By, f.Law = Withheld, "the event does not reach this recipient", nil, nil
		}
	}
	return fate, nil
}

// index adds the offers that the event takes to its leaves, and finds the rule of
// each once for all recipients.
func (e *explainer) index() {
	for i, path := range e.offers {
		if value, offered := e.offered[path]; offered {
			var one redact.Supply
			one.Set(i, value)
			if e.takes(&one) {
				e.leaves = append(e.leaves, leaf{path: path, document: []byte("{}"), supply: &one})
			}
		}
	}
	for i := range e.leaves {
		e.leaves[i].rule = e.ruleOf(&e.leaves[i])
	}
}

// takes says whether the event leaves room for an offer: the sender gave none.
func (e *explainer) takes(one *redact.Supply) bool {
	var with, without redact.Tally
	everything := redact.Grants{Was: redact.First, Now: 1}
	_, err := e.finder.Append(nil, e.event, everything, one, &with)
	_, err2 := e.finder.Append(nil, e.event, everything, nil, &without)
	return err == nil && err2 == nil && with.Kept > without.Kept
}

// gate says why the event reaches the recipient or not.
func (e *explainer) gate(pl *Plan, event consent.PurposeSet) string {
	names := func(s consent.PurposeSet) string { return strings.Join(e.Policy.purposes.Names(s), ", ") }
	served := event & pl.Recipient.Purposes
	switch {
	case pl.Pass:
		return "the event is for " + names(event&pl.Purposes) + ", served and allowed"
	case served == 0:
		return "the event is for " + names(event) + ", which this recipient does not serve"
	}
	return "the event is for " + e.notAllowed(served, pl)
}

// supply holds all that is offered.
func (p *Policy) supply(offers map[string]string) (*redact.Supply, error) {
	var s redact.Supply
	for _, path := range sortedKeys(offers) {
		i := slices.Index(p.offers, path)
		if i < 0 {
			return nil, fmt.Errorf("path %q: the policy was compiled without this offer", path)
		}
		s.Set(i, offers[path])
	}
	return &s, nil
}
