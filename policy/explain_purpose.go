package policy

import (
	"slices"
	"strings"

	"assent/consent"
)

// PurposeExplained is the answer for one purpose and what made it.
type PurposeExplained struct {
	Name    string   `json:"name"`
	Title   string   `json:"title"`
	Basis   string   `json:"basis"`
	Status  string   `json:"status"` // unknown, granted or denied
	Allowed bool     `json:"allowed"`
	Why     string   `json:"why"`
	Law     []string `json:"law"`
	Line    int      `json:"line"`
}

func (p *Policy) explainPurpose(i int, s Source, r *Regime, res *consent.Resolution, allowed uint64) PurposeExplained {
	u, rule := p.purposes.At(i), p.doc.Purposes[i]
	x := PurposeExplained{
		Name: u.Name, Title: rule.Title, Basis: u.Basis.String(), Line: rule.Pos.Line,
		Status: res.Status(i).String(), Allowed: allowed>>i&1 != 0,
	}
	x.Why = p.whyPurpose(i, s, r, res)
	for _, l := range r.laws {
		article := u.Basis.String()
		if res.OptOut && l.withdraws(u) {
			article = "opt_out"
		}
		x.Law = append(x.Law, l.Law[article])
	}
	return x
}

// under names the regimes of r to which a test applies.
func (r *Regime) under(test func(*Law) bool) string {
	var names []string
	for _, l := range r.laws {
		if test(l) {
			names = append(names, l.Name)
		}
	}
	slices.Sort(names)
	return "under " + strings.Join(slices.Compact(names), ",")
}

func optsIn(l *Law) bool { return l.Mode == OptIn }

// whyPurpose words what allowed does for one purpose, in its order.
func (p *Policy) whyPurpose(i int, s Source, r *Regime, res *consent.Resolution) string {
	u, bit := p.purposes.At(i), uint64(1)<<i
	reason := res.Why[i]
	switch {
	case res.Unreadable && r.unreadable&bit != 0:
		return "rests on " + u.Basis.String() + ", whatever cannot be read"
	case res.Unreadable:
		return "the choice or a signal cannot be read: only contract and law hold"
	case s.Audience != General && p.notForChildren&bit != 0:
		return "the visitor may be a child: never sale or targeted ads"
	case r.always&bit != 0:
		return "rests on " + u.Basis.String() + ", which is not a matter of choice"
	case res.OptOut && r.Rules.OptOut.Has(i):
		return "a universal opt-out signal, honoured " + r.under(func(l *Law) bool { return l.withdraws(u) })
	case res.Denied.Has(i) && (reason == consent.DeniedPreference || reason == consent.SignalUnusable):
		return reasonTexts[reason] + ": " + res.By[i].String()
	case res.Denied.Has(i):
		return reasonTexts[max(reason, consent.NoChoice)]
	case r.granted&bit != 0 && res.Granted.Has(i):
		return "granted, on record"
	case r.granted&bit != 0:
		needs := r.under(func(l *Law) bool { return optsIn(l) || u.Basis == consent.ExplicitConsent })
		return reasonTexts[reason] + ", and " + needs + " it needs a grant"
	case u.Basis == consent.LegitimateInterest && r.OptIn():
		return "legitimate interest, not objected to; " + r.under(optsIn) + " never enough for fields on the device"
	case u.Basis == consent.LegitimateInterest:
		return "legitimate interest, not objected to"
	case res.Granted.Has(i):
		return "granted, on record"
	}
	return "not refused, and under " + r.header + " allowed until it is"
}

var reasonTexts = map[consent.Reason]string{
	consent.NoChoice:         "no choice is known",
	consent.UnreadableState:  "the choice or a signal cannot be read",
	consent.RecordedDenial:   "refused or withdrawn, on record",
	consent.DeniedPreference: "a signal says no",
	consent.DeniedOptOut:     "a universal opt-out signal says no",
	consent.SignalUnusable:   "nobody refused, and a signal that has a say in it cannot be used now",
	consent.RecordedGrant:    "granted, on record",
	consent.GrantStale:       "granted for another revision of the purpose",
	consent.GrantExpired:     "granted too long ago",
	consent.GrantImplied:     "granted without an affirmative act",
	consent.GrantAfterEvent:  "granted only after the event happened",
}
