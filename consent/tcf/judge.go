package tcf

import "time"

const (
	policyLeast, policyMost = 4, 5 // versions that are known
	ahead                   = 24 * time.Hour

	// months is how long a choice holds (TCF Policies 5.1: at least every 13 months anew).
	months = 13
)

// disclosedFrom is the day from which a string must have disclosed vendors (version 2.3).
var disclosedFrom = time.Date(2026, 2, 28, 0, 0, 0, 0, time.UTC)

// Verdict is how a String is judged.
type Verdict struct {
	Valid   bool // it may be used as consent
	Reasons Reasons
	// Until is when the string has to be judged again; the zero time: never.
	Until time.Time
}

// Judge says whether a string counts, at an instant.
func (s *String) Judge(now time.Time) (v Verdict) {
	made := s.Updated()
	newest, ends := made, monthsLater(made, months)
	if created := time.UnixMilli(s.Created * 100); created.After(made) {
		newest = created
	}
	why := s.notes
	if s.PolicyVersion < policyLeast {
		why |= 1 << PolicyTooOld
	}
	if s.PolicyVersion > policyMost {
		why |= 1 << PolicyUnknown
	}
	if !s.ServiceSpecific {
		why |= 1 << NotServiceSpecific
	}
	if now.After(ends) {
		why |= 1 << Expired
	} else {
		v.Until = ends.Add(time.Nanosecond)
	}
	if newest.Sub(now) > ahead {
		why |= 1 << FromTheFuture
		if here := newest.Add(-ahead); v.Until.IsZero() || here.Before(v.Until) {
			v.Until = here
		}
	}
	switch {
	case s.HasDisclosed:
	case newest.Before(disclosedFrom):
		why |= 1 << OldWithoutDisclosed
	default:
		why |= 1 << NoDisclosedVendors
	}
	if s.LI != s.PurposeLI() || s.HasPublisher && s.Publisher.LI != s.PublisherLI() {
		why |= 1 << LIOnConsentPurposes
	}
	v.Valid, v.Reasons = why&^Noted == 0, why
	return v
}

// monthsLater is the same day and time months later, or the last day of that month where
// it has no such day.
func monthsLater(t time.Time, n int) time.Time {
	later := t.AddDate(0, n, 0)
	if later.Day() != t.Day() {
		later = later.AddDate(0, 0, -later.Day())
	}
	return later
}
