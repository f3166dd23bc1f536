package redact

// Span is where a value stands, raw: src[Start:End]. Start == End: absent. MaxSize fits.
type Span struct{ Start, End uint32 }

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
	i := opening(src)
	if i >= 0 && len(src) > MaxSize {
		i = fail(MaxSize, TooLarge)
	}
	if i >= 0 {
		i = f.find(src, i, spans)
	}
	if i >= 0 {
		i = closing(src, i)
	}
	if i < 0 {
		return failure(i)
	}
	return nil
}

// FindEach calls g with each element of the one array in src after it set spans
// to what Find finds in the element, counted from its first byte. An element that
// Find refuses is delimited by its brackets and quotes, and g told why; spans then
// mean nothing. FindEach stops at the first error of the array itself or of g's.
func (f *Finder) FindEach(src []byte, spans []Span, g func(elem []byte, refused error) error) error {
	var refused int
	return eachElement(src, func(src []byte, i int) int {
		end := f.find(src[i:], 0, spans)
		if end > MaxSize {
			end = fail(MaxSize, TooLarge)
		}
		if refused = end; end < 0 {
			return extentEnd(src, i)
		}
		return i + end
	}, func(elem []byte) error {
		if refused < 0 {
			return g(elem, failure(refused))
		}
		return g(elem, nil)
	})
}

// find finds in the object at i and returns the position behind it.
func (f *Finder) find(src []byte, i int, spans []Span) int {
	spans = spans[:f.paths]
	clear(spans)
	if uint(i) >= uint(len(src)) || src[i] != '{' {
		return fail(i, NotAnObject)
	}
	var seen uint64
	return find(src, i, f.root, spans, &seen, 0)
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
			spans[kid.mark-1] = Span{uint32(start), uint32(i)}
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
