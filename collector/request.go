package collector

import (
	"iter"
	"net/netip"
	"time"

	"assent/consent/signals"
)

// Request is what the steps and the dialects may see of an HTTP request. Its
// bytes are valid until the handler returns.
type Request struct {
	Method, Path, Host []byte
	Param              []byte // the segment of the path that the route leaves open, percent-decoded
	Prefix             string // that was cut off the path, or that a trusted front says it cut off
	Query              Query  // decoded on demand
	ContentType        []byte // lower case not guaranteed
	Body               []byte // decompressed
	Origin, FetchSite  []byte
	AskedHeaders       []byte // what a preflight asks for
	Key, Bearer        []byte // the source key and token as sent in header or query
	UserAgent          []byte
	ChoiceCookie       []byte // several of one name are joined by ';'
	IDCookie           []byte
	Anonymous          bool // the tracker asks that nobody be recognised: see anonymousHeader
	SubjectToken       []byte
	Peer               netip.Addr
	Received           time.Time
}

// Query gives the query string's arguments, percent-decoded.
type Query interface {
	Peek(key string) []byte
	All() iter.Seq2[[]byte, []byte]
}

// Outcome says what became of one event.
type Outcome uint8

// The outcomes of the contract: accepted and withheld were judged and their
// promise kept; refused was not taken.
const (
	Accepted Outcome = iota
	Withheld
	Refused
)

// Result is the outcome of the event at the same place of the request.
type Result struct {
	Outcome Outcome
	Reason  Reason // of a refusal
	ID      []byte // the sender's messageId as a raw JSON string, or nil
}

// Answer is an HTTP answer under construction.
type Answer struct {
	Status      int
	ContentType string
	Body        []byte // append to it
	Headers     []AnswerHeader
	Cookies     []Cookie

	wait time.Duration // until a bucket has enough again for what it refused
}

// AnswerHeader is one extra header of an answer.
type AnswerHeader struct{ Name, Value string }

// Header adds a header to the answer.
func (a *Answer) Header(name, value string) {
	a.Headers = append(a.Headers, AnswerHeader{name, value})
}

// Cookie is a first-party cookie to set, or to expire when Value is empty.
type Cookie struct {
	Name, Value string
	MaxAge      time.Duration
}

// Handler serves files and tools, which are the same for everybody.
type Handler func(r *Request, a *Answer)

// RequestError refuses a whole request.
type RequestError struct {
	Reason Reason
	Detail string // for the sender: what and where, never a value it sent
}

func (e *RequestError) Error() string { return string(e.Reason) + ": " + e.Detail }

// emptied is a slice without elements whose memory refers to nothing.
func emptied[T any](s []T) []T {
	clear(s)
	return s[:0]
}

// cut is the first n elements; the others refer to nothing any more.
func cut[T any](s []T, n int) []T {
	clear(s[n:])
	return s[:n]
}

// requestPlaces are where signals are looked for in a request.
type requestPlaces struct {
	headers            []*signals.Place
	cookies, arguments namedPlaces
}

// newPlaces are those of the table and more.
func newPlaces(more []*signals.Place) requestPlaces {
	of := func(in signals.Where) []*signals.Place {
		out := signals.Places(in)
		for _, p := range more {
			if p.In == in {
				out = append(out, p)
			}
		}
		return out
	}
	return requestPlaces{of(signals.Header), named(of(signals.Cookie)), named(of(signals.Query))}
}

// namedPlaces are places by name. Most names that come are none of theirs, and have
// another length.
type namedPlaces struct {
	list    []*signals.Place
	lengths uint64 // a bit for each length of a name
}

func named(list []*signals.Place) namedPlaces {
	out := namedPlaces{list: list}
	for _, p := range out.list {
		out.lengths |= 1 << len(p.Name)
	}
	return out
}

var methodGet = []byte("GET")
