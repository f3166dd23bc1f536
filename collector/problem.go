package collector

import (
	"math/rand/v2"
	"strconv"
	"time"

	"assent/redact"
)

// problems maps a reason to its status and title. One place, so that a reason
// is answered the same on every route.
var problems = map[Reason]struct {
	status int
	title  string
}{
	ReasonMethod:      {405, "This route does not take this method"},
	ReasonNotFound:    {404, "There is nothing here"},
	ReasonUnreadable:  {400, "The body cannot be read"},
	ReasonEmpty:       {400, "The body is empty"},
	ReasonEncoding:    {415, "The content encoding is none of identity, gzip, br, zstd, deflate"},
	ReasonDecompress:  {400, "The body cannot be decompressed"},
	ReasonTooLarge:    {413, "The body is too large"},
	ReasonHeaderLarge: {431, "The request header is too large"},
	ReasonTooMany:     {413, "The request holds too many events"},
	ReasonMediaType:   {415, "The content type must be application/json"},
	ReasonSource:      {401, "No source has this key"},
	ReasonOrigin:      {403, "This origin may not speak for this source"},
	ReasonSubject:     {403, "Only a server that shows its token may name a subject"},
	ReasonChoice:      {400, "The choice cannot be recorded as sent"},
	ReasonTimeout:     {408, "The request took too long to arrive"},
	ReasonRateLimited: {429, "Too many requests from here; send this one again later"},
	ReasonUnavailable: {503, "The events cannot be stored now; send them again"},
	ReasonOverloaded:  {503, "Too much is under way here; send this again later"},
	ReasonInternal:    {500, "Internal error"},
}

// ErrTooManyEvents refuses a request that holds more events than allowed.
var ErrTooManyEvents = &RequestError{ReasonTooMany, "split the batch"}

// retryAfter is the pause asked of senders, in seconds: what they have to wait for,
// the least for a status otherwise, and up to as much again, by chance, so that they
// do not all come back at once; 0 for a status that asks for none.
func retryAfter(status int, wait time.Duration) (seconds int) {
	switch status {
	case 429:
		seconds = max(1, int((wait+time.Second-1)/time.Second))
	case 503:
		seconds = 4
	default:
		return 0
	}
	return seconds + rand.IntN(seconds+1)
}

// refuse turns the answer into problem details (RFC 9457).
func refuse(a *Answer, reason Reason, detail string) {
	p, ok := problems[reason]
	if !ok {
		p = problems[ReasonUnreadable]
	}
	a.Status, a.ContentType = p.status, "application/problem+json"
	b := append(a.Body[:0], `{"type":"urn:assent:problem:`...)
	b = append(b, reason...)
	b = append(b, `","title":`...)
	b = strconv.AppendQuote(b, p.title)
	b = append(b, `,"status":`...)
	b = strconv.AppendInt(b, int64(p.status), 10)
	if detail != "" {
		b = append(b, `,"detail":`...)
		b = redact.AppendQuoted(b, detail)
	}
	a.Body = append(b, '}', '\n')
	if pause := retryAfter(p.status, a.wait); pause > 0 {
		a.Header("Retry-After", strconv.Itoa(pause))
	}
}

var (
	errOverloaded = &RequestError{ReasonOverloaded, ""}
	errSink       = &RequestError{ReasonUnavailable, ""}
	errRate       = &RequestError{ReasonRateLimited, ""}
)
