package gpp

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"assent/consent/bitstring"
)

// hostile are 4,000 texts: those that hang or break other libraries, the ones made by
// hand, then vectors cut at every character and with a character changed.
func hostile(t testing.TB) (out [][]byte) {
	t.Helper()
	add := func(line string) { out = append(out, spell(t, line)) }
	add(`000011 000001 000000000001 1 11 0010100010010101000010011 ~ "1YNN"`)               // a range up to 65535
	add("000011 000001 000000000001 0 " + strings.Repeat("0", 80) + "11 ~ 000001")          // a number of 80 bits
	add("000011 000001 000000000001 0 " + strings.Repeat("01", 40) + "1 ~ 000001")          // the same, with every other place set
	add("000011 000001 000100101100 " + strings.Repeat("1 11 "+code(60000)+" ", 300) + "~") // 300 ranges of 60,000 ids
	out = append(out, bytes.Repeat([]byte("A"), 100_000), bytes.Repeat([]byte("A"), 4<<20), append([]byte("DBAB"), bytes.Repeat([]byte("A"), 8000)...),
		bytes.Repeat([]byte("~"), 8000), append([]byte("DBABLA~"), bytes.Repeat([]byte("."), 8000)...), append([]byte("DBABLA~CAAQAAAAAABA"), bytes.Repeat([]byte("A"), 8000)...))
	// Section 5 with lists of 65,535 vendors, and restrictions of all of them as often as fit.
	core := "sec:5 ~ 000001 " + strings.Repeat("0", vendorsAt-6)
	all := " 1111111111111111 1 000000000001 1 0000000000000001 1111111111111111"
	add(core + all + all + " 000001000000" + strings.Repeat(" 000001 00 000000000001 1 0000000000000001 1111111111111111", 64))
	coded := " 1111111111111111 1 000000000001 1 11 " + code(65534)
	add(core + coded + coded + " 000001000000" + strings.Repeat(" 000001 00"+coded, 64))
	add(core + " 1111111111111111 1 111111111111" + strings.Repeat(" 1 11 11", 4095))
	add(core + all + all + " 111111111111" + strings.Repeat(" 000001 11 000000000000", 2000))
	// Section 2 in the same way, which is read for its JSON only.
	add("sec:2 ~ 000010 " + strings.Repeat("0", 213-6) + all + all + " 000001000000" + strings.Repeat(" 000001 00 000000000001 1 0000000000000001 1111111111111111", 64))

	hand, err := os.ReadFile("testdata/hand.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(hand)) {
		if strings.HasPrefix(line, "> ") {
			add(strings.TrimSuffix(line[2:], "\n"))
		}
	}
	some := vectors(t)[:300]
	for i := 0; len(out) < 4000; i++ {
		v := some[i*7%300].GPP
		for cut := range v {
			out = append(out, []byte(v[:cut]), []byte(v[:cut]+fmt.Sprintf("%c", "\x00=+/%~._"[cut%8])+v[cut+1:]))
		}
	}
	return out[:4000]
}

// TestHostile: nothing panics, an error names a bit of the text, and what JSON there is
// stays in bounds. How long it takes is BenchmarkHostile's to say.
func TestHostile(t *testing.T) {
	const most = 32 << 20 // three lists of 65,535 vendors and 1048576 restricted ones, as digits
	var s String
	var out []byte
	read := 0
	for _, text := range hostile(t) {
		err := Parse(&s, text)
		check(t, &s, string(text), err)
		if err == nil {
			read++
		}
		out, _ = AppendJSON(out[:0], &s)
		if len(out) > most {
			t.Errorf("%.60q…: %d bytes of JSON", text, len(out))
		}
	}
	if read == 0 || read > 2000 {
		t.Errorf("%d of 4,000 hostile texts were read", read)
	}
}

// TestCut: the slow twin says the same of each vector of the United States, cut anywhere.
func TestCut(t *testing.T) {
	widths := slowWidths(t)
	var s String
	refused := 0
	for _, v := range vectors(t)[:200] {
		for cut := range v.GPP {
			if compare(t, &s, widths, v.GPP[:cut]) != nil {
				refused++
			}
		}
	}
	if refused < 2000 {
		t.Errorf("only %d cut vectors are errors", refused)
	}
}

// BenchmarkHostile reads the 4,000 texts.
func BenchmarkHostile(b *testing.B) {
	texts := hostile(b)
	var s String
	b.ReportAllocs()
	for b.Loop() {
		for _, text := range texts {
			_ = Parse(&s, text)
		}
	}
}

func TestTooLong(t *testing.T) {
	var s String
	long := append([]byte("DBABfA~"), bytes.Repeat([]byte("x"), bitstring.MaxText-7)...)
	if err := Parse(&s, long); err == nil || strings.Contains(err.Error(), "longer") {
		t.Error("the longest text:", err)
	}
	if err := Parse(&s, append(long, 'x')); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Error("a longer text:", err)
	}
}
