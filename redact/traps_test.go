package redact

import (
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// shop declares what the traps are laid around: an email that is never allowed
// and some fields that are.
var shop = []Rule{
	{Path: "type", Any: 1},
	{Path: "n", Any: 1},
	{Path: "tags", Any: 1},
	{Path: "email", Any: 2},
	{Path: `a\.b`, Any: 1},
	{Path: "a.c", Any: 1},
	{Path: "page.url", Any: 1, Keep: Action{Do: StripQuery, Allow: []string{"utm_source"}}},
	{Path: "items[].sku", Any: 1},
	{Path: "open.*", Any: 1},
	{Path: "open.email", Any: 2},
	{Path: "open.h.*", Any: 2},
	{Path: "open.deep[].email", Any: 2},
	{Path: "__proto__", Any: 1},
}

func TestTraps(t *testing.T) {
	deep := func(n int) string { return `{"open":` + strings.Repeat("[", n) + strings.Repeat("]", n) + "}" }
	tests := []struct {
		name, src, want string
		reason          Reason
	}{
		{name: "undeclared", src: `{"x":1,"type":"t","y":{"type":"t"}}`, want: `{"type":"t"}`},
		{name: "nothing left", src: `{"x":1}`, want: `{}`},
		{name: "empty object", src: ` {} `, want: `{}`},
		{name: "escaped key dropped", src: `{"em\u0061il":"a@b","type":"t"}`, want: `{"type":"t"}`},
		{name: "escaped key kept as sent", src: `{"t\u0079pe":"t"}`, want: `{"t\u0079pe":"t"}`},
		{name: "escaped key in open object", src: `{"open":{"\u0065mail":"a@b","x":1}}`, want: `{"open":{"x":1}}`},
		{name: "escaped long undeclared key", src: `{"` + strings.Repeat(`\u0061`, 999) + `":1,"type":"t"}`, want: `{"type":"t"}`},
		{name: "duplicate keys each judged", src: `{"email":1,"type":"a","type":"b","email":2}`, want: `{"type":"a","type":"b"}`},
		{name: "duplicate parents each judged", src: `{"a":{"c":1,"x":1},"a":{"x":2},"a":{"c":3}}`, want: `{"a":{"c":1},"a":{"c":3}}`},
		{name: "object where a scalar was declared", src: `{"type":{"email":"a@b"},"n":1}`, want: `{"n":1}`},
		{name: "object in array of scalars", src: `{"tags":["x",{"email":"a@b"},[1],"y"]}`, want: `{"tags":["x","y"]}`},
		{name: "object hides behind specific path", src: `{"open":{"email":{"v":"a@b"},"x":[{"y":null}]}}`, want: `{"open":{"x":[{"y":null}]}}`},
		{
			name: "another shape does not slip past a specific path",
			src:  `{"open":{"h":[{"a":1}],"h":"flu","deep":{"email":"a@b"},"deep":[[{"email":"a@b"}],"a@b",{"email":"a@b","x":1}],"y":2}}`,
			want: `{"open":{"deep":[{"x":1}],"y":2}}`,
		},
		{name: "scalar where an object was declared", src: `{"open":"a@b","a":"a@b"}`, want: `{}`},
		{name: "array where an object was declared", src: `{"open":[{"x":1}],"page":[{"url":"/"}]}`, want: `{}`},
		{name: "array of objects, emptied ones left out", src: `{"items":[{"sku":1,"x":2},{"x":3},5,{"sku":[]}]}`, want: `{"items":[{"sku":1},{"sku":[]}]}`},
		{name: "empty containers", src: `{"tags":[],"items":[],"a":{},"open":{},"type":{}}`, want: `{"tags":[],"open":{}}`},
		{name: "whitespace between tokens", src: " { \"type\" :\t\"a b\" ,\r\n\"x\" : 1 , \"tags\" : [ 1 , 2 ] } ", want: `{"type":"a b","tags":[1,2]}`},
		{name: "empty key", src: `{"":"a@b","open":{"":1}}`, want: `{"open":{"":1}}`},
		{name: "key with a dot", src: `{"a.b":1,"a.c":2,"a":{"b":3,"c":4}}`, want: `{"a.b":1,"a":{"c":4}}`},
		{name: "key with an escaped dot", src: `{"a\u002eb":1,"a\u002ec":2}`, want: `{"a\u002eb":1}`},
		{name: "__proto__ is a name", src: `{"__proto__":1,"n":{"__proto__":2}}`, want: `{"__proto__":1}`},
		{name: "JSON in a string is a string", src: `{"type":"{\"email\":\"a@b\"}","x":"\",\"type\":\"y"}`, want: `{"type":"{\"email\":\"a@b\"}"}`},
		{name: "identifier in a query", src: `{"page":{"url":"https:\/\/u:p@h\/p?email=a@b&\u0075tm_source=n#t"}}`, want: `{"page":{"url":"https://h/p?utm_source=n"}}`},
		{name: "base64 field is what its path says", src: `{"type":"eyJlbWFpbCI6ImFAYiJ9","cx":"eyJlbWFpbCI6ImFAYiJ9"}`, want: `{"type":"eyJlbWFpbCI6ImFAYiJ9"}`},
		{name: "numbers byte for byte", src: `{"n":9007199254740993,"tags":[1.10,1E400,-0.0e-0]}`, want: `{"n":9007199254740993,"tags":[1.10,1E400,-0.0e-0]}`},
		{name: "strings byte for byte", src: `{"type":"\u0041\/é\ud83d\ude00"}`, want: `{"type":"\u0041\/é\ud83d\ude00"}`},
		{name: "deepest", src: deep(MaxDepth - 1), want: `{}`},

		{name: "too deep", src: deep(MaxDepth), reason: TooDeep},
		{name: "too deep in open object", src: `{"open":{"x":` + strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1) + `}}`, reason: TooDeep},
		{name: "very deep", src: strings.Repeat(`{"a":`, 100000), reason: TooDeep},
		{name: "too large", src: `{"type":"` + strings.Repeat("x", MaxSize) + `"}`, reason: TooLarge},
		{name: "BOM", src: "\ufeff{}", reason: BOM},
		{name: "trailing bytes", src: `{"type":"t"} x`, reason: TrailingBytes},
		{name: "two objects", src: `{}{}`, reason: TrailingBytes},
		{name: "trailing NUL", src: "{}\x00", reason: TrailingBytes},
		{name: "top-level array", src: `[{"type":"t"}]`, reason: NotAnObject},
		{name: "top-level scalar", src: `"type"`, reason: NotAnObject},
		{name: "nothing", src: "", reason: UnexpectedEnd},
		{name: "whitespace only", src: " \n", reason: UnexpectedEnd},
		{name: "lone high surrogate", src: `{"x":"\ud83d"}`, reason: LoneSurrogate},
		{name: "lone low surrogate", src: `{"type":"\ude00"}`, reason: LoneSurrogate},
		{name: "reversed surrogates", src: `{"x":"\ude00\ud83d"}`, reason: LoneSurrogate},
		{name: "high surrogate and other escape", src: `{"x":"\ud83d\u0041"}`, reason: LoneSurrogate},
		{name: "lone surrogate in key", src: `{"\ud800":1}`, reason: LoneSurrogate},
		{name: "invalid UTF-8 kept", src: "{\"type\":\"\xff\"}", reason: InvalidUTF8},
		{name: "invalid UTF-8 dropped", src: "{\"x\":[\"aaaaaaaaaaaaaa\xc0\xafaaaaaaaaaa\"]}", reason: InvalidUTF8},
		{name: "invalid UTF-8 key", src: "{\"\xed\xa0\x80\":1}", reason: InvalidUTF8},
		{name: "UTF-8 cut short", src: "{\"x\":\"\xf0\x9f\x98", reason: InvalidUTF8},
		{name: "NUL in string", src: "{\"type\":\"a\x00\"}", reason: ControlCharacter},
		{name: "NUL between tokens", src: "{\x00}", reason: ControlCharacter},
		{name: "newline in string", src: "{\"x\":\"a\n\"}", reason: ControlCharacter},
		{name: "control in key", src: "{\"a\x1f\":1}", reason: ControlCharacter},
		{name: "bad escape", src: `{"x":"\x41"}`, reason: BadEscape},
		{name: "bad hex", src: `{"x":"\u00g0"}`, reason: BadEscape},
		{name: "leading zero", src: `{"n":01}`, reason: BadNumber},
		{name: "bare minus", src: `{"n":-}`, reason: BadNumber},
		{name: "no fraction", src: `{"x":1.}`, reason: BadNumber},
		{name: "no exponent", src: `{"x":1e+}`, reason: BadNumber},
		{name: "plus sign", src: `{"n":+1}`, reason: UnexpectedByte},
		{name: "NaN", src: `{"n":NaN}`, reason: UnexpectedByte},
		{name: "bad literal", src: `{"n":nul}`, reason: BadLiteral},
		{name: "single quotes", src: `{'n':1}`, reason: UnexpectedByte},
		{name: "comment", src: `{/**/}`, reason: UnexpectedByte},
		{name: "trailing comma", src: `{"n":1,}`, reason: UnexpectedByte},
		{name: "trailing comma in array", src: `{"tags":[1,]}`, reason: UnexpectedByte},
		{name: "missing colon", src: `{"n" 1}`, reason: UnexpectedByte},
		{name: "missing value", src: `{"n":}`, reason: UnexpectedByte},
		{name: "missing comma", src: `{"n":1 "x":2}`, reason: UnexpectedByte},
		{name: "wrong bracket", src: `{"x":[1}}`, reason: UnexpectedByte},
		{name: "wrong bracket kept", src: `{"tags":[1}}`, reason: UnexpectedByte},
		{name: "open object", src: `{"a":{"c":1}`, reason: UnexpectedEnd},
		{name: "open array", src: `{"tags":[1`, reason: UnexpectedEnd},
		{name: "open string", src: `{"type":"abcdefghijk`, reason: UnexpectedEnd},
		{name: "open escape", src: `{"type":"\`, reason: UnexpectedEnd},
		{name: "open literal", src: `{"n":tr`, reason: UnexpectedEnd},
		{name: "open number", src: `{"n":1.`, reason: UnexpectedEnd},
	}
	p, err := Compile(shop)
	if err != nil {
		t.Fatal(err)
	}
	finder := NewFinder("type", "a.c")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := p.Append([]byte("dst"), []byte(tt.src), Grants{First, 1}, nil, nil)
			if string(got) != "dst"+tt.want {
				t.Errorf("got %s, want %s", got[3:], tt.want)
			}
			if reasonOf(err) != tt.reason {
				t.Errorf("got %v, want %v", err, tt.reason)
			}
			err = finder.Find([]byte(tt.src), make([]Span, 2))
			if tt.reason == 0 && strings.HasPrefix(tt.name, "duplicate") {
				if !errors.Is(err, ErrDuplicate) {
					t.Errorf("Find: got %v, want a duplicate", err)
				}
			} else if reasonOf(err) != tt.reason {
				t.Errorf("Find: got %v, want %v", err, tt.reason)
			}
		})
	}
}

// reasonOf returns the reason of a *SyntaxError, 0 for none.
func reasonOf(err error) Reason {
	var syntax *SyntaxError
	errors.As(err, &syntax)
	if syntax == nil {
		return 0
	}
	return syntax.Reason
}

func TestErrorsHoldNoValue(t *testing.T) {
	p, err := Compile(shop)
	if err != nil {
		t.Fatal(err)
	}
	const canary = "canary"
	for _, src := range []string{`{"canary":"canary`, `{"canary":canary}`, `{"type":"\canary"}`, `canary`, `{"n":1}canary`} {
		_, err := p.Append(nil, []byte(src), Grants{First, 1}, nil, nil)
		if err == nil || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestReasonsAreNamed(t *testing.T) {
	seen := map[string]bool{}
	for _, r := range Reasons() {
		name := r.String()
		if name == "" || name == "unknown" || seen[name] || strings.ToLower(name) != name {
			t.Errorf("reason %d is named %q", r, name)
		}
		seen[name] = true
	}
	if endOfReasons > 1<<reasonBits {
		t.Error("reasons outgrow their bits")
	}
	if Reason(0).String() != "unknown" || endOfReasons.String() != "unknown" {
		t.Error("what is no reason has a name")
	}
}

// Strings are scanned eight bytes at a time; every byte must be seen in every
// place of a word and behind it.
func TestEveryByteEverywhere(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for b := range 256 {
				text := []byte(strings.Repeat("x", length))
				text[at] = byte(b)
				src := []byte(`{"` + string(text) + `":["` + string(text) + `"]}`)
				_, err := Value(src, 0)
				spans := make([]Span, 2)
				found := NewFinder("a", "b").Find(src, spans)
				if want := oracleValue(src); (err == nil) != want || (found == nil) != want {
					t.Fatalf("%q: got %v and %v, want valid %v", src, err, found, want)
				}
			}
		}
	}
}

func TestEveryUTF8Sequence(t *testing.T) {
	for lead := 0x80; lead < 0x100; lead++ {
		for second := range 0x100 {
			if second == '"' || second == '\\' || second < 0x20 {
				continue
			}
			for _, rest := range []string{"", "\x80", "\xbf\x80", "\xbf\xbf", "\x80\xc0", "\x80\x80\x80", "x"} {
				text := string([]byte{byte(lead), byte(second)}) + rest
				src := []byte(`"` + text + `"`)
				if _, err := Value(src, 0); (err == nil) != utf8.Valid(src) {
					t.Fatalf("%q: got %v, want valid %v", text, err, utf8.Valid(src))
				}
			}
		}
	}
}
