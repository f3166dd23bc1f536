package redact

import (
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
)

// FuzzValue holds validation to encoding/json and the stricter rules, and
// strings to what encoding/json takes them for.
func FuzzValue(f *testing.F) {
	for _, s := range someScalars {
		f.Add([]byte(s))
	}
	f.Add(readEvent(f))
	f.Add([]byte("[\"\xed\xa0\x80\", \"\\ud800\\udbff\"]"))
	f.Fuzz(func(t *testing.T, src []byte) {
		end, err := Value(src, 0)
		good := err == nil && closing(src, end) >= 0
		if good != oracleValue(src) {
			t.Fatalf("%q: got %v, want valid %v", src, err, oracleValue(src))
		}
		if err == nil {
			if extent := extentEnd(src, pass(src, 0)); extent < 0 || extent != end && good {
				t.Fatalf("%q: extent %d, want %d", src, extent, end)
			}
		}
		raw := src[pass(src, 0):]
		if good && raw[0] == '"' {
			raw = raw[:end-(len(src)-len(raw))]
			text, err := AppendUnquoted(nil, raw)
			if err != nil || string(text) != unquoted(string(raw)) {
				t.Fatalf("%q: unquoted to %q, %v", src, text, err)
			}
			if again, err := AppendUnquoted(nil, AppendQuoted(nil, text)); err != nil || string(again) != string(text) {
				t.Fatalf("%q: quoted and unquoted to %q, %v", text, again, err)
			}
		}
		if quoted := AppendQuoted(nil, src); !json.Valid(quoted) || string(quoted) != quotedJSON(string(src)) {
			t.Fatalf("%q: quoted to %s, want %s", src, quoted, quotedJSON(string(src)))
		}
	})
}

// collect returns what a walk hands out, and the reason it stopped.
func collect(walk func([]byte, func([]byte) error) error, src string) (got []string, reason Reason) {
	err := walk([]byte(src), func(b []byte) error {
		got = append(got, string(b))
		return nil
	})
	return got, reasonOf(err)
}

func members(walk func([]byte, func(key, value []byte) error) error) func([]byte, func([]byte) error) error {
	return func(src []byte, f func([]byte) error) error {
		return walk(src, func(key, value []byte) error { return f([]byte(string(key) + "=" + string(value))) })
	}
}

// elements walks as a batch is split.
func elements(src []byte, f func([]byte) error) error {
	return NewFinder("a").FindEach(src, make([]Span, 1), func(elem []byte, _ error) error { return f(elem) })
}

func TestEach(t *testing.T) {
	f := func(walk func([]byte, func([]byte) error) error, src string, reason Reason, want ...string) {
		t.Helper()
		if got, why := collect(walk, src); why != reason || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %q, %v, want %q, %v", src, got, why, want, reason)
		}
	}
	f(EachElement, `[]`, 0)
	f(EachElement, ` [ 1 , {"a":[1]} ,"x"] `, 0, `1`, `{"a":[1]}`, `"x"`)
	f(EachElement, `[1,]`, UnexpectedByte, `1`)
	f(EachElement, `[1 2]`, UnexpectedByte, `1`)
	f(EachElement, `[1`, UnexpectedEnd, `1`)
	f(EachElement, `[1,"\x"]`, BadEscape, `1`)
	f(EachElement, `[1]]`, TrailingBytes, `1`)
	f(EachElement, `{"a":1}`, NotAnArray)
	f(EachElement, ``, UnexpectedEnd)
	f(EachElement, "\ufeff[]", BOM)
	f(EachElement, `[,]`, UnexpectedByte)

	// One bad item does not lose its neighbours.
	f(elements, `[1,{"a":"\x"},tru,"\ud800",{"a":}, {"a":["}"]},2]`, 0, `1`, `{"a":"\x"}`, `tru`, `"\ud800"`, `{"a":}`, `{"a":["}"]}`, `2`)
	f(elements, "[\"\xff\", {\"\x00\":1}]", 0, "\"\xff\"", "{\"\x00\":1}")
	f(elements, `[`+strings.Repeat("[", 99)+strings.Repeat("]", 99)+`,1]`, 0, strings.Repeat("[", 99)+strings.Repeat("]", 99), `1`)
	f(elements, `["\\","\"",3]`, 0, `"\\"`, `"\""`, `3`)
	f(elements, `[1,,2]`, UnexpectedByte, `1`)
	f(elements, `[1,{"a":1]`, UnexpectedEnd, `1`, `{"a":1]`)
	f(elements, `[{"a":"]`, UnexpectedEnd)
	f(elements, `[1"a"]`, UnexpectedByte, `1`)
	f(elements, `[1{}]`, UnexpectedByte, `1`)
	f(elements, `[]x`, TrailingBytes)

	f(members(EachMember), `{}`, 0)
	f(members(EachMember), ` { "a" : 1 , "\u0062" : {"c":2} } `, 0, `a=1`, `b={"c":2}`)
	f(members(EachMember), `{"a":1,}`, UnexpectedByte, `a=1`)
	f(members(EachMember), `{"a" 1}`, UnexpectedByte)
	f(members(EachMember), `{"a":1`, UnexpectedEnd, `a=1`)
	f(members(EachMember), `{"a":01}`, BadNumber)
	f(members(EachMember), `{a:1}`, UnexpectedByte)
	f(members(EachMember), `[1]`, NotAnObject)
	f(members(EachMember), `{"a":1}}`, TrailingBytes, `a=1`)
	f(members(EachMemberExtent), `{"batch":[{"a":"\x"}],"b":nope}`, 0, `batch=[{"a":"\x"}]`, `b=nope`)
	f(members(EachMemberExtent), `{"\x":1}`, BadEscape)
}

func TestEachStopsAtTheCallersError(t *testing.T) {
	stop := errors.New("stop")
	n := 0
	err := EachElement([]byte(`[1,2,3]`), func([]byte) error { n++; return stop })
	if err != stop || n != 1 {
		t.Errorf("elements: %v after %d", err, n)
	}
	err = EachMember([]byte(`{"a":1,"b":2}`), func(_, _ []byte) error { n++; return stop })
	if err != stop || n != 2 {
		t.Errorf("members: %v after %d", err, n)
	}
}

func TestExtent(t *testing.T) {
	f := func(src string, i, want int, reason Reason) {
		t.Helper()
		switch end := extentEnd([]byte(src), pass([]byte(src), i)); {
		case end < 0:
			if why := reasonOf(failure(end)); why != reason {
				t.Errorf("%q from %d: got %v, want %v", src, i, why, reason)
			}
		case reason != 0 || end != want:
			t.Errorf("%q from %d: got %d, want %d, %v", src, i, end, want, reason)
		}
	}
	f(` {"a":"}\""} x`, 0, 12, 0)
	f(`1,2`, 2, 3, 0)
	f(`"a"b`, 0, 3, 0)
	f(`0"b`, 0, 1, 0)
	f(`0{`, 0, 1, 0)
	f(``, 0, 0, UnexpectedEnd)
	f(`,`, 0, 0, UnexpectedByte)
	f(`]`, 0, 0, UnexpectedByte)
	f(`"a`, 0, 0, UnexpectedEnd)
	f(`{[`, 0, 0, UnexpectedEnd)
}

func TestAppendUnquotedRefuses(t *testing.T) {
	for src, reason := range map[string]Reason{
		``: NotAString, `1`: NotAString, `"a`: UnexpectedEnd, `"a"b`: TrailingBytes, `"\ud800"`: LoneSurrogate, "\"\xff\"": InvalidUTF8,
	} {
		if got, err := AppendUnquoted([]byte("dst"), []byte(src)); string(got) != "dst" || reasonOf(err) != reason {
			t.Errorf("%q: got %q, %v, want %v", src, got, err, reason)
		}
	}
}
