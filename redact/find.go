package redact

// Span is where a value stands, raw: src[Start:End]. Start == End: absent.
type Span struct{ Start, End int }

// Of returns the bytes of the span.
func (s Span) Of(src []byte) []byte { return src[s.Start:s.End] }

// Finder looks for the values at a few paths. It does not change, and any
// number of goroutines may use it.
type Finder struct {
	root  *node
	paths int
}

// maxPlaces bounds the places of a Finder's trie: one bit each.
const maxPlaces = 64

// NewFinder makes a finder of names joined by dots, a backslash escaping one.
// It panics on a bad or repeated path and beyond 63 names in all: the paths
// are the program's own.
func NewFinder(paths ...string) *Finder {
	var t trie
	t.reach(nil)
	for i, path := range paths {
		steps, err := parsePath(path)
		if err != nil {
			panic("redact: finding " + path + ": " + err.Error())
		}
		for _, s := range steps {
			if s.kind != 'n' {
				panic("redact: finding " + path + ": only names can be sought")
			}
		}
		n := t.reach(steps)
		if n.mark != 0 {
			panic("redact: finding " + path + ": sought twice")
		}
		n.mark = i + 1
	}
	if t.nodes > maxPlaces {
		panic("redact: finding: too many names")
	}
	t.root.index()
	return &Finder{t.root, len(paths)}
}

// Find validates the one object in src, whole, and sets each of spans, one a
// path in their order. Where a path or an object on the way to it occurs twice,
// escaped or not, the error is ErrDuplicate; any error is a *SyntaxError, and
// spans then mean nothing.
func (f *Finder) Find(src []byte, spans []Span) error {
	spans = spans[:f.paths]
	clear(spans)
	i := opening(src)
	switch {
	case i < 0:
		return failure(i)
	case len(src) > MaxSize:
		return failure(fail(MaxSize, TooLarge))
	case src[i] != '{':
		return failure(fail(i, NotAnObject))
	}
	var seen uint64
	if i = find(src, i, f.root, spans, &seen, 0); i >= 0 {
		i = closing(src, i)
	}
	if i < 0 {
		return failure(i)
	}
	return nil
}

func find(src []byte, i int, n *node, spans []Span, seen *uint64, depth int) int {
	if depth == MaxDepth {
		return fail(i, TooDeep)
	}
	depth++
	i = pass(src, i+1)
	if uint(i) < uint(len(src)) && src[i] == '}' {
		return i + 1
	}
	for {
		key := i
		end, a, b, escaped := keyEnd(src, i)
		if end < 0 {
			return end
		}
		if i = pass(src, end); uint(i) >= uint(len(src)) || src[i] != ':' {
			return unexpected(src, i)
		}
		i = pass(src, i+1)
		var kid *node
		if escaped {
			kid = n.childEscaped(src[key+1 : end-1])
		} else if e := n.first(a, b); e.is(a, b, end-key-2) {
			kid = e.node
		} else if e.node != nil {
			kid = n.probe(src[key+1:end-1], a, b)
		}
		start := i
		if kid != nil {
			bit := uint64(1) << kid.id
			if *seen&bit != 0 {
				return fail(key, DuplicateKey)
			}
			*seen |= bit
		}
		if kid != nil && len(kid.kids) > 0 && i < len(src) && src[i] == '{' {
			i = find(src, i, kid, spans, seen, depth)
		} else {
			i = valueEnd(src, i, depth)
		}
		if i < 0 {
			return i
		}
		if kid != nil && kid.mark != 0 {
			spans[kid.mark-1] = Span{start, i}
		}
		if i = pass(src, i); uint(i) >= uint(len(src)) {
			return fail(len(src), UnexpectedEnd)
		}
		switch src[i] {
		case ',':
			i = pass(src, i+1)
		case '}':
			return i + 1
		default:
			return unexpected(src, i)
		}
	}
}
