package tcf

import "time"

// A Reason is something that bears on whether a string counts.
type Reason uint8

const (
	// These bar a string: it may not be used as consent.
	PolicyTooOld       Reason = iota // of a policy version below 4, which has been invalid since 2023-09-30
	NotServiceSpecific               // global scope, which is no more: the flag must be 1
	Expired                          // last updated more than 13 months ago
	FromTheFuture                    // last updated more than a day from now
	NoDisclosedVendors               // made on or after 2026-02-28 without the segment
	SegmentTwice                     // a segment comes twice, and nobody can tell which counts

	// These are only noted.
	OldWithoutDisclosed // made before that day without the segment
	LIOnConsentPurposes // legitimate interest on purpose 1 or 3 to 6: ignored
	PolicyUnknown       // of a policy version above 5
	AllowedVendors      // a segment of a type that is retired: passed over
	UnknownSegment      // a segment of a type that is not known: passed over
	reasons
)

var reasonNames = [reasons]string{
	"policy_too_old", "not_service_specific", "expired", "from_the_future", "no_disclosed_vendors", "segment_twice",
	"old_without_disclosed_vendors", "legitimate_interest_ignored", "policy_unknown", "allowed_vendors", "unknown_segment",
}

func (r Reason) String() string { return reasonNames[r] }

// Reasons is a set of them.
type Reasons uint16

const barring = 1<<OldWithoutDisclosed - 1

// Has reports whether the set holds r.
func (s Reasons) Has(r Reason) bool { return s>>r&1 == 1 }

// Names lists them, in a fixed order.
func (s Reasons) Names() []string {
	out := []string{}
	for r := range reasons {
		if s.Has(r) {
			out = append(out, r.String())
		}
	}
	return out
}

// AppendJSON appends the names as an array.
func (s Reasons) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for r := range reasons {
		if s.Has(r) {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = append(append(append(dst, '"'), r.String()...), '"')
		}
	}
	return append(dst, ']')
}

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
	ends := monthsLater(made, months)
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
	switch {
	case now.After(ends):
		why |= 1 << Expired
	case made.Sub(now) > ahead:
		why |= 1 << FromTheFuture
		v.Until = made.Add(-ahead)
	default:
		v.Until = ends.Add(time.Nanosecond)
	}
	if created := time.UnixMilli(s.Created * 100); !s.HasDisclosed && (!made.Before(disclosedFrom) || !created.Before(disclosedFrom)) {
		why |= 1 << NoDisclosedVendors
	} else if !s.HasDisclosed {
		why |= 1 << OldWithoutDisclosed
	}
	if s.LI != s.PurposeLI() || s.HasPublisher && s.Publisher.LI != s.PublisherLI() {
		why |= 1 << LIOnConsentPurposes
	}
	v.Valid, v.Reasons = why&barring == 0, why
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
