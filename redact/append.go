package redact

import (
	"bytes"
	"encoding/binary"
)

// Append appends to dst what of the event in src may be kept, and returns the
// longer dst; on an error, always a *SyntaxError, dst is as long as it was. src
// is exactly one JSON object (RFC 8259), validated whole, also where it is left
// out. dst and src must not overlap. s and t may be nil; s is looked at on
// first judgement only. See the package comment for what becomes of what.
func (p *Program) Append(dst, src []byte, g Grants, s *Supply, t *Tally) ([]byte, error) {
	i := opening(src)
	if i < 0 {
		return dst, failure(i)
	}
	if len(src) > MaxSize {
		return dst, failure(fail(MaxSize, TooLarge))
	}
	if src[i] != '{' {
		return dst, failure(fail(i, NotAnObject))
	}
	if t == nil {
		t = new(Tally)
	}
	z := scan{
		src: src, dst: dst, from: -1, to: -1,
		was: g.Was, now: g.Now & g.Was, first: g.Was == First,
		seen: ^uint32(0), offered: s, tally: t,
	}
	if s != nil && z.first {
		z.seen = ^s.set
	}
	end, any := z.object(i, p.root, p.root.open, 0)
	if end >= 0 {
		end = closing(src, end)
	}
	if end < 0 {
		return z.dst[:len(dst)], failure(end)
	}
	if !any {
		return append(z.dst[:len(dst)], "{}"...), nil
	}
	z.flush()
	return z.dst, nil
}

// scan is one run over one event. What is to be emitted is gathered as one
// span of src for as long as it is one, so that neighbours kept as they are
// cost a single copy; whitespace and cuts end the span.
type scan struct {
	src, dst []byte
	from, to int // the gathered span; -1 while there is none
	was, now uint64
	first    bool   // not judged before
	seen     uint32 // offers that are settled
	offered  *Supply
	tally    *Tally
}

// emit gathers src[from:to].
func (z *scan) emit(from, to int) {
	if from == z.to {
		z.to = to
		return
	}
	z.jump(from, to)
}

func (z *scan) jump(from, to int) {
	z.flush()
	z.from, z.to = from, to
}

func (z *scan) flush() {
	if z.from < z.to {
		z.dst = append(z.dst, z.src[z.from:z.to]...)
	}
	z.from, z.to = -1, -1
}

// mark is a state of the output to come back to.
type mark struct{ n, from, to int }

func (z *scan) mark() mark { return mark{len(z.dst), z.from, z.to} }

func (z *scan) restore(m mark) { z.dst, z.from, z.to = z.dst[:m.n], m.from, m.to }

// lead is what stands before a value: the comma before it, its key, its colon.
// Positions; elements have neither key nor colon.
type lead struct{ comma, key, keyEnd, colon int }

// emitLead gathers it, with the comma if there is more before it.
func (z *scan) emitLead(l lead, more bool) {
	if more {
		z.emit(l.comma, l.comma+1)
	}
	switch {
	case l.colon == 0: // an element
	case l.colon == l.keyEnd:
		z.emit(l.key, l.colon+1)
	default:
		z.emit(l.key, l.keyEnd)
		z.emit(l.colon, l.colon+1)
	}
}

// empty is a node without anything below it.
var empty = node{table: noTable[:]}

// object judges the object at i. n is where it was found, cover the rule for
// what no path below n names. It returns the position behind the object, or a
// failure, and whether anything was emitted; if not, the caller undoes.
func (z *scan) object(i int, n *node, cover *rule, depth int) (end int, any bool) {
	src := z.src
	if depth == MaxDepth {
		return fail(i, TooDeep), false
	}
	depth++
	z.emit(i, i+1)
	i = pass(src, i+1)
	if uint(i) < uint(len(src)) && src[i] == '}' {
		return z.close(i, n, cover, false, true, depth)
	}
	var l lead
	for {
		var kid *node
		if end, a, b, escaped := keyEnd(src, i); end < 0 {
			return end, false
		} else if l.key, l.keyEnd = i, end; !escaped {
			if e := n.first(a, b); e.is(a, b, end-i-2) {
				kid = e.node
			} else if e.node != nil {
				kid = n.probe(src[i+1:end-1], a, b)
			}
		} else {
			kid = n.childEscaped(src[i+1 : end-1])
		}
		if l.colon = pass(src, l.keyEnd); uint(l.colon) >= uint(len(src)) || src[l.colon] != ':' {
			return unexpected(src, l.colon), false
		}
		if i = pass(src, l.colon+1); uint(i) >= uint(len(src)) {
			return fail(len(src), UnexpectedEnd), false
		}
		c, r, inherited := src[i], cover, cover
		if kid == nil {
			kid = &empty
		} else {
			// A scalar where only longer paths lead is none of them.
			if r = kid.rule; r != nil {
				inherited = nil
			}
			if kid.offers != 0 && (kid.mark != 0 || c != '{') {
				z.seen |= kid.offers
			}
		}
		kept := false
		if c == '{' || c == '[' {
			i, kept = z.container(i, kid, inherited, l, any, depth)
		} else {
			start := i
			if c == '"' {
				i = stringEnd(src, i)
			} else {
				i = plainEnd(src, i)
			}
			// The common case, spelt out: kept as it is, no whitespace before it.
			if r != nil && r.plain && passes(r.any, r.all, z.now) && start == l.keyEnd+1 && (l.comma+1 == l.key || !any) && i >= 0 {
				from := l.key
				if any {
					from = l.comma
				}
				z.emit(from, i)
				z.tally.kept(r)
				kept = true
			} else if i >= 0 {
				kept = z.scalar(start, i, r, &l, any)
			}
		}
		if i < 0 {
			return i, false
		}
		any = any || kept
		if i = pass(src, i); uint(i) >= uint(len(src)) {
			return fail(len(src), UnexpectedEnd), false
		}
		switch src[i] {
		case ',':
			l.comma = i
			i = pass(src, i+1)
		case '}':
			return z.close(i, n, cover, any, false, depth)
		default:
			return unexpected(src, i), false
		}
	}
}

// close ends the object whose closing brace is at i; bare says that it came
// without members.
func (z *scan) close(i int, n *node, cover *rule, any, bare bool, depth int) (int, bool) {
	if pending := n.offers &^ z.seen; pending != 0 {
		z.seen |= pending
		z.flush()
		any = z.supply(n, pending, any) || any
	}
	if bare && !any {
		return z.closeBare(i, cover, depth)
	}
	z.emit(i, i+1)
	return i + 1, any
}

// closeBare ends a container that came empty: it is kept if its rule keeps.
func (z *scan) closeBare(i int, r *rule, depth int) (int, bool) {
	if r != nil && r.form(z.now) != dropped {
		z.tally.kept(r)
		z.emit(i, i+1)
		return i + 1, true
	}
	if depth > 1 {
		z.tally.removed(r)
	}
	return i + 1, false
}

// array judges the array at i, found at n. r is the rule for scalars in it that
// no path for elements names, cover the one for anything else.
func (z *scan) array(i int, n *node, r, cover *rule, depth int) (end int, any bool) {
	src := z.src
	if depth == MaxDepth {
		return fail(i, TooDeep), false
	}
	depth++
	elem := &empty
	if n.elem != nil {
		elem = n.elem
	}
	switch {
	case elem.rule != nil:
		r, cover = elem.rule, nil
	case n.elem != nil && n.rule == nil:
		r = nil
	}
	z.emit(i, i+1)
	i = pass(src, i+1)
	if uint(i) < uint(len(src)) && src[i] == ']' {
		return z.closeBare(i, r, depth)
	}
	var l lead
	for {
		var kept bool
		if uint(i) >= uint(len(src)) {
			return fail(len(src), UnexpectedEnd), false
		}
		if c := src[i]; c == '{' || c == '[' {
			i, kept = z.container(i, elem, cover, l, any, depth)
		} else {
			start := i
			if c == '"' {
				i = stringEnd(src, i)
			} else {
				i = plainEnd(src, i)
			}
			if i >= 0 {
				kept = z.scalar(start, i, r, &l, any)
			}
		}
		if i < 0 {
			return i, false
		}
		any = any || kept
		if i = pass(src, i); uint(i) >= uint(len(src)) {
			return fail(len(src), UnexpectedEnd), false
		}
		switch src[i] {
		case ',':
			l.comma = i
			i = pass(src, i+1)
		case ']':
			z.emit(i, i+1)
			return i + 1, any
		default:
			return unexpected(src, i), false
		}
	}
}

// container judges the object or array at i, found at n with l before it. cover
// is the rule inherited for whatever n and what is below it do not name.
func (z *scan) container(i int, n *node, cover *rule, l lead, more bool, depth int) (end int, any bool) {
	r, own, below := cover, n.rule, n.elem != nil // the rule of the whole; whether paths lead on from here
	object := z.src[i] == '{'
	if object {
		own, below = n.open, len(n.kids) > 0
	}
	if own != nil || n != &empty && !below {
		// A path of its own takes over, and what has another shape than it names
		// is undeclared: else a sender could slip past it by changing the shape.
		r = own
	}
	if !below && (r == nil || r.form(z.now) == dropped) {
		z.tally.removed(r)
		return containerEnd(z.src, i, depth), false
	}
	m := z.mark()
	z.emitLead(l, more)
	if object {
		end, any = z.object(i, n, r, depth)
	} else {
		end, any = z.array(i, n, r, cover, depth)
	}
	if !any && end >= 0 {
		z.restore(m)
	}
	return end, any
}

// scalar judges the valid string, number or literal in src[i:end] by r, and
// tells whether it was emitted.
func (z *scan) scalar(i, end int, r *rule, l *lead, more bool) bool {
	if r == nil {
		z.tally.removed(nil)
		return false
	}
	f := r.form(z.now)
	if f == dropped {
		z.tally.removed(r)
		return false
	}
	m := z.mark()
	z.emitLead(*l, more)
	if z.first && (f == otherwise || !r.plain) || f == otherwise && r.form(z.was) == kept {
		z.flush()
		if z.reduce(r, z.src[i:end]) {
			return true
		}
		z.restore(m)
		z.tally.removed(r)
		return false
	}
	z.emit(i, end)
	z.tally.kept(r)
	return true
}

// reduce appends the scalar raw in the form that its rule, which does not drop
// it, gives it: first as whatever is kept, then, where the rule's own test
// fails, as its otherwise says. Where it answers false, what was appended is to
// be cut off.
func (z *scan) reduce(r *rule, raw []byte) bool {
	start, reduced := len(z.dst), false
	if z.first && !r.plain {
		var ok bool
		if z.dst, ok = r.keep.apply(z.dst, raw); !ok {
			return false
		}
		raw, reduced = z.dst[start:], true
	}
	if r.form(z.now) == otherwise {
		mid := len(z.dst)
		var ok bool
		if z.dst, ok = r.fallback.apply(z.dst, raw); !ok {
			return false
		}
		z.dst, reduced = cut(z.dst, start, mid), true
	} else if !reduced {
		z.dst = append(z.dst, raw...)
	}
	if reduced {
		z.tally.Reduced++
	}
	z.tally.kept(r)
	return true
}

func hasEscape(text []byte) bool { return bytes.IndexByte(text, '\\') >= 0 }

// keyEnd validates the key whose opening quote should be at i. It returns the
// position behind the closing quote, or a failure, the words of a key without
// escapes, and whether it has one. Keys of ASCII below sixteen bytes take the
// short ways.
func keyEnd(src []byte, i int) (end int, a, b uint64, escaped bool) {
	if uint(i) >= uint(len(src)) || src[i] != '"' {
		return unexpected(src, i), 0, 0, false
	}
	if rest := src[i:]; len(rest) >= 17 {
		a = binary.LittleEndian.Uint64(rest[1:9])
		if m := special(a); m != 0 {
			if n := first(m); byte(a>>n) == '"' {
				return i + int(n>>3) + 2, a & (1<<n - 1), uint64(n >> 3), false
			}
		} else {
			b = binary.LittleEndian.Uint64(rest[9:17])
			if m := special(b); m != 0 {
				if n := first(m); byte(b>>n) == '"' {
					return i + int(n>>3) + 10, a, a>>n | b<<1<<(63-n), false
				}
			}
		}
	}
	if end = stringEnd(src, i); end < 0 {
		return end, 0, 0, false
	}
	text := src[i+1 : end-1]
	if hasEscape(text) {
		return end, 0, 0, true
	}
	a, b = words(text)
	return end, a, b, false
}
