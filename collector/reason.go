package collector

import (
	"errors"

	"assent/redact"
)

// Reason says why a request or one event of it was refused: stable words that
// clients, dashboards and bad rows rely on. The set is closed; AllReasons lists it.
type Reason string

// Reasons for a whole request.
const (
	ReasonMethod      Reason = "method_not_allowed"
	ReasonNotFound    Reason = "not_found"
	ReasonUnreadable  Reason = "body_unreadable"
	ReasonEmpty       Reason = "body_empty"
	ReasonEncoding    Reason = "encoding_unsupported"
	ReasonDecompress  Reason = "decompression_failed"
	ReasonTooLarge    Reason = "body_too_large"
	ReasonHeaderLarge Reason = "header_too_large"
	ReasonTooMany     Reason = "too_many_events"
	ReasonMediaType   Reason = "media_type_unsupported"
	ReasonSource      Reason = "source_unknown"
	ReasonOrigin      Reason = "origin_not_allowed"
	ReasonChoice      Reason = "choice_invalid"
	ReasonSubject     Reason = "subject_not_allowed"
	ReasonTimeout     Reason = "request_timeout"
	ReasonRateLimited Reason = "rate_limited"
	ReasonUnavailable Reason = "sink_unavailable"
	ReasonOverloaded  Reason = "overloaded"
	ReasonInternal    Reason = "internal"
)

// Reasons for one event; the JSON reasons are those of package redact.
const (
	ReasonTypeMissing   Reason = "type_missing"
	ReasonTypeInvalid   Reason = "type_invalid"
	ReasonEventInvalid  Reason = "event_name_invalid"
	ReasonIDInvalid     Reason = "anonymous_id_invalid"
	ReasonEventTooLarge Reason = "event_too_large"
)

// AllReasons lists every reason this package gives, without those of redact.
var AllReasons = []Reason{
	ReasonMethod, ReasonNotFound, ReasonUnreadable, ReasonEmpty, ReasonEncoding, ReasonDecompress,
	ReasonTooLarge, ReasonHeaderLarge, ReasonTooMany, ReasonMediaType, ReasonSource, ReasonOrigin, ReasonChoice, ReasonSubject,
	ReasonTimeout, ReasonRateLimited, ReasonUnavailable, ReasonOverloaded, ReasonInternal,
	ReasonTypeMissing, ReasonTypeInvalid, ReasonEventInvalid, ReasonIDInvalid, ReasonEventTooLarge,
}

// jsonReason gives the reason of an error that redact's scanner returned.
func jsonReason(err error) Reason {
	var syntax *redact.SyntaxError
	if errors.As(err, &syntax) {
		return Reason(syntax.Reason.String())
	}
	return ReasonUnreadable
}
