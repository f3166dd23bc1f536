package collector

import (
	"bytes"

	"assent/redact"
)

// Dialect turns one tracker protocol's request into events and the results
// into the answer that tracker expects. It does not judge.
type Dialect interface {
	// Events adds the request's events to the payload. An error refuses the whole
	// request; an unreadable item of a readable body is an Event with a Reason.
	Events(r *Request, p *Payload) error
	// Answer phrases the results; a has status 200 and no body yet.
	Answer(r *Request, a *Answer, results []Result)
}

// Payload is what a dialect finds in a request. Its memory is the request's, and so is
// all that a dialect puts into it: valid until the request is answered.
type Payload struct {
	Events []Event // added by Add
	Key    []byte  // the source key, where the body holds one; nil: it holds none
	// Context is raw JSON: what a batch says for all of its events, of which only what it
	// says about consent counts; nil: nothing.
	Context []byte
	SentAt  []byte // raw JSON: when the sender says it sent the events that do not say so themselves

	// Space is for bytes that a dialect makes, as events that it builds or decodes:
	// append to it, and put slices of it into events.
	Space []byte

	max    int // events
	object Object
}

// NewPayload makes a payload for at most so many events, for tests of a dialect.
func NewPayload(most int) *Payload { return &Payload{max: most} }

// Add adds an event. ErrTooManyEvents says that there are too many.
func (p *Payload) Add(e Event) error {
	if len(p.Events) == p.max {
		return ErrTooManyEvents
	}
	p.Events = append(p.Events, e)
	return nil
}

// Object begins an event that is built member by member; Build ends it.
func (p *Payload) Object() *Object {
	p.object.nodes = append(emptied(p.object.nodes), node{object: true})
	return &p.object
}

// Build adds the event that was begun by Object. An object without members is none.
func (p *Payload) Build() error {
	if len(p.object.nodes) == 1 {
		return nil
	}
	start := len(p.Space)
	p.Space = p.object.appendTo(p.Space, 0)
	return p.Add(Event{Raw: p.Space[start:len(p.Space):len(p.Space)]})
}

// empty lets go of everything but the memory.
func (p *Payload) empty() {
	*p = Payload{Events: emptied(p.Events), Space: p.Space[:0], object: Object{emptied(p.object.nodes)}}
}

// Object is a JSON object under construction. Its members stay in the order in which
// they first came. Names and values are not copied before Build.
type Object struct{ nodes []node }

// node is the object itself (the first one), or a member. Zero is no node.
type node struct {
	name, value       []byte
	object            bool  // it has members; else its value is a string
	first, last, next int32 // of its members; its neighbour
}

// maxObjectDepth bounds how deep members lie in one another.
const maxObjectDepth = 8

// Put puts a string at a path, whose names are separated by dots, and makes the objects
// on the way. A path that came before gives a second member of that name, for its reader
// to refuse. False: the path goes through a member that is a string, ends at one that is
// an object, or goes too deep. The cost grows with the members that are there already.
func (o *Object) Put(path, value []byte) bool {
	if bytes.Count(path, []byte{'.'}) >= maxObjectDepth {
		return false
	}
	for at := int32(0); ; {
		name, rest, deeper := bytes.Cut(path, []byte{'.'})
		found := o.member(at, name)
		switch {
		case found != 0 && o.nodes[found].object != deeper:
			return false
		case !deeper:
			o.add(at, node{name: name, value: value})
			return true
		case found == 0:
			found = o.add(at, node{name: name, object: true})
		}
		at, path = found, rest
	}
}

// member is the first member of a name.
func (o *Object) member(of int32, name []byte) int32 {
	for i := o.nodes[of].first; i != 0; i = o.nodes[i].next {
		if bytes.Equal(o.nodes[i].name, name) {
			return i
		}
	}
	return 0
}

func (o *Object) add(to int32, n node) int32 {
	i := int32(len(o.nodes))
	o.nodes = append(o.nodes, n)
	if parent := &o.nodes[to]; parent.first == 0 {
		parent.first, parent.last = i, i
	} else {
		o.nodes[parent.last].next, parent.last = i, i
	}
	return i
}

func (o *Object) appendTo(dst []byte, of int32) []byte {
	dst = append(dst, '{')
	for i := o.nodes[of].first; i != 0; i = o.nodes[i].next {
		n := &o.nodes[i]
		if dst[len(dst)-1] != '{' {
			dst = append(dst, ',')
		}
		dst = append(redact.AppendQuoted(dst, n.name), ':')
		if n.object {
			dst = o.appendTo(dst, i)
		} else {
			dst = redact.AppendQuoted(dst, n.value)
		}
	}
	return append(dst, '}')
}

// Route binds a method and path to a dialect.
type Route struct {
	Method, Path string
	Dialect      Dialect
}

func pathsOf(routes []Route) (paths []string) {
	for _, r := range routes {
		paths = append(paths, r.Path)
	}
	return paths
}
