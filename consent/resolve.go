package consent

import (
	"math"
	"time"
)

// Rules is what the regimes in force ask of choices, as plain data.
type Rules struct {
	// OptOut: purposes that a universal opt-out signal denies here.
	OptOut PurposeSet
	// Affirmative: purposes whose grant must come from an affirmative act.
	Affirmative PurposeSet
	// Life is how many months a grant holds at most; 0: as long as it was given for.
	Life int
	// Unreadable: it could not be read which rules are in force.
	Unreadable bool
}

// oldest is the instant before which a grant is too old now, in µs since 1970.
func (r *Rules) oldest(now time.Time) int64 {
	if r.Life == 0 {
		return math.MinInt64
	}
	return now.AddDate(0, -r.Life, 0).UnixMicro()
}

// Ends is when a grant given at an instant ends by the life of grants; the zero time: not by it.
func (r *Rules) Ends(given time.Time) (end time.Time) {
	if r.Life > 0 {
		end = given.AddDate(0, r.Life, 0)
	}
	return end
}

// Reason says which rule of Resolve answered for a purpose. A closed set.
type Reason uint8

const (
	NoChoice         Reason = iota // nothing recorded, nothing signalled
	UnreadableState                // the store, the place or a signal could not be read
	RecordedDenial                 // refused, withdrawn or objected, on record
	DeniedPreference               // a signal says no to the purpose by itself
	DeniedOptOut                   // a universal opt-out signal, honoured here
	SignalUnusable                 // a signal that would have to allow it may not be used now: denied
	RecordedGrant                  // granted, on record, and valid
	GrantStale                     // granted for another revision of the purpose
	GrantExpired                   // granted too long ago
	GrantImplied                   // granted without the affirmative act the law asks
	GrantAfterEvent                // granted, but not yet when the event happened: denied
	reasons
)

var reasonNames = [reasons]string{
	"no_choice", "unreadable", "recorded_denial", "denied_preference", "denied_opt_out", "signal_unusable",
	"recorded_grant", "grant_stale", "grant_expired", "grant_implied", "grant_after_event",
}

// String is stable: it appears in answers and metrics.
func (r Reason) String() string {
	if r < reasons {
		return reasonNames[r]
	}
	return reasonNames[UnreadableState]
}

// Resolution is the answer for one request: granted, denied, or neither, and
// then what silence means is the regime's to say.
type Resolution struct {
	Granted, Denied PurposeSet
	OptOut          bool // a universal opt-out signal is present, honoured or not
	Unreadable      bool // only contract and law may justify anything
	Why             [MaxPurposes]Reason
	By              [MaxPurposes]Scheme // whose signal is the reason; else none
}

// unreadableResolution is the answer where nothing is known of what was chosen.
func unreadableResolution(out Resolution, denied PurposeSet) Resolution {
	out.Unreadable, out.Denied = true, denied
	for i := range out.Why {
		out.Why[i] = UnreadableState
	}
	return out
}

// Status is the answer for one purpose.
func (r *Resolution) Status(i int) Status {
	switch {
	case r.Denied.Has(i):
		return Denied
	case r.Granted.Has(i):
		return Granted
	}
	return Unknown
}

// Resolve answers for every purpose of the stored state's vocabulary. The first
// rule that applies answers; each is stricter than what follows it:
//
//  1. The state, the place or a signal cannot be read: nothing is granted. What is
//     known to be denied stays denied.
//  2. A denial on record. It never ends.
//  3. A signal that says no to the purpose by itself, or a universal opt-out signal
//     where Rules.OptOut has the purpose. Then a signal that has a say in the purpose and
//     may not be used now: it is invalid, too old, implied.
//  4. A grant on record that is for this revision, not expired at now, not older than
//     Rules.Life, by an
//     affirmative act where Rules.Affirmative asks for one, and, for an event
//     that happened at an instant before now, unbroken since then. An event older
//     than such a grant is denied: what stood before the grant is not kept, and it
//     may have been a denial.
//  5. Unknown.
//
// A nil state is an unreadable one; nil signals are none. An at after now is now.
// Pure; allocates nothing.
func Resolve(r Rules, stored *State, sig *Signals, at, now time.Time) Resolution {
	var out Resolution
	if sig == nil {
		sig = &noSignals
	}
	out.OptOut = sig.OptOut != 0
	denied, refused := sig.Denied(), sig.refused()
	if stored == nil {
		return unreadableResolution(out, denied)
	}
	var optOut PurposeSet
	if out.OptOut {
		optOut = r.OptOut
	}
	out.Unreadable = stored.Unreadable || r.Unreadable || sig.Unreadable != 0
	all := stored.purposes.All()
	out.Denied = (stored.Denied | denied | optOut) & all
	nowMicro := now.UnixMicro()
	atMicro := nowMicro
	past := at.Before(now)
	if past {
		atMicro = at.UnixMicro()
	}
	oldest := r.oldest(now)
	for i := range stored.spans {
		bit := PurposeSet(1) << uint(i)
		var why Reason
		switch {
		case out.Unreadable:
			why, out.By[i] = UnreadableState, sig.Unreadable.first()
		case stored.Denied&bit != 0:
			why = RecordedDenial
		case refused&bit != 0:
			why, out.By[i] = DeniedPreference, first(&sig.denied, bit)
		case optOut&bit != 0:
			why, out.By[i] = DeniedOptOut, sig.OptOut.first()
		case denied&bit != 0:
			why, out.By[i] = SignalUnusable, first(&sig.unusable, bit)
		case stored.Stale&bit != 0:
			why = GrantStale
		case stored.Granted&bit == 0:
			why = NoChoice
		case nowMicro >= stored.spans[i].until, stored.spans[i].given < oldest:
			why = GrantExpired
		case r.Affirmative&stored.Implied&bit != 0:
			why = GrantImplied
		case past && atMicro < stored.spans[i].since:
			why = GrantAfterEvent
			out.Denied |= bit
		default:
			why = RecordedGrant
			out.Granted |= bit
		}
		out.Why[i] = why
	}
	return out
}
