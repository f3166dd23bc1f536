package policy

import (
	"errors"

	"assent/consent"
	"assent/redact"
)

// Audience is who a source's visitors are.
type Audience uint8

// The audiences. The zero value is not known to be adult: a child unless known.
const (
	Children Audience = iota // or unknown
	Mixed
	General
)

// ParseAudience reads general, mixed or children.
func ParseAudience(s string) (Audience, error) {
	switch s {
	case "general":
		return General, nil
	case "mixed":
		return Mixed, nil
	case "children":
		return Children, nil
	}
	return Children, errors.New("an audience is one of general, mixed, children")
}

// String writes what ParseAudience reads.
func (a Audience) String() string {
	switch a {
	case General:
		return "general"
	case Mixed:
		return "mixed"
	}
	return "children"
}

// Source is what the decision needs to know of where an event comes from.
type Source struct{ Audience Audience }

// Decision is what becomes of one event. The caller owns it and reuses it.
type Decision struct {
	Allowed uint64             // the mask of what is allowed; see Plan.Allowed for a recipient's
	Shared  uint64             // the same for third parties
	Event   consent.PurposeSet // what the event is for
	Rule    int                // line of the event rule in the document; 0: its default
	Plans   []Plan             // one for each recipient, in the policy's order
}

// Plan is what becomes of one event for one recipient.
type Plan struct {
	Recipient *Recipient
	Pass      bool               // the gate: one of the event's purposes is served and allowed
	Allowed   uint64             // the mask for this recipient
	Was       uint64             // the mask by which the event was judged before; redact.First: it was not
	Purposes  consent.PurposeSet // this recipient's, allowed
}

// ErrWithheld is the error of a plan whose gate is closed.
var ErrWithheld = errors.New("withheld: none of the event's purposes is served and allowed")

// Visitor is the form of anonymousId: only where the recipient may have that may a
// record be keyed by it.
func (pl *Plan) Visitor() IDForm { return pl.Recipient.visitor.kept(pl.Allowed) }

// OwnID reports whether the sender's messageId may name a record outside its value:
// the recipient may have it whole, and the whole visitor id.
func (pl *Plan) OwnID() bool {
	return pl.Visitor() == IDWhole && pl.Recipient.message.kept(pl.Allowed) == IDWhole
}

// Before is the plan under the mask by which the event was judged before.
func (pl *Plan) Before() Plan { return pl.Recipient.plan(pl.Recipient.Purposes, pl.Was, pl.Was) }

// Append appends to dst what of the event in src the recipient may have; see
// redact.Program.Append. s and t may be nil.
func (pl *Plan) Append(dst, src []byte, s *redact.Supply, t *redact.Tally) ([]byte, error) {
	if !pl.Pass {
		return dst, ErrWithheld
	}
	return pl.Recipient.program.Append(dst, src, redact.Grants{Was: pl.Was, Now: pl.Allowed}, s, t)
}

// Decide works out, for one event, what each recipient may have. Pure; it
// allocates nothing once d is warm. r comes from the same policy's Regime. What
// is missing is answered strictly: without a resolution nothing rests on choice.
func (p *Policy) Decide(s Source, r *Regime, res *consent.Resolution, k EventKind, d *Decision) {
	r, res = p.orStrictest(r, res)
	e := p.routes.find(k)
	d.Allowed, d.Event, d.Rule = p.allowed(s, r, res), e.purposes, e.line
	d.Shared = shared(d.Allowed, s, r, res)
	d.Plans = d.Plans[:0]
	for _, to := range p.recipients {
		d.Plans = append(d.Plans, to.plan(d.Event, redact.First, to.mask(d.Allowed, d.Shared)))
	}
}

// plan is what the recipient gets of an event under a mask.
func (to *Recipient) plan(event consent.PurposeSet, was, now uint64) Plan {
	served := consent.PurposeSet(now) & to.Purposes
	return Plan{Recipient: to, Pass: served.Intersects(event), Allowed: now, Was: was, Purposes: served}
}

// Allowed is the set of purposes allowed to a source's visitor, whoever the
// recipient.
func (p *Policy) Allowed(s Source, r *Regime, res *consent.Resolution) consent.PurposeSet {
	r, res = p.orStrictest(r, res)
	return consent.PurposeSet(p.allowed(s, r, res) & p.all)
}

// NeedsID reports whether some recipient may have anonymousId, as it is or
// reduced: the id cookie exists only while it does.
func (p *Policy) NeedsID(s Source, r *Regime, res *consent.Resolution) bool {
	r, res = p.orStrictest(r, res)
	w := p.allowed(s, r, res)
	third := shared(w, s, r, res)
	for _, to := range p.recipients {
		mask := to.mask(w, third)
		if to.visitor.kept(mask) != IDDropped {
			return true
		}
	}
	return false
}

// unreadable is the resolution of whoever has none.
var unreadable = &consent.Resolution{Unreadable: true}

// orStrictest stands in for what the caller does not have.
func (p *Policy) orStrictest(r *Regime, res *consent.Resolution) (*Regime, *consent.Resolution) {
	if r == nil {
		r = p.strictest()
	}
	if res == nil {
		res = unreadable
	}
	return r, res
}

// allowed folds basis, law and the person's will into one mask (the table
// of what is allowed in docs/policy.md, purposes).
func (p *Policy) allowed(s Source, r *Regime, res *consent.Resolution) uint64 {
	if res.Unreadable {
		return r.unreadable
	}
	denied := uint64(res.Denied)
	if res.OptOut {
		denied |= uint64(r.Rules.OptOut)
	}
	w := r.always | (r.granted&uint64(res.Granted)|r.unless)&^denied
	for _, t := range r.deviceBits {
		if w&t.purpose != 0 {
			w |= t.device
		}
	}
	w |= r.sensitive
	if s.Audience != General {
		w &^= p.notForChildren
	}
	return w
}

// shared narrows the mask for third parties: what one receives is a sale where
// the law says so.
func shared(w uint64, s Source, r *Regime, res *consent.Resolution) uint64 {
	if res.OptOut {
		w &^= r.thirdParty
	}
	if s.Audience != General {
		w &^= r.children
	}
	return w
}

// mask is the recipient's of the two.
func (to *Recipient) mask(allowed, shared uint64) uint64 {
	if to.Role == RoleThirdParty {
		return shared
	}
	return allowed
}
