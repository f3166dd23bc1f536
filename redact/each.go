package redact

import "bytes"

// Value validates the one value at or, after whitespace, behind i and returns
// the position behind it. It does not look at what follows.
func Value(src []byte, i int) (end int, err error) {
	if end = valueEnd(src, pass(src, i), 0); end < 0 {
		return 0, failure(end)
	}
	return end, nil
}

// extentEnd returns the position behind the value at i, looking at brackets and
// quotes only. What it spans may be invalid, nested too deeply or no JSON at all;
// it is for setting one bad item of a batch apart from its neighbours. It fails
// where no end can be told: nothing there, an open string, open brackets.
func extentEnd(src []byte, i int) int {
	start, open := i, 0
	for i < len(src) {
		switch src[i] {
		case '"':
			if open == 0 && i > start {
				return i
			}
			if i = quoteEnd(src, i); i < 0 || open == 0 {
				return i
			}
			continue
		case '{', '[':
			if open == 0 && i > start {
				return i
			}
			open++
		case '}', ']':
			if open == 0 {
				return bareEnd(src, start, i)
			}
			if open--; open == 0 {
				return i + 1
			}
		case ',', ' ', '\t', '\n', '\r':
			if open == 0 {
				return bareEnd(src, start, i)
			}
		}
		i++
	}
	if open > 0 {
		return fail(len(src), UnexpectedEnd)
	}
	return bareEnd(src, start, i)
}

// bareEnd refuses an extent without a byte in it.
func bareEnd(src []byte, start, i int) int {
	if i == start {
		return unexpected(src, i)
	}
	return i
}

// quoteEnd finds the end of the string whose opening quote is at i without
// validating it.
func quoteEnd(src []byte, i int) int {
	i++
	for {
		n := bytes.IndexByte(src[i:], '"')
		if n < 0 {
			return fail(len(src), UnexpectedEnd)
		}
		back := 0
		for back < n && src[i+n-1-back] == '\\' {
			back++
		}
		i += n + 1
		if back%2 == 0 {
			return i
		}
	}
}

// EachElement calls f with each element of the one array in src, validated and
// without whitespace around it. It stops at the first error, its own or f's;
// elements before it have been handed out by then.
func EachElement(src []byte, f func(elem []byte) error) error {
	return eachElement(src, memberEnd, f)
}

// EachMember calls f with each member of the one object in src: the key
// unescaped, the value validated and without whitespace around it. It stops at
// the first error, its own or f's. The key is valid during the call only.
func EachMember(src []byte, f func(key, value []byte) error) error {
	return eachMember(src, memberEnd, f)
}

// EachMemberExtent is EachMember with the values delimited by their brackets and
// quotes and not validated; keys and the object's own punctuation are.
func EachMemberExtent(src []byte, f func(key, value []byte) error) error {
	return eachMember(src, extentEnd, f)
}

// An ender tells where the value at i ends, or fails.
type ender func(src []byte, i int) int

// memberEnd is the ender that validates.
func memberEnd(src []byte, i int) int { return valueEnd(src, i, 1) }

func eachElement(src []byte, end ender, f func(elem []byte) error) error {
	i := opening(src)
	if i < 0 {
		return failure(i)
	}
	if src[i] != '[' {
		return failure(fail(i, NotAnArray))
	}
	i = pass(src, i+1)
	for first := true; i >= len(src) || src[i] != ']' || !first; first = false {
		next := end(src, i)
		if next < 0 {
			return failure(next)
		}
		if err := f(src[i:next]); err != nil {
			return err
		}
		i = pass(src, next)
		if i < len(src) && src[i] == ']' {
			break
		}
		if i >= len(src) || src[i] != ',' {
			return failure(unexpected(src, i))
		}
		i = pass(src, i+1)
	}
	if i = closing(src, i+1); i < 0 {
		return failure(i)
	}
	return nil
}

func eachMember(src []byte, end ender, f func(key, value []byte) error) error {
	i := opening(src)
	if i < 0 {
		return failure(i)
	}
	if src[i] != '{' {
		return failure(fail(i, NotAnObject))
	}
	i = pass(src, i+1)
	for first := true; i >= len(src) || src[i] != '}' || !first; first = false {
		if i >= len(src) || src[i] != '"' {
			return failure(unexpected(src, i))
		}
		next := stringEnd(src, i)
		if next < 0 {
			return failure(next)
		}
		key := src[i+1 : next-1]
		if bytes.IndexByte(key, '\\') >= 0 {
			key = unescape(nil, key)
		}
		if i = pass(src, next); i >= len(src) || src[i] != ':' {
			return failure(unexpected(src, i))
		}
		i = pass(src, i+1)
		if next = end(src, i); next < 0 {
			return failure(next)
		}
		if err := f(key, src[i:next]); err != nil {
			return err
		}
		i = pass(src, next)
		if i < len(src) && src[i] == '}' {
			break
		}
		if i >= len(src) || src[i] != ',' {
			return failure(unexpected(src, i))
		}
		i = pass(src, i+1)
	}
	if i = closing(src, i+1); i < 0 {
		return failure(i)
	}
	return nil
}
