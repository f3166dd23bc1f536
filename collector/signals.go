package collector

import (
	"bytes"
	"slices"

	"github.com/valyala/fasthttp"

	"assent/consent"
)

// requestPlaces are where signals are looked for in a request: by default all places of
// consent's table of signals.
type requestPlaces struct{ headers, cookies, arguments []consent.Place }

func tablePlaces() requestPlaces {
	return requestPlaces{consent.Places(consent.Header), consent.Places(consent.Cookie), consent.Places(consent.Query)}
}

// carry notes what headers and query carry of signals; readCookies does so for cookies.
func (c *Collector) carry(h *fasthttp.RequestHeader, x *exchange) {
	for _, p := range c.places.headers {
		for _, line := range h.PeekAll(p.Name) {
			x.carried = append(x.carried, consent.Carried{Scheme: p.Scheme, Value: line})
		}
	}
	if len(c.places.arguments) > 0 {
		for name, value := range x.req.Query.All() {
			x.carryNamed(c.places.arguments, name, value)
		}
	}
}

// carryNamed notes a value that came under a name, where the name is one of the places'.
func (x *exchange) carryNamed(places []consent.Place, name, value []byte) {
	for i := range places {
		if places[i].Name == string(name) {
			x.carried = append(x.carried, consent.Carried{Scheme: places[i].Scheme, Value: value})
		}
	}
}

// eventPlace is a place of consent's table of signals, as indices of peeked values.
type eventPlace struct {
	scheme consent.Scheme
	way    []int // each object on the way, then what says something
	member int   // of that; peekCount: all of it is the signal
}

var eventPlaces = func() (out []eventPlace) {
	index := func(path string) int {
		i := slices.Index(signalPaths[:], path)
		if i < 0 {
			panic("BUG: signalPaths lacks " + path)
		}
		return peekSignals + i
	}
	for _, p := range consent.Places(consent.Event) {
		at := eventPlace{scheme: p.Scheme, member: peekCount}
		for i, b := range []byte(p.Name) {
			if b == '.' {
				at.way = append(at.way, index(p.Name[:i]))
			}
		}
		at.way = append(at.way, index(p.Name))
		if p.Member != "" {
			at.member = index(p.Name + "." + p.Member)
		}
		out = append(out, at)
	}
	return out
}()

// signals narrows s by what the event itself says of consent.
func (e *Event) signals(p *consent.Purposes, s *consent.Signals) {
	for i := range eventPlaces {
		if raw, said := e.peek.at(&eventPlaces[i]); said {
			consent.Read(p, consent.Carried{Scheme: eventPlaces[i].scheme, Value: raw}, s)
		}
	}
}

// at finds what an event says at a place. Nothing, null (which serialisers write for
// nothing) or an empty object on the way says nothing. Whatever else stands there means
// to say something: in another shape than the scheme's it cannot be read.
func (p *Peek) at(place *eventPlace) (raw []byte, said bool) {
	for _, i := range place.way {
		raw = p.get(i)
		if raw == nil || string(raw) == "null" || isEmptyObject(raw) {
			return nil, false
		}
		if raw[0] != '{' {
			return raw, true
		}
	}
	if place.member < peekCount {
		raw = p.get(place.member)
	}
	return raw, true
}

func isEmptyObject(raw []byte) bool {
	return raw[0] == '{' && len(bytes.TrimSpace(raw[1:len(raw)-1])) == 0
}
