package gpp

import "strconv"

// Status is how far a section could be read.
type Status uint8

const (
	Unknown   Status = iota // nobody here knows the section, or its version: kept, not read
	Undefined               // some value is not defined by the specification: nothing is allowed
	Defined                 // read, every value is defined
	Text                    // section 2, a TC string: kept for consent/tcf, not read
)

// Section is one part of a GPP string, comparable, and free of the text that it was read
// from. The zero Section is an unknown one.
type Section struct {
	id         uint16
	version    uint8
	status     Status
	gpc        bool
	start, end uint16  // in the text
	layout     *layout // of a section of the United States that was read
	answers    uint64  // of two bits, first highest
}

// ID is the section's id, from 1.
func (s *Section) ID() int { return int(s.id) }

// Version is the section's version as written; of ids 24 to 27 MspaVersion. It is 0 for
// section 2 and for ids that nobody here knows.
func (s *Section) Version() int { return int(s.version) }

// Status says how far the section could be read.
func (s *Section) Status() Status { return s.status }

// Name is the prefix of the section in the client-side API, "usnat"; empty for ids that
// nobody here knows.
func (s *Section) Name() string {
	switch {
	case s.id == tcfEU:
		return "tcfeuv2"
	case s.id == tcfCA:
		return "tcfcav1"
	case s.id < uint16(len(byID)) && len(byID[s.id]) > 0:
		return byID[s.id][0].name
	}
	return ""
}

// Reason is what is to be said of the section beside its content, for people; empty
// where there is nothing.
func (s *Section) Reason() string {
	name := s.Name()
	switch {
	case name == "":
		return "section " + strconv.Itoa(int(s.id)) + " is not known"
	case s.status == Unknown:
		return name + ": version " + strconv.Itoa(int(s.version)) + " is not known"
	case s.status == Undefined:
		return name + ": " + s.undefined() + " is not defined"
	}
	return ""
}

// undefined is what makes the section Undefined.
func (s *Section) undefined() string {
	if s.layout == nil {
		return "a value"
	}
	at := 0
	for _, e := range s.layout.entries {
		for range e.n {
			if a := answer(s.answers, at); a == 3 || a == 0 && e.field == covered {
				return "a value of " + fieldNames[e.field]
			}
			at++
		}
	}
	return "a sub-section"
}

// Choice is what a section says of one matter.
type Choice uint8

const (
	Unsaid  Choice = iota // no such field, or not applicable: no permission
	Denied                // opted out, or no consent
	Allowed               // did not opt out after a notice, or consent
)

// US is what a section of the United States says, the states alike; also section 6. The
// fields of MSPA, a contract, are not in it: they allow nothing.
type US struct {
	// SaleOptOut, SharingOptOut and TargetedAdvertisingOptOut are Denied where GPC is
	// set, whatever the field says, and Allowed only after the notice of that opt-out.
	SaleOptOut, SharingOptOut, TargetedAdvertisingOptOut Choice
	KnownChild                                           Choice // KnownChildSensitiveDataConsents: the strictest of all ages
	PersonalData                                         Choice // PersonalDataConsents, AdditionalDataProcessingConsent
	// SensitiveDenied and SensitiveAsked are sets of the section's own categories, bit i
	// for category i+1: denied, and denied or allowed. In 8 and 18 denied is opted out.
	SensitiveDenied, SensitiveAsked uint16
	GPC                             bool // the signal was set when the string was made
	NoticeMissing                   bool // some notice was not given
}

// restrictive is how a section reads in which something is not known or not defined.
var restrictive = US{
	SaleOptOut: Denied, SharingOptOut: Denied, TargetedAdvertisingOptOut: Denied, KnownChild: Denied, PersonalData: Denied,
	SensitiveDenied: 0xffff, SensitiveAsked: 0xffff,
}

// US is what the section says; false where it is no section of the United States. One
// that is Unknown or Undefined denies everything.
func (s *Section) US() (u US, ok bool) {
	if s.id >= uint16(len(byID)) || len(byID[s.id]) == 0 {
		return US{}, false
	}
	if s.status != Defined {
		u = restrictive
		u.GPC = s.gpc
		return u, true
	}
	var seen [len(fieldNames)]uint8 // the one answer of each field that has one
	at := 0
	for _, e := range s.layout.entries {
		switch e.field {
		case sensitive:
			for i := range e.n {
				switch Choice(answer(s.answers, at+i)) {
				case Denied:
					u.SensitiveDenied |= 1 << i
					fallthrough
				case Allowed:
					u.SensitiveAsked |= 1 << i
				}
			}
		case child:
			for i := range e.n {
				if a := Choice(answer(s.answers, at+i)); a == Denied || u.KnownChild == Unsaid {
					u.KnownChild = a
				}
			}
		default:
			seen[e.field] = answer(s.answers, at)
		}
		at += e.n
	}
	for f := range sale {
		u.NoticeMissing = u.NoticeMissing || seen[f] == notGiven
	}
	u.GPC = s.gpc
	u.PersonalData = Choice(seen[personal] | seen[additional]) // no section has both
	u.SaleOptOut = optOut(&seen, sale, saleNotice)
	if s.id == usp {
		u.SaleOptOut = optOut(&seen, uspSale, uspNotice)
	}
	u.SharingOptOut = optOut(&seen, sharing, sharedNotice)
	u.TargetedAdvertisingOptOut = optOut(&seen, ads, adsNotice)
	if s.gpc {
		u.SaleOptOut, u.SharingOptOut, u.TargetedAdvertisingOptOut = Denied, Denied, Denied
	}
	return u, true
}

const notGiven = 2 // of a notice

// optOut reads an opt-out with the notice of it and the general one.
func optOut(seen *[len(fieldNames)]uint8, f, notice field) Choice {
	c := Choice(seen[f])
	if c == Allowed && (seen[notice] != 1 || seen[processingNotice] == notGiven || seen[sharingNotice] == notGiven) {
		return Unsaid
	}
	return c
}
