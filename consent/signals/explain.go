package signals

import (
	"encoding/json"
	"strings"
	"time"

	"assent/consent"
	"assent/consent/cmp"
)

// Finding is what became of one value, for whoever asks about their own request. It holds
// nothing of the value.
type Finding struct {
	Scheme  string   `json:"scheme"`
	Place   string   `json:"place"`
	Verdict string   `json:"verdict"`           // one of Verdicts
	Reasons []string `json:"reasons,omitempty"` // those of assent decode
	Refused []string `json:"refused,omitempty"` // purposes it says no to
	// Recorded are purposes of which it is recorded as the person's choice, where the source
	// lets it speak for its visitors.
	Recorded []string `json:"recorded,omitempty"`
	Barred   []string `json:"barred,omitempty"` // purposes it has a say in and may not be used for now
}

// The verdicts of a Finding.
const (
	NotMapped   = "not_mapped"   // the policy maps nothing to the scheme, so that it was not looked at
	NoSignal    = "no_signal"    // another value than the scheme's
	Heard       = "heard"        // read; Refused and Barred are what it took away
	OptOut      = "opt_out"      // the same, and a universal opt-out
	Unreadable  = "unreadable"   // contract and law only
	StandBeside = "stand_beside" // says nothing by itself
)

// Explain says what became of each value that came, as Read reads it.
func (r *Reader) Explain(p *consent.Purposes, all []Carried, now time.Time) []Finding {
	out := []Finding{}
	for i := range all {
		place, value := all[i].Place, all[i].Value
		f := Finding{Scheme: place.Scheme.String(), Place: place.String()}
		switch {
		case place.read == nil:
			f.Verdict = StandBeside
		case !r.Hears(place.Scheme):
			f.Verdict = NotMapped
		default:
			with, _ := beside(all, place, 0)
			a, unreadable := r.judge(place, value, with, now)
			if f.Reasons = reasonsOf(place, value, with, now); unreadable {
				a = answer{}
			}
			f.Refused, f.Barred = p.Names(a.Denied), p.Names(a.Unusable&^a.Denied)
			switch {
			case place.empty(value):
				f.Verdict, f.Reasons = NoSignal, nil
			case unreadable && r.maps.Has(place.Scheme):
				f.Verdict = Unreadable
			case unreadable:
				f.Verdict = NoSignal
			case !a.Said:
				f.Verdict = NoSignal
			case a.OptOut:
				f.Verdict = OptOut
			default:
				f.Verdict = Heard
			}
		}
		out = append(out, f)
	}
	return out
}

var verdictWords = map[string]string{
	NotMapped: "the policy maps nothing to it", NoSignal: "no signal", Heard: "heard", OptOut: "a universal opt-out",
	Unreadable: "cannot be read: contract and law only", StandBeside: "read beside the other cookie",
}

// String says it for people, in one line.
func (f *Finding) String() string {
	out := f.Scheme + " in " + f.Place + ": " + verdictWords[f.Verdict]
	for _, part := range []struct {
		words string
		list  []string
	}{{"refuses ", f.Refused}, {"may not be used now for ", f.Barred}, {"recorded as the choice about ", f.Recorded}, {"because ", f.Reasons}} {
		if len(part.list) > 0 {
			out += "; " + part.words + strings.Join(part.list, ", ")
		}
	}
	return out
}

// reasonsOf are the reasons that decode gives for a value; of one that cannot be read, the
// error, which holds nothing of it.
func reasonsOf(p *Place, value, beside []byte, now time.Time) []string {
	if p.kind == cmp.Unknown {
		if _, err := p.read(&Reader{}, value, beside, now); err != nil {
			return []string{err.Error()}
		}
		return nil
	}
	var err error
	if p.In == Event {
		if value, err = textOf(value); err != nil {
			return []string{err.Error()}
		}
	}
	var d Decoder
	line, _ := d.appendKind(nil, p.kind, value, beside, now)
	var said struct {
		Reasons []string
		Error   string
	}
	if err := json.Unmarshal(line, &said); err != nil {
		return nil
	}
	if said.Error != "" {
		return []string{said.Error}
	}
	return said.Reasons
}
