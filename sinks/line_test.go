package sinks

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAppendLine(t *testing.T) {
	f := func(r Record, want string) {
		t.Helper()
		if got := string(AppendLine([]byte("before "), &r)); got != "before "+want+"\n" {
			t.Errorf("got  %q\nwant %q", got, "before "+want+"\n")
		}
	}
	f(Record{Topic: "t"}, `{"key":null,"headers":{},"value":null}`)
	f(Record{Key: []byte{}, Value: []byte(`{}`)}, `{"key":"","headers":{},"value":{}}`)
	f(Record{Key: []byte("v1"), Value: []byte(`{"a":1}`), Headers: []Header{{"ce_id", []byte("x")}, {"b", nil}}},
		`{"key":"v1","headers":{"ce_id":"x","b":""},"value":{"a":1}}`)
	f(Record{Key: []byte("a\"b\\c\n\x00é\xff€😀\xc3")}, `{"key":"a\"b\\c\n\u0000é`+"\uFFFD"+`€😀`+"\uFFFD"+`","headers":{},"value":null}`)
	f(Record{Value: []byte("{\n\"a\":\n1}\n")}, `{"key":null,"headers":{},"value":{ "a": 1} }`)
	// Every byte that needs an escape, at every place of an eight byte word.
	for _, c := range []byte{'"', '\\', 0, 0x1f, '\t'} {
		for i := range 9 {
			key := bytes.Repeat([]byte("!"), 17)
			key[i] = c
			checkLine(t, key, "h", []byte("v"))
		}
	}
	f(Record{Key: []byte("\x7f !#[]~\x7f")}, `{"key":"`+"\x7f !#[]~\x7f"+`","headers":{},"value":null}`)
}

// checkLine compares a line with what encoding/json reads in it.
func checkLine(t *testing.T, key []byte, header string, value []byte) {
	t.Helper()
	line := AppendLine(nil, &Record{Key: key, Value: []byte(`{"v":1}`), Headers: []Header{{header, value}}})
	if bytes.Count(line, []byte("\n")) != 1 || !utf8.Valid(line) {
		t.Fatalf("not one line of UTF-8: %q", line)
	}
	var got struct {
		Key     *string
		Headers map[string]string
		Value   json.RawMessage
	}
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	valid := func(s string) string {
		return string([]rune(s)) // each bad byte becomes U+FFFD
	}
	if (got.Key == nil) != (key == nil) || key != nil && *got.Key != valid(string(key)) ||
		len(got.Headers) != 1 || got.Headers[valid(header)] != valid(string(value)) || string(got.Value) != `{"v":1}` {
		t.Fatalf("%q reads as key %v, headers %q, value %s", line, got.Key, got.Headers, got.Value)
	}
}

func FuzzAppendLine(f *testing.F) {
	f.Add([]byte("0192d3a4-6b7c-7def-8123-456789abcdef"), "privacy-purposes", []byte("ads,analytics"))
	f.Add([]byte("\"\\\x00\x1f\x7f\x80\xff\xed\xa0\x80"), "", []byte("\xf0\x9f\x98\x80\xf0\x9f"))
	f.Add([]byte(nil), strings.Repeat("é", 9), []byte("1234567\""))
	f.Fuzz(func(t *testing.T, key []byte, header string, value []byte) { checkLine(t, key, header, value) })
}
