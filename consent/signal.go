package consent

import (
	"bytes"
	"errors"
	"strings"

	"assent/names"
	"assent/redact"
)

// SignalSet is the set of signals a request carried.
type SignalSet uint8

const (
	SignalGPC SignalSet = 1 << iota
	SignalSegment
)

var signalNames = [...]string{"gpc", "segment"}

// Names lists the signals in a fixed order.
func (s SignalSet) Names() []string {
	out := []string{}
	for i, n := range signalNames {
		if s>>uint(i)&1 != 0 {
			out = append(out, n)
		}
	}
	return out
}

// String joins the names by comma.
func (s SignalSet) String() string { return strings.Join(s.Names(), ",") }

// Signals is what one request or event says about consent. It can only take
// permission away.
type Signals struct {
	GPC        bool       // Global Privacy Control: a universal opt-out
	Denied     PurposeSet // purposes the event itself says no to
	Present    SignalSet
	Unreadable bool // a signal came and could not be read
}

var noSignals Signals

// IsGPC reports whether a line of the Sec-GPC header is a signal: one of its list
// members is exactly "1" (W3C Global Privacy Control, 3.2: any other value is to be
// ignored; RFC 9110, 5.3: whoever passes lines on may have joined them).
func IsGPC(line []byte) bool {
	for rest := true; rest; {
		var member []byte
		member, line, rest = bytes.Cut(line, []byte{','})
		if string(bytes.Trim(member, " \t")) == "1" {
			return true
		}
	}
	return false
}

// SetGPC reads a line of the Sec-GPC header.
func (s *Signals) SetGPC(line []byte) {
	if IsGPC(line) {
		s.GPC = true
		s.Present |= SignalGPC
	}
}

// category is one name of a foreign vocabulary and the purposes it speaks of.
type category struct {
	name     string
	purposes PurposeSet
	mapped   bool // the policy maps it, so its absence means something
}

const maxCategories = 256

var errNotBoolean = errors.New("a category is true or false")

func categories(list []Purpose, vocabulary string) []category {
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
		names := list[i].Signals[vocabulary]
		for _, n := range names {
			add(n, i, true)
		}
		if len(names) == 0 {
			add(list[i].Name, i, false)
		}
	}
	return out
}

// SegmentPreferences narrows s by an event's context.consent.categoryPreferences,
// given as JSON: an object of category to boolean. A category that is false denies
// its purposes; so does one the policy maps but the object leaves out (Segment,
// Consent in Segment Connect: a missing category counts as false). A category is
// the one a purpose's signals name, else the purpose's own name, in any ASCII case.
// Of a repeated category each is judged. Anything but an object of booleans is
// unreadable. Allocates nothing unless a key holds escapes.
func (p *Purposes) SegmentPreferences(raw []byte, s *Signals) {
	s.Present |= SignalSegment
	var seen [maxCategories / 64]uint64
	var denied PurposeSet
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
				denied |= c.purposes
			}
		}
		return nil
	})
	if err != nil {
		s.Unreadable = true
		return
	}
	for k := range p.segment {
		if p.segment[k].mapped && seen[k/64]>>(k%64)&1 == 0 {
			denied |= p.segment[k].purposes
		}
	}
	s.Denied |= denied
}
