package sinks

import "errors"

// A Class says what a caller may do about an error of a sink.
type Class uint8

// The classes. The zero value is the one that promises nothing and asks the
// sender to come again.
const (
	// Retriable: the same batch may succeed later; answer 503 with Retry-After.
	Retriable Class = iota
	// Fatal: the same batch fails until somebody changes the configuration.
	Fatal
	// TooLarge: a record exceeds what the sink takes; a smaller one may pass.
	TooLarge
)

// A Reason is a stable word for logs and metrics, from a closed set.
type Reason uint8

// The reasons.
const (
	ReasonUnknown      Reason = iota // an error nobody classified
	ReasonClosed                     // the sink is shutting down
	ReasonOverloaded                 // more is waiting than the sink may hold
	ReasonCanceled                   // the caller's context ended first
	ReasonTimeout                    // no answer within the sink's bound
	ReasonUnavailable                // the broker or disk cannot be reached
	ReasonDiskFull                   // no space or quota left
	ReasonIO                         // writing or syncing failed
	ReasonTooLarge                   // a record is larger than the sink takes
	ReasonBadTopic                   // the topic's name is not valid
	ReasonNoTopic                    // the topic does not exist and may not be created
	ReasonUnauthorized               // the broker refuses this client
	ReasonRefused                    // the broker refuses the batch for good
	ReasonUnplaced                   // the reservation cannot be used any more, its records are not stored; see Forwarder
	ReasonDoubtful                   // the reservation cannot be used any more, whether its records are stored is unknown
	numReasons
)

var reasonNames = [numReasons]string{
	"unknown", "closed", "overloaded", "canceled", "timeout", "unavailable", "disk_full",
	"io", "too_large", "bad_topic", "no_topic", "unauthorized", "refused", "unplaced", "doubtful",
}

// String returns the reason's stable name.
func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return reasonNames[ReasonUnknown]
}

// Class returns the class that follows from the reason.
func (r Reason) Class() Class {
	switch r {
	case ReasonTooLarge:
		return TooLarge
	case ReasonBadTopic, ReasonNoTopic, ReasonUnauthorized, ReasonRefused:
		return Fatal
	default:
		return Retriable
	}
}

// An Error is a sink's failure, classified once where the driver's error is
// known. Its text never holds a byte of a record.
type Error struct {
	Reason Reason
	Err    error // may be nil
}

// Error returns the reason and the cause.
func (e *Error) Error() string {
	if e.Err == nil {
		return "committing: " + e.Reason.String()
	}
	return "committing: " + e.Reason.String() + ": " + e.Err.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// ReasonOf returns the reason of err, ReasonUnknown (which is Retriable) if it
// has none.
func ReasonOf(err error) Reason {
	var e *Error
	if errors.As(err, &e) {
		return e.Reason
	}
	return ReasonUnknown
}

// ClassOf returns what a caller may do about err.
func ClassOf(err error) Class { return ReasonOf(err).Class() }
