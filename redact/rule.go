package redact

// Rule says what becomes of the values at one path.
type Rule struct {
	// Path names values by the keys that lead to them, joined by dots:
	// "context.page.url". It names a scalar or an array of scalars. "[]" steps
	// into an array ("properties.products[].sku"). A last ".*" names all of an
	// object, to any depth, and neither a scalar nor an array in the object's
	// place ("traits.custom.*"; "*" alone is the whole event). A backslash takes
	// any special meaning from the next byte: "a\.b" is one key.
	Path string
	// Any and All are the test against the mask of what is allowed: kept iff
	// Any&allowed != 0 && All&^allowed == 0. Any == 0 is never kept.
	Any, All uint64
	// Keep reduces whatever is kept, on first judgement. In the form that Else
	// gives it comes first, so that this form is made from the kept one and can
	// never tell more.
	Keep Action
	// Else is tried when the test fails.
	Else Fallback
	// Category is the caller's index for the Tally, below Categories; 0 is what
	// the undeclared counts as.
	Category uint8
	// Days is how long what is kept may be stored. 0: nothing stated.
	Days uint16
}

// Fallback is the form of a value whose own test failed, given if this test,
// of the same kind, passes. The zero value never does: the value is dropped.
type Fallback struct {
	Any, All uint64
	Do       Action
}

// First is the Was of a value never judged before. No mask of real grants may
// equal it, so at most 63 of the 64 bits can be in use at once.
const First = ^uint64(0)

// Grants is what is allowed: Now, and, of bytes that came out of Append
// before, what was then. Judging again only narrows: what Now allows and Was
// did not is not allowed.
type Grants struct{ Was, Now uint64 }

// Categories bounds Rule.Category.
const Categories = 64

// Tally is what happened, without a value. Append adds to it; after an error
// its content means nothing.
type Tally struct {
	Kept      int                // scalars and empty containers emitted, offers included
	Removed   int                // members and elements left out; a subtree dropped whole is one
	Reduced   int                // those of Kept that an action was applied to
	RemovedBy [Categories]uint32 // Removed by Rule.Category; 0 is the undeclared
	Days      uint16             // the shortest retention among what was kept; 0: none stated
}

// Reset makes t ready for another event.
func (t *Tally) Reset() { *t = Tally{} }

func (t *Tally) removed(r *rule) {
	t.Removed++
	if r == nil {
		t.RemovedBy[0]++
		return
	}
	t.RemovedBy[r.category&(Categories-1)]++
}

func (t *Tally) kept(r *rule) {
	t.Kept++
	if r.days != 0 && (t.Days == 0 || r.days < t.Days) {
		t.Days = r.days
	}
}

// rule is a Rule compiled.
type rule struct {
	any, all         uint64
	elseAny, elseAll uint64
	days             uint16
	category         uint8
	plain            bool // keep changes nothing
	keep, fallback   action
}

// form is what becomes of a value, from the least told to the most.
type form uint8

const (
	dropped form = iota
	otherwise
	kept
)

func passes(any, all, allowed uint64) bool { return any&allowed != 0 && all&^allowed == 0 }

func (r *rule) form(allowed uint64) form {
	switch {
	case passes(r.any, r.all, allowed):
		return kept
	case passes(r.elseAny, r.elseAll, allowed):
		return otherwise
	}
	return dropped
}
