package redact

// MaxOffers bounds the offers of a Program.
const MaxOffers = 32

// Supply holds Assent's own values for one event, by the index of the offer
// that Compile was given. Each is emitted where the sender gave none and the
// rules, which judge it like a sent value, let it. The zero value is empty and
// ready; reused after Reset it allocates nothing.
//
// The sender gave one if the object it belongs in has such a key, whatever its
// value. A missing object on the way is made; where something else stands in
// its place nothing is offered. If objects repeat, the first of them decides.
type Supply struct {
	set  uint32
	ends [MaxOffers]struct{ from, to int }
	buf  []byte
}

// Set supplies a value for offer i, as a JSON string. It copies.
func (s *Supply) Set(i int, value string) {
	from := len(s.buf)
	s.buf = AppendQuoted(s.buf, value)
	s.put(i, from)
}

// SetBytes is Set for bytes.
func (s *Supply) SetBytes(i int, value []byte) {
	from := len(s.buf)
	s.buf = AppendQuoted(s.buf, value)
	s.put(i, from)
}

func (s *Supply) put(i, from int) {
	s.ends[i].from, s.ends[i].to = from, len(s.buf)
	s.set |= 1 << i
}

// Reset empties s and keeps its memory.
func (s *Supply) Reset() { s.set, s.buf = 0, s.buf[:0] }

// supply emits the pending offers below n behind what the open object has so
// far, and tells whether there were any. Offers not allowed are not counted as
// removed: nothing of the sender's was.
func (z *scan) supply(n *node, pending uint32, more bool) (added bool) {
	for _, kid := range n.kids {
		if kid.offers&pending == 0 {
			continue
		}
		start := len(z.dst)
		if more {
			z.dst = append(z.dst, ',')
		}
		z.dst = append(append(z.dst, kid.name...), ':')
		var ok bool
		if kid.mark == 0 {
			z.dst = append(z.dst, '{')
			ok = z.supply(kid, pending, false)
			z.dst = append(z.dst, '}')
		} else if at := z.offered.ends[kid.mark-1]; kid.rule.form(z.now) != dropped {
			ok = z.reduce(kid.rule, z.offered.buf[at.from:at.to])
		}
		if !ok {
			z.dst = z.dst[:start]
			continue
		}
		more, added = true, true
	}
	return added
}
