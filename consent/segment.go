package consent

import (
	"errors"

	"assent/names"
	"assent/redact"
)

var errNotBoolean = errors.New("a category is true or false")

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
