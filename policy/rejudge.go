package policy

import (
	"errors"

	"assent/consent"
)

// Judgement is what has to be remembered of the judgement of an event to judge it
// again: masks of this very policy, which its hash names.
type Judgement struct {
	Event   consent.PurposeSet // Decision.Event
	Allowed uint64             // Decision.Allowed
	Shared  uint64             // Decision.Shared
}

// ErrUnreadable is the error of whoever cannot be judged again at present.
var ErrUnreadable = errors.New("what the person has chosen cannot be read")

// Rejudge works out what the recipient with this topic may still have of an event
// that waited, under what is on record for its subject now. Pure. Its plan is
// never wider than the first one, and takes the event as that one left it.
//
// Only a recorded choice narrows, and only by refusal (GDPR Art. 7(3), 21: from then
// on nothing more is processed, and sending on what waited would be):
//
//   - A denial or objection on record takes the purpose away, whatever the regime,
//     with its share of the device. It need not be younger than the event: where a
//     cookie had overruled it, the store that says no is believed.
//   - A purpose that the state's vocabulary, the policy in force, no longer declares
//     cannot be refused by its name: any denial on record takes it away.
//   - Unknown keeps what was: the grant may have come from a cookie that the store
//     never saw. So does a grant that has expired or is for another revision: it was
//     good when the event was judged, and time alone withdraws nothing.
//   - A grant gives nothing back: what was cut is gone. What was refused and granted
//     again while the record waited is allowed at both ends, and stays.
//   - What rests on contract or law is not the person's to take away.
//   - Who cannot be read is not judged: ErrUnreadable, and the record waits.
//   - The law is not asked again. The masks hold what it made of the place, the
//     instant and the signals of the event; a law that changed since speaks of
//     events that come after it.
//
// A sensitive field falls with its purposes; its category's bit alone keeps nothing.
// For a topic that no recipient has, the plan passes nothing.
func (p *Policy) Rejudge(j Judgement, s *consent.State, topic string) (Plan, error) {
	if s == nil || s.Unreadable {
		return Plan{}, ErrUnreadable
	}
	denied := p.refused(s)
	for _, t := range p.deviceBits {
		if denied&t.purpose != 0 {
			denied |= t.device
		}
	}
	for _, to := range p.recipients {
		if to.Topic == topic {
			was := to.mask(j.Allowed, j.Shared) & (p.all | p.withdrawable | p.sensitive)
			return to.plan(j.Event, was, was&^(denied&p.withdrawable)), nil
		}
	}
	return Plan{}, nil
}

// refused is what a state denies of this policy's purposes.
func (p *Policy) refused(s *consent.State) uint64 {
	denied := uint64(s.In(p.purposes).Denied)
	if now := s.Purposes(); now != p.purposes && s.AnyDenied() {
		for i := range p.purposes.Len() {
			if _, named := now.Index(p.purposes.At(i).Name); !named {
				denied |= 1 << i
			}
		}
	}
	return denied
}

// Withdrawable reports whether a choice could take something of a mask away.
func (p *Policy) Withdrawable(mask uint64) bool { return mask&p.withdrawable != 0 }
