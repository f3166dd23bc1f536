// Package consent knows what people have chosen and turns it, with what a request
// signals, into one answer per purpose.
//
// A choice becomes a Record (newest state per purpose, with versions), which is
// kept in a Store and remembered in a signed cookie; the two merge by version. Fold
// reads a record in the vocabulary of a policy (Purposes) and gives a State; Resolve
// adds the request's Signals, the regime's Rules and the clock and gives a
// Resolution. What silence means is not decided here but by the regime. Everything
// is pure except Registry, which owns the store, the keys, a clock and a cache.
//
// Not obvious:
//   - Only grants expire; a choice cookie has no age limit, an identifier has.
//   - The choice cookie of someone without an identifier is rounded to the hour:
//     a time in microseconds would be one.
//   - A tracker's own id is linked to the first visitor who names it, its holder.
//     Denials for the id by anyone else stand beside the holder's record. Two nodes may
//     link one id to two holders at a time: then it grants what both grant.
//   - An acknowledged choice is in every answer that starts later, though answers
//     are cached: see epochs.
//   - What waits in a journal names its subjects by a sealed reference, and holds a
//     snapshot that tells whether they chose since: see SealSubjects and Unchanged.
package consent

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// MaxPurposes is the most purposes one policy may declare: a set is one word.
const MaxPurposes = 64

// PurposeSet is a set of purposes; bit i stands for purpose i of one Purposes.
// Sets of different vocabularies do not compare.
type PurposeSet uint64

func (s PurposeSet) Has(i int) bool               { return s>>uint(i)&1 != 0 }
func (s PurposeSet) With(i int) PurposeSet        { return s | 1<<uint(i) }
func (s PurposeSet) Without(i int) PurposeSet     { return s &^ (1 << uint(i)) }
func (s PurposeSet) Len() int                     { return bits.OnesCount64(uint64(s)) }
func (s PurposeSet) Intersects(t PurposeSet) bool { return s&t != 0 }

// Each calls f with every member, in bit order.
func (s PurposeSet) Each(f func(i int)) {
	for ; s != 0; s &= s - 1 {
		f(bits.TrailingZeros64(uint64(s)))
	}
}

// Basis is the legal ground a purpose rests on (GDPR art. 6(1), art. 9(2)(a)).
// The zero value is no ground and justifies nothing.
type Basis uint8

const (
	NoBasis Basis = iota
	Consent
	ExplicitConsent
	LegitimateInterest
	Contract
	LegalObligation
	VitalInterest
	PublicTask
)

var basisNames = [...]string{
	"", "consent", "explicit_consent", "legitimate_interest", "contract",
	"legal_obligation", "vital_interest", "public_task",
}

// ParseBasis reads the name a policy document uses.
func ParseBasis(s string) (Basis, error) {
	if i := slices.Index(basisNames[1:], s); i >= 0 {
		return Basis(i + 1), nil
	}
	return NoBasis, fmt.Errorf("a basis is one of %s", strings.Join(basisNames[1:], ", "))
}

func (b Basis) String() string {
	if int(b) < len(basisNames) {
		return basisNames[b]
	}
	return ""
}

// Asks reports whether the person is asked: the purpose needs a grant.
func (b Basis) Asks() bool { return b == Consent || b == ExplicitConsent }

// Chooses reports whether a choice may name the purpose: what rests on consent
// can be granted or denied, what rests on legitimate interest can be objected to
// (GDPR art. 21); the others are not the person's to choose.
func (b Basis) Chooses() bool { return b.Asks() || b == LegitimateInterest }

// Purpose is one declared reason to process, as far as consent needs it.
type Purpose struct {
	Name     string
	Basis    Basis
	Revision int // a grant of another revision is no grant
	Sale     bool
	// TargetedAds: advertising chosen by activity across other sites and apps.
	TargetedAds bool
	// KeepsID: some recipient may have the visitor id for it alone. A choice cookie that
	// is bound to no id cannot grant it.
	KeepsID bool
	// Signals maps a scheme ("segment") to this purpose's names in it.
	Signals map[string][]string
}

// Purposes is the vocabulary of one policy in bit order. Immutable, shared.
type Purposes struct {
	list  []Purpose
	index map[string]int
	named PurposeSet // may be named by a choice
}

// NewPurposes makes a vocabulary; the order given is the bit order.
func NewPurposes(list []Purpose) (*Purposes, error) {
	if len(list) > MaxPurposes {
		return nil, fmt.Errorf("%d purposes; %d are the most", len(list), MaxPurposes)
	}
	p := &Purposes{list: slices.Clone(list), index: make(map[string]int, len(list))}
	for i := range p.list {
		u := &p.list[i]
		switch {
		case !validName(u.Name):
			return nil, fmt.Errorf("purpose %d: a name is 1 to %d letters, digits, '_', '-' or '.'", i+1, maxName)
		case u.Basis == NoBasis || int(u.Basis) >= len(basisNames):
			return nil, fmt.Errorf("purpose %s: no basis", u.Name)
		case u.Revision < 0:
			return nil, fmt.Errorf("purpose %s: a revision is not negative", u.Name)
		}
		if _, twice := p.index[u.Name]; twice {
			return nil, fmt.Errorf("purpose %s: declared twice", u.Name)
		}
		p.index[u.Name] = i
		if u.Basis.Chooses() {
			p.named = p.named.With(i)
		}
	}
	return p, nil
}

// maxName keeps a choice cookie of a dozen purposes within a kilobyte.
const maxName = 64

func validName(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '_' && c != '-' && c != '.' {
			return false
		}
	}
	return len(s) > 0 && len(s) <= maxName
}

func (p *Purposes) Len() int { return len(p.list) }

// At returns purpose i. The caller changes nothing in it.
func (p *Purposes) At(i int) *Purpose { return &p.list[i] }

// Index returns the bit of a name.
func (p *Purposes) Index(name string) (int, bool) {
	i, ok := p.index[name]
	return i, ok
}

// All is the set of every purpose.
func (p *Purposes) All() PurposeSet {
	if len(p.list) == MaxPurposes {
		return ^PurposeSet(0)
	}
	return 1<<uint(len(p.list)) - 1
}

// Names lists the members of a set, sorted by name.
func (p *Purposes) Names(s PurposeSet) []string {
	out := make([]string, 0, s.Len())
	(s & p.All()).Each(func(i int) { out = append(out, p.list[i].Name) })
	slices.Sort(out)
	return out
}
