package cmp

import (
	"bytes"
	"time"
)

var oneTrustLists = []string{"groups"}

// readOneTrust reads the cookie OptanonConsent: form data whose member groups lists the
// customer's categories as id:1 or id:0. It is written before anybody has answered;
// beside is the value of the cookie OptanonAlertBoxClosed, the time of the answer.
// Without it, or with one that is no time, groups holds defaults.
func readOneTrust(r *Reading, text, beside []byte) error {
	var answered bool
	if beside, err := r.take(beside); err == nil {
		if beside, err = unescape(beside, false); err == nil {
			r.Made, answered = instant(beside)
		}
	}
	if !answered {
		r.Made = time.Time{}
		r.facts |= 1 << NoChoice
	}
	if err := plain(text); err != nil {
		return err
	}
	seen := 0
	for at := 0; at <= len(text); {
		entry := text[at:]
		if i := bytes.IndexByte(entry, '&'); i >= 0 {
			entry = entry[:i]
		}
		key, value, ok := bytes.Cut(entry, []byte{'='})
		if !ok {
			return &Error{"a key without a value", at}
		}
		if k := oneTrustMember(key); k >= 0 {
			if seen>>k&1 == 1 {
				return &Error{"a key twice", at}
			}
			seen |= 1 << k
			if what := r.oneTrust(k, value); what != "" {
				return &Error{what, at}
			}
		}
		at += len(entry) + 1
	}
	if seen&1 == 0 {
		return &Error{"no groups", len(text)}
	}
	return nil
}

// oneTrustMembers are those that are read: datestamp is the last time that the cookie was
// written, on any page, and not that of a choice.
var oneTrustMembers = [6]struct{ key, name string }{
	{"groups", ""},
	{"datestamp", "datestamp"},
	{"version", "version"},
	{"consentId", "consent_id"},
	{"interactionCount", "interaction_count"},
	{"isGpcEnabled", "is_gpc_enabled"},
}

func oneTrustMember(key []byte) int {
	for i, m := range oneTrustMembers {
		if string(key) == m.key {
			return i
		}
	}
	return -1
}

// oneTrust takes a member's value, and says what is wrong with it.
func (r *Reading) oneTrust(k int, value []byte) (wrong string) {
	value, err := unescape(value, true)
	if err != nil {
		return "no percent-encoding"
	}
	if plain(value) != nil {
		return "a control character, or no UTF-8"
	}
	switch name := oneTrustMembers[k].name; name {
	case "":
		return r.groups(value)
	case "consent_id":
		r.note(name, jsonTrue, true)
	case "is_gpc_enabled":
		if string(value) == "1" || string(value) == "true" {
			r.facts |= 1 << GPC
			r.note(name, jsonTrue, true)
		} else {
			r.note(name, jsonFalse, true)
		}
	case "interaction_count":
		if !isNumber(value) {
			return "no number"
		}
		r.note(name, value, true)
	default:
		r.note(name, value, false)
	}
	return ""
}

// groups reads C0001:1,C0002:0.
func (r *Reading) groups(text []byte) (wrong string) {
	for more := len(text) > 0; more; {
		var entry []byte
		entry, text, more = bytes.Cut(text, []byte{','})
		i := bytes.LastIndexByte(entry, ':')
		if i <= 0 {
			return "no group and its value"
		}
		said := Unset
		switch string(entry[i+1:]) {
		case "1":
			said = Granted
		case "0":
			said = Denied
		default:
			r.facts |= 1 << UnknownValue
		}
		if !r.add("groups", entry[:i:i], said) {
			return "too many words"
		}
	}
	return ""
}
