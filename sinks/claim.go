package sinks

// Deduper recognises an event that is stored, or about to be: senders repeat what
// they got no answer to. Safe for concurrent use. Package
// dedup has one.
type Deduper interface {
	// Claim says what is known of each ID, all at one instant, so that of two
	// requests with the same events one gets them all and their order holds.
	// An ID that is First is the caller's, who calls Finish with it whatever
	// happens. A zero ID is First and nobody's.
	Claim(ids []ID, claims []Claim)

	// Finish ends the caller's claims: stored says whether the events are durable.
	// Where they are not, the next event with the ID is First.
	Finish(ids []ID, stored bool)

	// Wait blocks while another has a claim on the ID and reports whether the
	// event is stored. Whoever waits has finished all claims of its own, so that
	// two requests never wait for each other.
	Wait(id ID) bool

	// Note remembers IDs of events that are durable, whoever claimed them: they
	// survive kill -9 when it returns. Power loss may take the last of them: to
	// sync them would double what a commit costs.
	Note(ids []ID)
}

// Claim is what is known of an event's ID.
type Claim uint8

// The claims.
const (
	First   Claim = iota // not seen: it is the caller's now
	Known                // stored before
	Pending              // claimed, not finished yet: see Wait
)
