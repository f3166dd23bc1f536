package signals

import (
	"sync"
	"time"

	"assent/consent"
	"assent/consent/tcf"
)

// tcStrings are as large as what they can hold.
var tcStrings = sync.Pool{New: func() any { return new(tcf.String) }}

// readTCF reads a TC string: what was agreed with the brand itself where it has the
// publisher TC segment, else what was agreed for all vendors.
func readTCF(r *Reader, value, _ []byte, now time.Time) (answer, error) {
	s := tcStrings.Get().(*tcf.String)
	defer tcStrings.Put(s)
	if err := s.Parse(value); err != nil {
		return answer{}, err
	}
	return r.agreed(s, now), nil
}

// agreed judges a TC string. One that has expired still refuses what it refused; of one
// that is invalid nothing may be used, neither its yes nor its no.
func (r *Reader) agreed(s *tcf.String, now time.Time) answer {
	judged := s.Judge(now)
	a := answer{Verdict: consent.Verdict{Said: true}, until: judged.Until}
	if judged.Valid {
		if a.made = s.Updated(); s.WholeDay() {
			a.by = a.made.Add(24*time.Hour - time.Microsecond)
		}
	}
	consents, interests := s.Consents, s.PurposeLI()
	if s.HasPublisher {
		consents, interests = s.Publisher.Consents, s.PublisherLI()
	}
	refuses := judged.Valid || judged.Reasons == judged.Reasons&tcf.Noted|1<<tcf.Expired
	for i := range r.tcf {
		t := &r.tcf[i]
		have := consents
		if t.interest {
			have |= interests
		}
		a.take(t.purpose, t.needs&^have == 0, judged.Valid, refuses)
	}
	a.chose = a.Verdict
	return a
}

// take adds what was said of purposes: yes, as far as it counts, or no, as far as it does.
func (a *answer) take(p consent.PurposeSet, yes, grants, refuses bool) {
	switch {
	case yes && grants:
		a.Allowed |= p
	case !yes && refuses:
		a.Denied |= p
	default:
		a.Unusable |= p
	}
}
