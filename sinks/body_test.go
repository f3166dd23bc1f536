package sinks

import (
	"encoding/hex"
	"reflect"
	"testing"
)

// The bytes are written by hand from the message format's description.
func TestAppendBody(t *testing.T) {
	f := func(r Record, want string) {
		t.Helper()
		got := AppendBody([]byte{0xAA}, &r)
		if hex.EncodeToString(got[1:]) != want {
			t.Errorf("got %x, want %s", got[1:], want)
		}
		var back Record
		if err := ParseBody(got[1:], &back); err != nil {
			t.Fatal(err)
		}
		if len(r.Headers) == 0 {
			back.Headers = r.Headers
		}
		if !reflect.DeepEqual(back, r) {
			t.Errorf("%q reads back as %q", r, back)
		}
	}
	f(Record{}, "010100")
	f(Record{Key: []byte{}, Value: []byte("{}")}, "00047b7d00")
	f(Record{Key: []byte("k"), Headers: []Header{{"a", []byte("xy")}, {"b", []byte{}}}}, "026b0104"+"0261047879"+"026200")
}

func TestBodyParts(t *testing.T) {
	b := AppendBody(nil, &Record{Key: []byte("k"), Value: []byte("v"), Headers: []Header{{"a", []byte("1")}, {"b", []byte("2")}}})
	if k := BodyKey(b); string(k) != "k" {
		t.Errorf("key %q, want k", k)
	}
	if v := BodyHeader(b, "b"); string(v) != "2" {
		t.Errorf("header b is %q, want 2", v)
	}
	if v := BodyHeader(b, "c"); v != nil {
		t.Errorf("header c is %q, want none", v)
	}
}

// Damaged bytes are an error and never a panic, and what parses is written back
// as it was up to the spelling of its varints.
func FuzzParseBody(f *testing.F) {
	f.Add(AppendBody(nil, &Record{Key: []byte("k"), Value: []byte("{}"), Headers: []Header{{"a", []byte("1")}}}))
	f.Add([]byte{1, 1, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Add([]byte{1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, src []byte) {
		var r, again Record
		BodyKey(src)
		BodyHeader(src, "ce_id")
		if ParseBody(src, &r) != nil {
			return
		}
		if err := ParseBody(AppendBody(nil, &r), &again); err != nil {
			t.Fatal(err)
		}
		if len(r.Headers) != len(again.Headers) || string(r.Key) != string(again.Key) || string(r.Value) != string(again.Value) {
			t.Fatalf("%q and %q", r, again)
		}
	})
}
