package signals

import (
	"errors"
	"time"

	"assent/consent"
	"assent/redact"
)

// Vocabularies that stand in events as JSON.

var (
	errNotBoolean = errors.New("a category is true or false")
	errNotGranted = errors.New("a consent is GRANTED or DENIED")
	errNotArray   = errors.New("consent ids are an array of strings")
	errNotType    = errors.New("an eventType is one of the schema's")
	errTwice      = errors.New("a member twice: nobody can tell which counts")
)

// readSegment reads an event's context.consent.categoryPreferences, given as JSON: an
// object of category to boolean. A category that is false denies its purposes; so does
// one that the policy maps and the object leaves out (Segment, Consent in Segment
// Connect: a missing category counts as false). Anything but an object of booleans is
// unreadable.
func readSegment(r *Reader, raw, _ []byte, _ time.Time) (answer, error) {
	l := r.listen(consent.Segment)
	err := redact.EachMember(raw, func(key, value []byte) error {
		switch string(value) {
		case "true":
			l.hear(key, yes)
		case "false":
			l.hear(key, no)
		default:
			return errNotBoolean
		}
		return nil
	})
	l.rest(no)
	return answer{Verdict: l.verdict}, err
}

// readConsentMode reads the consent object of GA4's Measurement Protocol, under
// context.consentMode: a word to GRANTED or DENIED. A word that is left out says nothing.
func readConsentMode(r *Reader, raw, _ []byte, _ time.Time) (answer, error) {
	l := r.listen(consent.ConsentMode)
	err := redact.EachMember(raw, func(key, value []byte) error {
		switch string(value) {
		case `"GRANTED"`:
			l.hear(key, yes)
		case `"DENIED"`:
			l.hear(key, no)
		default:
			return errNotGranted
		}
		return nil
	})
	return answer{Verdict: l.verdict}, err
}

// readRudderStack reads context.consentManagement: ids that are allowed and ids that are
// denied. An id in neither list is not allowed; one in both is denied.
func readRudderStack(r *Reader, raw, _ []byte, _ time.Time) (answer, error) {
	l := r.listen(consent.RudderStack)
	l.exact = true // RudderStack, Consent management: ids are case-sensitive
	var allowed, denied []byte
	err := redact.EachMember(raw, func(key, value []byte) error {
		switch string(key) {
		case "allowedConsentIds":
			return once(&allowed, value)
		case "deniedConsentIds":
			return once(&denied, value)
		}
		return nil
	})
	if err == nil && allowed != nil {
		err = eachText(allowed, func(id []byte) { l.hear(id, yes) })
	}
	if err == nil && denied != nil {
		err = eachText(denied, func(id []byte) { l.hear(id, no) })
	}
	l.rest(no)
	return answer{Verdict: l.verdict}, err
}

// readSnowplow reads entities of iglu:com.snowplowanalytics.snowplow/consent_preferences:
// an array of them, whose eventType says what was chosen and consentScopes of what. What
// is selected and not in the scopes is refused. A choice that is pending, implied or
// expired may not be used. Each entity counts by itself.
func readSnowplow(r *Reader, raw, _ []byte, _ time.Time) (answer, error) {
	l := r.listen(consent.Snowplow)
	err := redact.EachElement(raw, func(entity []byte) error {
		var kind, scopes []byte
		err := redact.EachMember(entity, func(key, value []byte) error {
			switch string(key) {
			case "eventType":
				return once(&kind, value)
			case "consentScopes":
				return once(&scopes, value)
			}
			return nil
		})
		if err != nil {
			return err
		}
		l.seen = [len(l.seen)]uint64{}
		switch string(kind) {
		case `"allow_all"`:
			l.rest(yes)
		case `"allow_selected"`:
			err = eachText(scopes, func(scope []byte) { l.hear(scope, yes) })
			l.rest(no)
		case `"deny_all"`, `"withdrawn"`:
			l.rest(no)
		case `"pending"`, `"implicit_consent"`, `"expired"`:
			l.rest(unusable)
		default:
			err = errNotType
		}
		return err
	})
	return answer{Verdict: l.verdict}, err
}

// once takes the value of a member that may come once.
func once(to *[]byte, value []byte) error {
	if *to != nil {
		return errTwice
	}
	*to = value
	return nil
}

// eachText calls f with the strings of an array.
func eachText(raw []byte, f func(text []byte)) error {
	return redact.EachElement(raw, func(item []byte) error {
		if len(item) < 2 || item[0] != '"' {
			return errNotArray
		}
		text, err := redact.AppendUnquoted(nil, item)
		f(text)
		return err
	})
}
