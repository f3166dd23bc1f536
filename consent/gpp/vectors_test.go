package gpp

import (
	"bytes"
	"encoding/json"
	"os"
	"testing"
)

// vector is a string with what @iabgpp/cmpapi decodes of it: see testdata/gen.
type vector struct {
	GPP  string          `json:"gpp"`
	Want json.RawMessage `json:"want"`
}

func vectors(t testing.TB) (out []vector) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var v vector
		if err := json.Unmarshal(line, &v); err != nil {
			t.Fatal(err)
		}
		out = append(out, v)
	}
	if len(out) < 300 {
		t.Fatalf("only %d vectors", len(out))
	}
	return out
}

// TestVectors: what is written is what the library writes, byte for byte.
func TestVectors(t *testing.T) {
	var s String
	for _, v := range vectors(t) {
		if err := Parse(&s, []byte(v.GPP)); err != nil {
			t.Errorf("%s: %v", v.GPP, err)
			continue
		}
		if !s.Valid() {
			t.Errorf("%s: not valid", v.GPP)
		}
		got, err := AppendJSON([]byte("> "), &s)
		if err != nil || string(got) != "> "+string(v.Want) {
			t.Errorf("%s: %v\ngot  %s\nwant %s", v.GPP, err, got, v.Want)
		}
	}
}
