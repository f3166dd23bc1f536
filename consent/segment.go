package consent

import (
	"errors"

	"assent/names"
	"assent/redact"
)

// category is one name of a foreign vocabulary and the purposes it speaks of.
type category struct {
	name     string
	purposes PurposeSet
	mapped   bool // the policy maps it, so its absence means something
}

const maxCategories = 256

var errNotBoolean = errors.New("a category is true or false")

// categories are the names under which a scheme may speak of the purposes: those that
// the policy maps to a purpose, else the purpose's own.
func categories(list []Purpose, scheme string) []category {
	var out []category
	add := func(name string, i int, mapped bool) {
		for k := range out {
			if names.EqualFold([]byte(out[k].name), name) && out[k].mapped == mapped {
				out[k].purposes = out[k].purposes.With(i)
				return
			}
		}
		out = append(out, category{name, PurposeSet(0).With(i), mapped})
	}
	for i := range list {
		words := list[i].Signals[scheme]
		for _, n := range words {
			add(n, i, true)
		}
		if len(words) == 0 {
			add(list[i].Name, i, false)
		}
	}
	return out
}

// readSegment reads an event's context.consent.categoryPreferences, given as JSON: an
// object of category to boolean. A category that is false denies its purposes; so does
// one that the policy maps and the object leaves out (Segment, Consent in Segment
// Connect: a missing category counts as false). Categories compare in any ASCII case.
// Of a repeated category each counts. Anything but an object of booleans is unreadable.
func readSegment(p *Purposes, raw []byte) verdict {
	var seen [maxCategories / 64]uint64
	v := verdict{said: true}
	err := redact.EachMember(raw, func(key, value []byte) error {
		no := string(value) == "false"
		if !no && string(value) != "true" {
			return errNotBoolean
		}
		for k := range p.segment {
			c := &p.segment[k]
			if !names.EqualFold(key, c.name) {
				continue
			}
			seen[k/64] |= 1 << (k % 64)
			if no {
				v.denied |= c.purposes
			}
		}
		return nil
	})
	if err != nil {
		return verdict{said: true, unreadable: true}
	}
	for k := range p.segment {
		if p.segment[k].mapped && seen[k/64]>>(k%64)&1 == 0 {
			v.denied |= p.segment[k].purposes
		}
	}
	return v
}
