package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

// decode runs the command as a shell would and returns what it prints and its exit code.
func decode(t testing.TB, in io.Reader, args ...string) (out string, code int) {
	t.Helper()
	var b strings.Builder
	c := decodeCommand()
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetIn(in)
	c.SetOut(&b)
	c.SetArgs(append([]string{}, args...)) // of nil, those of the test are taken
	err := c.Execute()
	var misuse errMisuse
	switch {
	case errors.Is(err, errNegative):
		code = 1
	case errors.As(err, &misuse):
		code = 2
	case err != nil:
		t.Fatal(err)
	}
	return b.String(), code
}

// TestDecodeGolden holds a line of each kind to its answer in testdata/decode.txt, on stdin
// and as an argument.
func TestDecodeGolden(t *testing.T) {
	const file = "testdata/decode.txt"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var in, heads []string
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSuffix(line, "\n"); strings.HasPrefix(line, "{") {
			continue
		}
		heads = append(heads, line)
		value, ok := strings.CutPrefix(line, "> ")
		if quoted, is := strings.CutPrefix(line, ">> "); is {
			if _, err := fmt.Sscanf(quoted, "%q", &value); err != nil {
				t.Fatal(line, err)
			}
			ok = true
		}
		if ok {
			in = append(in, value)
		}
	}
	const at = "--at=2026-11-22T09:00:00Z"
	all, code := decode(t, strings.NewReader(strings.Join(in, "\n")+"\n"), at)
	answers := strings.Split(strings.TrimSuffix(all, "\n"), "\n")
	if len(answers) != len(in) || code != 1 {
		t.Fatalf("%d lines, %d answers, exit %d", len(in), len(answers), code)
	}
	var is strings.Builder
	kinds := map[string]bool{}
	for _, line := range heads {
		is.WriteString(line + "\n")
		if !strings.HasPrefix(line, ">") {
			continue
		}
		is.WriteString(answers[0] + "\n")
		var a struct {
			Kind  string
			Valid bool
		}
		if err := json.Unmarshal([]byte(answers[0]), &a); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		kinds[a.Kind] = true
		one, code := decode(t, nil, at, "--", in[0])
		if one != answers[0]+"\n" || (code == 0) != a.Valid {
			t.Errorf("%s: exit %d, alone\n%swith others\n%s", line, code, one, answers[0])
		}
		in, answers = in[1:], answers[1:]
	}
	for _, k := range []string{
		"tcf", "gpp", "uspv1", "gcs", "gcd", "uet", "onetrust", "cookiebot", "att", "lmt", "is_lat", "ad_tracking_enabled", "ifa_type", "cookieconsent", "didomi",
		"cookieyes", "complianz", "iubenda", "usercentrics", "c15t", "klaro", "tarteaucitron", "axeptio", "cookieinformation", "unknown",
	} {
		if !kinds[k] {
			t.Errorf("%s has no line of kind %s", file, k)
		}
	}
	golden(t, file, is.String())
}

// TestDecodeLines: a line in, a line out, whatever stands in it.
func TestDecodeLines(t *testing.T) {
	for name, c := range map[string]struct {
		in    string
		kinds string
		code  int
	}{
		"nothing":                {"", "", 0},
		"one":                    {"1YNN\n", "uspv1", 0},
		"no newline at the end":  {"1YNN\nG111", "uspv1 gcs", 0},
		"blank ones":             {"\n1YNN\n\n\n", "unknown! uspv1 unknown! unknown!", 1},
		"a blank one alone":      {"\n", "unknown!", 1},
		"spaces":                 {" 1YNN\n1YNN \n  \n", "unknown! uspv1! unknown!", 1},
		"lines that end in CRLF": {"1YNN\r\nG111\r\n", "uspv1! unknown!", 1},
		"a lone CR":              {"1YNN\rG111\n", "uspv1!", 1},
		"NUL":                    {"\x00\n1YNN\n", "unknown! uspv1", 1},
		"no UTF-8":               {"\xff\nklaro={\"\xff\":true}\n", "unknown! klaro!", 1},
		"one that refuses":       {"1YYN\nlmt=1\n", "uspv1 lmt", 0},
		"one that is no choice":  {"1YNN\nCookieConsent=0\n", "uspv1 cookiebot-", 1},
		"a TC string after gpp=": {"gpp=CQtAQoAQtAQoAAHABBENAJFgAPMAAAAAAAqIAAAAAAAA.IAAA\n", "tcf", 0},
	} {
		out, code := decode(t, strings.NewReader(c.in), "--at=2026-11-22")
		var kinds []string
		for line := range strings.Lines(out) {
			var a struct {
				Kind, Error string
				Valid       bool
			}
			if err := json.Unmarshal([]byte(line), &a); err != nil {
				t.Errorf("%s: %v: %s", name, err, line)
			}
			switch {
			case a.Error != "":
				a.Kind += "!"
			case !a.Valid:
				a.Kind += "-"
			}
			kinds = append(kinds, a.Kind)
		}
		if got := strings.Join(kinds, " "); got != c.kinds || code != c.code {
			t.Errorf("%s: %s, exit %d; want %s, exit %d", name, got, code, c.kinds, c.code)
		}
	}
}

// TestDecodeExits: 0 all may be used, 1 one may not, 2 misuse.
func TestDecodeExits(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
	}{
		{"1YNN", 0}, {"1YYN", 0}, {"1YY", 1}, {"", 1}, {"x", 1}, {"1YNN 1YNN", 2}, {"--at=soon 1YNN", 2}, {"--at=2026-11-22 1YNN", 0}, {"--at=2026-11-22T09:00:00+01:00 1YNN", 0},
	} {
		if _, code := decode(t, nil, strings.Split(c.args, " ")...); code != c.code {
			t.Errorf("decode %s: exit %d, want %d", c.args, code, c.code)
		}
	}
}

// TestDecodeAt: on both sides of 13 months and of the day from which TC strings need
// disclosed vendors.
func TestDecodeAt(t *testing.T) {
	const (
		disclosed = "CQtAQoAQtAQoAAHABBENAJFgAPMAAAAAAAqIAAAAAAAA.IAAA" // made on 2026-11-01
		before    = "CQgSLEAQgSLEAAHABBENAJFgAPIAAAAAAAqIAAAAAAAA"      // on 2026-02-27, without the segment
		after     = "CQgVeAAQgVeAAAHABBENAJFgAPIAAAAAAAqIAAAAAAAA"      // on 2026-02-28
	)
	for _, c := range []struct {
		text, at, reasons string
		code              int
	}{
		{disclosed, "2026-11-22", `[]`, 0},
		{disclosed, "2026-10-30", `["from_the_future"]`, 1},
		{disclosed, "2026-10-31", `[]`, 0},
		{disclosed, "2027-12-01", `[]`, 0},
		{disclosed, "2027-12-01T00:00:01Z", `["expired"]`, 1},
		{disclosed, "2027-12-02", `["expired"]`, 1},
		{before, "2026-02-27", `["old_without_disclosed_vendors"]`, 0},
		{before, "2026-02-28", `["old_without_disclosed_vendors"]`, 0},
		{before, "2027-03-27", `["old_without_disclosed_vendors"]`, 0},
		{before, "2027-03-28", `["expired","old_without_disclosed_vendors"]`, 1},
		{after, "2026-02-28", `["no_disclosed_vendors"]`, 1},
	} {
		out, code := decode(t, nil, "--at", c.at, c.text)
		if want := fmt.Sprintf(`{"kind":"tcf","valid":%t,"reasons":%s,`, c.code == 0, c.reasons); !strings.HasPrefix(out, want) || code != c.code {
			t.Errorf("%s at %s: exit %d, %.120s; want %s", c.text, c.at, code, out, want)
		}
	}
}

// endless is a line that does not end before so many bytes.
type endless struct{ left int }

func (e *endless) Read(b []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(b), e.left)
	for i := range n {
		b[i] = 'C'
	}
	e.left -= n
	return n, nil
}

// TestDecodeHoldsNoLine: a line of 10 MB is answered and not held, and the ones around it
// are lines of their own.
func TestDecodeHoldsNoLine(t *testing.T) {
	const size = 10 << 20
	in := io.MultiReader(strings.NewReader("1YNN\n"), &endless{size}, strings.NewReader("\n1YNN\n"), &endless{size})
	var was, is runtime.MemStats
	runtime.ReadMemStats(&was)
	out, code := decode(t, in, "--at=2026-11-22")
	runtime.ReadMemStats(&is)
	const good, long = `{"kind":"uspv1","valid":true,`, `{"kind":"tcf","valid":false,"error":"longer than 8192 characters, at bit 49152"}`
	lines := strings.Split(out, "\n")
	if len(lines) != 5 || !strings.HasPrefix(lines[0], good) || lines[1] != long || !strings.HasPrefix(lines[2], good) || lines[3] != long || lines[4] != "" || code != 1 {
		t.Errorf("exit %d: %q", code, out)
	}
	if n := is.TotalAlloc - was.TotalAlloc; n > size/4 {
		t.Errorf("%d bytes allocated for two lines of %d", n, size)
	}
	// Around the length that is held of a line.
	for n := 16<<10 - 2; n <= 16<<10+2; n++ {
		out, _ := decode(t, io.MultiReader(&endless{n}, strings.NewReader("\n1YNN\n")))
		if lines := strings.Split(out, "\n"); len(lines) != 3 || lines[0] != long || !strings.HasPrefix(lines[1], good) {
			t.Errorf("a line of %d: %q", n, out)
		}
	}
}

// broken gives its text, then fails.
type broken string

var errBroken = errors.New("the pipe broke")

func (b *broken) Read(p []byte) (n int, err error) {
	if *b == "" {
		return 0, errBroken
	}
	n = copy(p, *b)
	*b = (*b)[n:]
	return n, nil
}

// TestDecodeFails: what was answered before reading fails is printed, and the failure told;
// of a line that was not read to its end nothing is said.
func TestDecodeFails(t *testing.T) {
	for _, in := range []broken{"1YNN\n", "1YNN\nG111", broken("1YNN\n" + strings.Repeat("C", 99<<10))} {
		var out strings.Builder
		n := len(in)
		err := decodeLines(&out, &in, time.Now())
		if !errors.Is(err, errBroken) || !strings.HasPrefix(out.String(), `{"kind":"uspv1"`) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("after %d bytes: %v: %q", n, err, out.String())
		}
	}
	if err := decodeLines(failing{}, strings.NewReader("1YNN\n"), time.Now()); !errors.Is(err, errBroken) {
		t.Errorf("where nothing can be written: %v", err)
	}
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, errBroken }

// corpus are the strings that other libraries wrote.
func corpus(t testing.TB) (out [][]byte) {
	t.Helper()
	for _, name := range []string{"tcf", "gpp"} {
		f, err := os.Open("../../consent/" + name + "/testdata/vectors.ndjson")
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var v struct{ String, GPP string }
			if err := json.Unmarshal(lines.Bytes(), &v); err != nil {
				t.Fatal(err)
			}
			out = append(out, []byte(v.String+v.GPP))
		}
	}
	return out
}

// hostile are 4,000 lines: strings cut and changed at every character, and those that are
// made to cost much.
func hostile(t testing.TB) [][]byte {
	all := corpus(t)
	long := func(text string) []byte { return []byte(strings.Repeat(text, 8<<10/len(text)+1)) }
	out := [][]byte{
		long("C"), long("CA"), long("DBAB"), long("{"), long("["), long(`{"categories":`), long("%7B"), long("eyJ"), long("1-"), long("&groups="), long("="), long("\x00"),
		[]byte("klaro=" + strings.Repeat("[", 8000)), []byte("c15t=" + strings.Repeat("c.a:1,", 1300)), []byte("tarteaucitron=" + strings.Repeat("!a=b", 2000)),
		[]byte("OptanonConsent=groups=" + strings.Repeat("a:1,", 2000)), []byte("didomi_token=" + strings.Repeat("eyJh", 2000)),
	}
	for i := 0; len(out) < 4000; i++ {
		v := all[i*7%len(all)]
		for n := 0; n < len(v); n += 3 {
			changed := bytes.Clone(v)
			changed[n] = "\x00=+/%~._{}"[n%10]
			out = append(out, v[:n], changed)
		}
	}
	return out[:4000]
}

func TestDecodeHostile(t *testing.T) {
	lines := hostile(t)
	out, code := decode(t, bytes.NewReader(append(bytes.Join(lines, []byte("\n")), '\n')), "--at=2026-11-22")
	n := 0
	for line := range strings.Lines(out) {
		if !json.Valid([]byte(line)) {
			t.Errorf("%.80q: no JSON: %s", lines[n], line)
		}
		n++
	}
	if n != len(lines) || code != 1 {
		t.Errorf("%d lines, %d answers, exit %d", len(lines), n, code)
	}
}

func benchmarkLines(b *testing.B, lines [][]byte) {
	in := append(bytes.Join(lines, []byte("\n")), '\n')
	b.ReportAllocs()
	for b.Loop() {
		if err := decodeLines(io.Discard, bytes.NewReader(in), time.Now()); err != nil && !errors.Is(err, errNegative) {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(lines)*b.N)/b.Elapsed().Seconds(), "lines/s")
}

func BenchmarkDecode(b *testing.B)        { benchmarkLines(b, slices.Concat(corpus(b), corpus(b))) }
func BenchmarkDecodeHostile(b *testing.B) { benchmarkLines(b, hostile(b)) }
