package cmp

// A Reason is something that bears on whether a value counts.
type Reason uint8

const (
	// These bar a value: it may not be used as consent.
	NoChoice    Reason = iota // nobody has answered: what it holds are defaults
	Implied                   // consent that is taken from going on, and nobody's act
	NotNeeded                 // the source holds that no consent is needed here
	NothingSaid               // no word is granted or denied
	Expired                   // the source's own end is past

	// These are only noted.
	NotApplicable // the source says that its law does not apply
	NoNotice      // no notice was given, so that not opting out says nothing
	GPC           // the consent manager has heard Global Privacy Control
	Contradictory // a word came twice with different values: the stricter counts
	UnknownValue  // a value that is not defined counts as not set, a gcd letter as denied
	Unofficial    // the format is not published: others have worked it out
	reasons
)

var reasonNames = [reasons]string{
	"no_choice", "implied", "not_needed", "nothing_said", "expired",
	"not_applicable", "no_notice", "gpc", "contradictory", "unknown_value", "unofficial",
}

func (r Reason) String() string { return reasonNames[r] }

// Reasons is a set of them.
type Reasons uint16

const (
	barring  = Reasons(1<<NoChoice | 1<<Implied | 1<<NotNeeded | 1<<NothingSaid | 1<<Expired)
	noChoice = barring&^(1<<Expired) | 1<<NotApplicable | 1<<NoNotice
)

// Has reports whether the set holds r.
func (s Reasons) Has(r Reason) bool { return s>>r&1 == 1 }

// AppendJSON appends the names, in a fixed order, as an array.
func (s Reasons) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for r := range reasons {
		if s.Has(r) {
			if dst[len(dst)-1] != '[' {
				dst = append(dst, ',')
			}
			dst = appendQuoted(dst, r.String())
		}
	}
	return append(dst, ']')
}
