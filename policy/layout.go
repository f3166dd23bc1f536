package policy

import (
	"slices"
	"strings"

	"assent/consent"
	"assent/consent/signals"
	"assent/redact"
)

// maxBits: redact keeps the mask of all ones for itself.
const maxBits = 63

// layout gives every thing that can be allowed its bit in one mask:
//
//	purposes          in the document's order, as in consent.PurposeSet
//	device bits       of the legitimate interests that some field on the device
//	                  has; allowed with the purpose, but never under opt-in
//	sensitive         one for each sensitive category in use
type layout struct {
	purposes   map[string]int
	interests  map[string]bool   // which of them rest on legitimate interest
	deviceBits map[string]uint64 // purpose → its device bit
	sensitive  map[string]uint64 // category → its bit
	bits       int
}

func newLayout(d *Document) *layout {
	l := &layout{
		purposes: map[string]int{}, interests: map[string]bool{},
		deviceBits: map[string]uint64{}, sensitive: map[string]uint64{},
	}
	for i, p := range d.Purposes {
		l.purposes[p.Name] = i
		l.interests[p.Name] = p.Basis == consent.LegitimateInterest.String()
	}
	l.bits = len(d.Purposes)
	for _, p := range d.Purposes {
		used := func(f *FieldRule) bool { return f.OnDevice() && f.uses(p.Name) }
		if l.interests[p.Name] && slices.ContainsFunc(d.Fields, used) {
			l.deviceBits[p.Name] = l.next()
		}
	}
	for _, c := range d.categories() {
		if isSensitive(c) {
			l.sensitive[c] = l.next()
		}
	}
	return l
}

// uses reports whether a purpose has a part in keeping the field, whole or reduced.
func (f *FieldRule) uses(purpose string) bool {
	return has(f.candidates(), purpose) || has(f.All, purpose) ||
		f.Otherwise != nil && (has(f.Otherwise.candidates(), purpose) || has(f.Otherwise.All, purpose))
}

// suffices reports whether a purpose can keep the field by itself, whole or reduced.
func (f *FieldRule) suffices(purpose string) bool {
	alone := func(n *Need) bool {
		others := slices.ContainsFunc(n.All, func(p Name) bool { return p.Text != purpose })
		return has(n.candidates(), purpose) && !others
	}
	return alone(&f.Need) || f.Otherwise != nil && alone(&f.Otherwise.Need)
}

func (l *layout) next() uint64 {
	l.bits++
	return 1 << (l.bits - 1)
}

// test is a need as redact asks it: any&allowed != 0 && all&^allowed == 0.
type test struct{ any, all uint64 }

func (t test) passes(allowed uint64) bool { return t.any&allowed != 0 && t.all&^allowed == 0 }

// test makes that of a field's need for a recipient with some purposes.
func (l *layout) test(n *Need, f *FieldRule, served consent.PurposeSet) (t test) {
	// A legitimate interest is alone unless another basis must be allowed too.
	accompanied := slices.ContainsFunc(n.All, func(p Name) bool { return !l.interests[p.Text] })
	ofAll := accompanied || len(n.Purposes) > 0 &&
		!slices.ContainsFunc(n.Purposes, func(p Name) bool { return l.interests[p.Text] })
	for _, p := range n.candidates() {
		if served.Has(l.purposes[p.Text]) {
			t.any |= l.bit(p.Text, f, accompanied)
		}
	}
	for _, p := range n.All {
		t.all |= l.bit(p.Text, f, ofAll)
	}
	t.all |= l.sensitive[f.Category]
	return t
}

func (l *layout) bit(purpose string, f *FieldRule, accompanied bool) uint64 {
	if device := l.deviceBits[purpose]; device != 0 && f.OnDevice() && !accompanied {
		return device
	}
	return 1 << l.purposes[purpose]
}

// set is a list of names as a set.
func (l *layout) set(names []Name) (s consent.PurposeSet) {
	for _, n := range names {
		s = s.With(l.purposes[n.Text])
	}
	return s
}

// rules are the document's fields as one recipient's program takes them.
func (l *layout) rules(d *Document, served consent.PurposeSet, actions [][2]redact.Action) []redact.Rule {
	categories := d.categories()
	rules := make([]redact.Rule, len(d.Fields))
	for i, f := range d.Fields {
		t := l.test(&f.Need, f, served)
		r := redact.Rule{Path: f.Path, Any: t.any, All: t.all, Keep: actions[i][0], Days: f.Retention.InDays()}
		at, _ := slices.BinarySearchFunc(categories, f.Category, strings.Compare)
		r.Category = uint8(at + 1)
		if f.Otherwise != nil {
			t = l.test(&f.Otherwise.Need, f, served)
			r.Else = redact.Fallback{Any: t.any, All: t.all, Do: actions[i][1]}
		}
		rules[i] = r
	}
	return rules
}

// masks are what a document says of its purposes, whatever the law.
type masks struct {
	purposes       *consent.Purposes
	signals        *signals.Reader
	all            uint64 // every purpose
	deviceBits     []deviceBit
	sensitive      uint64
	withdrawable   uint64 // what a person can take away: purposes that a choice may name, and their device bits
	notForChildren uint64 // never allowed to somebody who may be a child
}

// deviceBit links a legitimate interest to its bit for fields on the device.
type deviceBit struct{ purpose, device uint64 }
