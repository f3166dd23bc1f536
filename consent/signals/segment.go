package signals

import (
	"errors"
	"time"

	"assent/consent"
	"assent/redact"
)

var errNotBoolean = errors.New("a category is true or false")

// readSegment reads an event's context.consent.categoryPreferences, given as JSON: an
// object of category to boolean. A category that is false denies its purposes; so does
// one that the policy maps and the object leaves out (Segment, Consent in Segment
// Connect: a missing category counts as false). Anything but an object of booleans is
// unreadable.
func readSegment(r *Reader, raw []byte, _ time.Time) consent.Verdict {
	l := r.listen(consent.Segment)
	err := redact.EachMember(raw, func(key, value []byte) error {
		switch string(value) {
		case "true", "false":
			l.hear(key, value[0] == 't')
		default:
			return errNotBoolean
		}
		return nil
	})
	if err != nil {
		return unreadable
	}
	return l.end()
}
