package collector

import (
	"errors"
	"fmt"
	"math"
	"time"

	"assent/rate"
)

// CookieOptions names and places the two first-party cookies.
type CookieOptions struct {
	Choice string // default assent_choice, as __Host-assent_choice where no domain is set
	ID     string // default assent_id, likewise
	Domain string // empty: this host only
	Path   string // default /
}

// Limits bound what one sender can cost. Zero fields take the default.
//
// The rates are token buckets, for each source and for each client address (IPv6:
// the /64), the latter not for a server that showed its token. A token is an event
// of up to 4 KiB (see tokens), or a choice of up to 1 KiB. A full bucket takes any
// request, and is in debt for what it did not hold. A choice is never limited by
// memory, the sink's admission or the rates of events.
//
// One request may commit 4 times Decompressed in bytes of records.
type Limits struct {
	Header       int           // bytes of request line and headers, default 16 KiB
	Body         int           // bytes on the wire, default 4 MiB
	Decompressed int           // bytes after decompression, default 8 MiB
	Event        int           // bytes of one event, default 256 KiB
	Events       int           // events in a request, default 2000
	Connections  int           // open connections, default 4096; the last tenth takes no events, and a quarter may wait for delivery
	ReadTimeout  time.Duration // whole request, default 15 s
	WriteTimeout time.Duration // whole answer, default 15 s
	IdleTimeout  time.Duration // between requests, default 620 s: above what balancers keep theirs for

	// Bytes of bodies, on the wire and decompressed, and of what becomes of their
	// events, of all requests together; each up to 64 KiB is free. Default 256 MiB.
	Memory       int
	SourceRate   int // tokens a second of one source, default 0: any
	SourceBurst  int // at once, default one second's
	AddressRate  int // tokens a second of one client address, default 0: any
	AddressBurst int // at once, default one second's
	ChoiceRate   int // choices a second of one client address, default 50
	ChoiceBurst  int // at once, default ten seconds'; as many again if they only deny
	BadRows      int // bad rows a second of one source, stage and reason, default 10; beyond it they are added up
	BadRowBurst  int // at once, default 100
}

const (
	maxBody  = 256 << 20 // storedBodies times as many fit into 32 bits
	maxRate  = rate.MaxPerSecond
	maxBurst = rate.MaxBurst
)

// defaultEvent is the default of Limits.Event.
const defaultEvent = 256 << 10

func orDefault[T comparable](v *T, d T) {
	var zero T
	if *v == zero {
		*v = d
	}
}

// Validate refuses limits that no node can work with, all of them at once. A zero
// field stands for its default, of a rate or a burst without one for any or one second's.
func (l Limits) Validate() error {
	const (
		room  = "it is held in memory, for each request"
		done  = "below it honest senders are cut off, above it silent ones are kept"
		rates = "a bucket counts in nanoseconds"
		burst = "a bucket's time to fill must be countable"
	)
	var errs []error
	for _, limit := range []struct {
		name     string
		value    any // an int or a time.Duration, as min and max
		min, max any
		why      string
	}{
		{"header", l.Header, 4 << 10, 1 << 20, "cookies take some KiB, and each connection holds a buffer of this size"},
		{"body", l.Body, 1 << 10, maxBody, room},
		{"decompressed", l.Decompressed, 1 << 10, maxBody, room},
		{"event", l.Event, 512, maxBody, room},
		{"events", l.Events, 1, 1_000_000, room},
		{"connections", l.Connections, 1, 1 << 20, "each takes a descriptor and a buffer"},
		{"read_timeout", l.ReadTimeout, time.Second, time.Hour, done},
		{"write_timeout", l.WriteTimeout, time.Second, time.Hour, done},
		{"idle_timeout", l.IdleTimeout, time.Second, 24 * time.Hour, done},
		{"memory", l.Memory, 1 << 20, math.MaxInt / 4, "a large body must fit"},
		{"source_rate", l.SourceRate, 1, maxRate, rates},
		{"source_burst", l.SourceBurst, 1, maxBurst, burst},
		{"address_rate", l.AddressRate, 1, maxRate, rates},
		{"address_burst", l.AddressBurst, 1, maxBurst, burst},
		{"choice_rate", l.ChoiceRate, 1, maxRate, rates},
		{"choice_burst", l.ChoiceBurst, 1, maxBurst, burst},
		{"bad_rows", l.BadRows, 1, maxRate, rates},
		{"bad_row_burst", l.BadRowBurst, 1, maxBurst, burst},
	} {
		n := number(limit.value)
		if n != 0 && (n < number(limit.min) || n > number(limit.max)) {
			errs = append(errs, fmt.Errorf("limits: %s: %v is not within %v to %v: %s", limit.name, limit.value, limit.min, limit.max, limit.why))
		}
	}
	return errors.Join(errs...)
}

// number is a limit, as a time in nanoseconds.
func number(v any) int64 {
	if d, ok := v.(time.Duration); ok {
		return int64(d)
	}
	return int64(v.(int))
}

// HostPrefix begins the name of a cookie that no other host can have set: a browser
// takes it only with Secure, with Path=/ and without Domain, and knows it in any case of
// letters (RFC 6265bis draft, 4.1.3.2, 5.7).
const HostPrefix = "__Host-"
