package consent

import (
	"fmt"
	"slices"
	"strings"
)

// Status is what is known of a person's will about one purpose. A third value
// beside yes and no, because what silence means is the law's to say, not ours.
type Status uint8

const (
	Unknown Status = iota
	Granted
	Denied // refused, withdrawn or, for a legitimate interest, objected
)

var statusNames = [...]string{"unknown", "granted", "denied"}

// ParseStatus reads what String writes.
func ParseStatus(s string) (Status, error) {
	if i := slices.Index(statusNames[:], s); i >= 0 {
		return Status(i), nil
	}
	return Unknown, fmt.Errorf("a status is one of %s", strings.Join(statusNames[:], ", "))
}

// String names the status; a value out of range reads as unknown.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return statusNames[Unknown]
}

// Method is how a choice was expressed. The zero value is not known.
type Method uint8

const (
	NoMethod Method = iota
	Banner
	PreferenceCentre
	Form
	App
	API // the call itself is the act; what a choice without a method is
	Pair
	Paper
	Import  // of unknown origin
	Implied // going on using the service, a pre-ticked box, a default
	Signal  // taken over from a signal of a device or another tool
	CMP     // an act at a consent manager that speaks for the brand
)

var methodNames = [...]string{
	"", "banner", "preference_centre", "form", "app", "api", "pair", "paper",
	"import", "implied", "signal", "cmp",
}

// ParseMethod reads the name a choice uses.
func ParseMethod(s string) (Method, error) {
	if i := slices.Index(methodNames[1:], s); i >= 0 {
		return Method(i + 1), nil
	}
	return NoMethod, fmt.Errorf("a method is one of %s", strings.Join(methodNames[1:], ", "))
}

func (m Method) String() string {
	if int(m) < len(methodNames) {
		return methodNames[m]
	}
	return ""
}

// Affirmative reports whether the method is a clear act of the person (GDPR
// art. 4(11); recital 32: silence and pre-ticked boxes are none).
func (m Method) Affirmative() bool {
	switch m {
	case Banner, PreferenceCentre, Form, App, API, Pair, Paper, CMP:
		return true
	}
	return false
}
