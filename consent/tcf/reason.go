package tcf

// A Reason is something that bears on whether a string counts.
type Reason uint8

const (
	// These bar a string: it may not be used as consent.
	PolicyTooOld       Reason = iota // of a policy version below 4, which has been invalid since 2023-09-30
	NotServiceSpecific               // global scope, which is no more: the flag must be 1
	Expired                          // last updated more than 13 months ago
	FromTheFuture                    // created or last updated more than a day from now
	NoDisclosedVendors               // made on or after 2026-02-28 without the segment
	SegmentTwice                     // a segment comes twice, the core too, and nobody can tell which counts
	TrailingBits                     // more follows the last field of a segment, and nobody can tell what it means

	// These are only noted.
	OldWithoutDisclosed // made before that day without the segment
	LIOnConsentPurposes // legitimate interest on purpose 1 or 3 to 6: ignored
	PolicyUnknown       // of a policy version above 5
	AllowedVendors      // a segment of a type that is retired: passed over
	UnknownSegment      // a segment of a type that is not known: passed over
	reasons
)

var reasonNames = [reasons]string{
	"policy_too_old", "not_service_specific", "expired", "from_the_future", "no_disclosed_vendors", "segment_twice", "trailing_bits",
	"old_without_disclosed_vendors", "legitimate_interest_ignored", "policy_unknown", "allowed_vendors", "unknown_segment",
}

func (r Reason) String() string { return reasonNames[r] }

// Reasons is a set of them.
type Reasons uint16

// Noted are the reasons that do not bar a string.
const Noted = Reasons(1<<reasons - 1<<OldWithoutDisclosed)

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
