package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestStories tells what a sequence of requests leads to. A story is a txtar
// file: its comment says what it is about and may set `policy: FILE` (of
// testdata) and `geo: city`; each further file is a request, and the file
// `result` behind it is the answer and every record that the request led to.
// Cookies are kept and sent; a line `Jar: NAME` says whose they are, or none. The
// place is the line `From: FR`. What differs from run to run is normalised: ids are
// numbered in the order they are first seen, so that it shows which are the same;
// times are told from now.
func TestStories(t *testing.T) {
	files, err := filepath.Glob("testdata/stories/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatal("no stories", err)
	}
	for _, path := range files {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			s := openStory(t, path)
			p := start(t, s.args(t)...)
			s.play(t, p, func() []line { return fileLines(p) })
			p.stop()
			s.compare(t)
		})
	}
}

// story is a story being told.
type story struct {
	path  string
	told  *archive // as the file says
	heard *archive // as it went
	jars  map[string]map[string]string
	names map[string]string // of ids and the like, by value
	count map[string]int
	now   time.Time
	kafka func(word string) // what a line `KAFKA word` does
	after func()            // each step; nil: nothing
}

func openStory(t *testing.T, path string) *story {
	t.Helper()
	a := readArchive(t, path)
	return &story{
		path: path, told: a, heard: &archive{comment: a.comment},
		jars: map[string]map[string]string{}, names: map[string]string{}, count: map[string]int{},
	}
}

// args are the flags the comment asks for.
func (s *story) args(t *testing.T) []string {
	t.Helper()
	var args []string
	for l := range strings.Lines(s.told.comment) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(l), ": "); key {
		case "policy":
			args = append(args, "--policy", value)
		case "geo":
			args = append(args, "--geo", cityDatabase(t))
		}
	}
	return args
}

// step is a request of the story and its answer.
type step struct {
	part  part
	at    time.Time
	reply reply
}

// play sends the story's requests, one after the other, then reads all records
// and tells each with the request it was received with.
func (s *story) play(t *testing.T, p *proxy, lines func() []line) {
	t.Helper()
	var steps []step
	for _, f := range s.told.parts {
		if f.name == "result" {
			continue
		}
		time.Sleep(2 * time.Millisecond) // no two steps share an instant of ce_time
		at := time.Now().Truncate(time.Millisecond)
		steps = append(steps, step{f, at, s.request(t, p, f.text)})
		if s.after != nil {
			s.after()
		}
	}
	all := lines()
	for i, step := range steps {
		s.now = step.at
		var out bytes.Buffer
		if step.reply.status != 0 {
			s.answer(t, step.reply, &out)
		}
		for _, l := range all {
			if at := l.received(t); !at.Before(step.at) && (i+1 == len(steps) || at.Before(steps[i+1].at)) {
				s.tell(&out, l)
			}
		}
		s.heard.parts = append(s.heard.parts, step.part, part{"result", out.String() + "\n"})
	}
}

func (s *story) compare(t *testing.T) {
	t.Helper()
	got, want := s.heard.String(), s.told.String()
	if *update {
		if err := os.WriteFile(s.path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s went another way (-update rewrites it):\n%s", s.path, firstDifference(want, got))
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	section := ""
	for i := range w {
		if strings.HasPrefix(w[i], "-- ") && w[i] != "-- result --" {
			section = w[i]
		}
		if i >= len(g) || w[i] != g[i] {
			rest := g[min(i, len(g)):]
			return fmt.Sprintf("%s\nline %d\nwant %s\ngot  %s", section, i+1, w[i], strings.Join(rest[:min(3, len(rest))], "\n     "))
		}
	}
	return "got more than wanted:\n" + strings.Join(g[len(w):], "\n")
}

// request sends the request of a text: a line METHOD PATH, lines Name: value, an
// empty line, the body.
func (s *story) request(t *testing.T, p *proxy, text string) reply {
	t.Helper()
	head, body, _ := strings.Cut(text, "\n\n")
	first, rest, _ := strings.Cut(head, "\n")
	method, path, _ := strings.Cut(strings.TrimSpace(first), " ")
	if method == "KAFKA" {
		s.kafka(path)
		return reply{}
	}
	jar := ""
	var headers []string
	for l := range strings.Lines(rest) {
		switch name, value, _ := strings.Cut(strings.TrimSpace(l), ": "); name {
		case "":
		case "Jar":
			jar = value
		case "From":
			addr, ok := places[value]
			if !ok {
				t.Fatalf("%s: no place %q", s.path, value)
			}
			headers = append(headers, "X-Forwarded-For: "+addr)
		default:
			headers = append(headers, name+": "+value)
		}
	}
	if s.jars[jar] == nil {
		s.jars[jar] = map[string]string{}
	}
	if jar != "none" {
		var cookies []string
		for name, value := range s.jars[jar] {
			cookies = append(cookies, name+"="+value)
		}
		slices.Sort(cookies)
		if len(cookies) > 0 {
			headers = append(headers, "Cookie: "+strings.Join(cookies, "; "))
		}
	}
	r := p.send(method, path, strings.TrimSpace(body), headers...)
	for _, c := range r.cookies {
		if c.MaxAge < 0 {
			delete(s.jars[jar], c.Name)
		} else {
			s.jars[jar][c.Name] = c.Value
		}
	}
	return r
}

// answer tells an answer: status, cookies, body.
func (s *story) answer(t *testing.T, r reply, out *bytes.Buffer) {
	fmt.Fprintf(out, "%d\n", r.status)
	for _, c := range r.header.Values("Set-Cookie") {
		value, attributes, _ := strings.Cut(c, "; ")
		name, value, _ := strings.Cut(value, "=")
		if name == "__Host-assent_choice" {
			s.namesNobody(t, value)
			value = "<choice>"
		}
		fmt.Fprintf(out, "Set-Cookie: %s=%s; %s\n", name, s.normal(value), maxAge.ReplaceAllStringFunc(attributes, func(a string) string {
			seconds, _ := strconv.Atoi(strings.TrimPrefix(a, "Max-Age="))
			return fmt.Sprintf("Max-Age=%dd", (seconds+3600)/86400)
		}))
	}
	var body bytes.Buffer
	if json.Indent(&body, []byte(r.body), "", "  ") != nil || len(r.body) < 100 {
		body.Reset()
		fmt.Fprintf(&body, "%q", strings.TrimSpace(r.body))
		if json.Valid([]byte(r.body)) {
			body.Reset()
			body.WriteString(strings.TrimSpace(r.body))
		}
	}
	fmt.Fprintln(out, s.normal(strings.TrimSpace(body.String())))
}

var maxAge = regexp.MustCompile(`Max-Age=[1-9]\d*`)

// namesNobody wants a choice cookie without any id that was ever given out.
func (s *story) namesNobody(t *testing.T, cookie string) {
	t.Helper()
	parts := strings.Split(cookie, ".")
	if len(parts) != 3 && len(parts) != 4 { // bound to nobody, or to the id beside it
		t.Fatalf("a choice cookie of %d parts", len(parts))
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		t.Fatal(err)
	}
	if anyUUID.Match(raw) {
		t.Errorf("the choice cookie holds an id: %q", raw)
	}
}

// tell tells a record.
func (s *story) tell(out *bytes.Buffer, l line) {
	fmt.Fprintf(out, "\n%s\n", l.topic)
	key := "null"
	if l.key != nil {
		key = *l.key
	}
	fmt.Fprintf(out, "key %s\n", s.normal(key))
	for _, h := range l.headers {
		fmt.Fprintf(out, "%s: %s\n", h[0], s.normal(h[1]))
	}
	fmt.Fprintln(out, s.normal(l.value))
}

var (
	anyUUID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}`)
	anyTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	// What follows an id in its cookie, and what else is signed, keyed or hashed.
	volatile = []struct {
		pattern *regexp.Regexp
		name    string
	}{
		{regexp.MustCompile(`\.[0-9a-zA-Z]+\.[0-9A-Za-z_-]{22}\b`), ".<signature>"},
		{regexp.MustCompile(`"subjectToken": "[^"]+"`), `"subjectToken": "<token>"`},
		{regexp.MustCompile(`"signature": "[^"]+"`), `"signature": "<signature>"`},
		{regexp.MustCompile(`"key": "[^"]+"`), `"key": "<key>"`},
		{regexp.MustCompile(`"hash":"[0-9a-f]{32}"`), `"hash":"<hash>"`},
		{regexp.MustCompile(`\b[0-9a-f]{64}\b|sha256:[0-9a-f]+`), "<policy hash>"},
	}
)

// normal replaces what differs from run to run.
func (s *story) normal(text string) string {
	for _, v := range volatile {
		text = v.pattern.ReplaceAllString(text, v.name)
	}
	text = anyUUID.ReplaceAllStringFunc(text, func(id string) string { return s.name("uuid", id) })
	text = hmacValue.ReplaceAllStringFunc(text, func(h string) string { return s.name("hmac", h) })
	return anyTime.ReplaceAllStringFunc(text, func(raw string) string {
		at, err := time.Parse(time.RFC3339Nano, raw)
		if err != nil || at.Before(s.now.Add(-61*time.Minute)) {
			return raw
		}
		if at.Sub(s.now.AddDate(0, 6, 0)).Abs() < 61*time.Minute { // of so many days, by the month
			return "<now+6 months>"
		}
		days := at.Sub(s.now).Round(24 * time.Hour)
		if off := at.Sub(s.now.Add(days)).Abs(); off > 61*time.Minute {
			return raw
		}
		if days == 0 {
			return "<now>"
		}
		return fmt.Sprintf("<now+%dd>", int(days.Hours()/24))
	})
}

var hmacValue = regexp.MustCompile(`(orders|people)\.[0-9A-Za-z]+[:.][0-9A-Za-z_-]+`)

func (s *story) name(kind, value string) string {
	if s.names[value] == "" {
		s.count[kind]++
		s.names[value] = fmt.Sprintf("<%s-%d>", kind, s.count[kind])
	}
	return s.names[value]
}

// line is a record with its headers in order.
type line struct {
	topic   string
	key     *string
	headers [][2]string
	value   string
}

// received is the instant in the record's headers.
func (l *line) received(t *testing.T) time.Time {
	t.Helper()
	for _, h := range l.headers {
		if h[0] == "ce_time" {
			at, err := time.Parse(time.RFC3339Nano, h[1])
			if err != nil {
				t.Fatal(err)
			}
			return at
		}
	}
	t.Fatalf("a record without ce_time: %v", l)
	return time.Time{}
}

// fileLines reads every topic of the file sink, in order of topic.
func fileLines(p *proxy) []line {
	p.t.Helper()
	files, _ := filepath.Glob(filepath.Join(p.data, "events", "*", "*.ndjson"))
	slices.Sort(files)
	var out []line
	for _, f := range files {
		for text := range strings.Lines(string(lines(p.t, f))) {
			var r struct {
				Key     *string         `json:"key"`
				Headers json.RawMessage `json:"headers"`
				Value   json.RawMessage `json:"value"`
			}
			if err := json.Unmarshal([]byte(text), &r); err != nil {
				p.t.Fatalf("%s: a line that is not JSON: %v", f, err)
			}
			l := line{topic: filepath.Base(filepath.Dir(f)), key: r.Key, value: string(r.Value)}
			d := json.NewDecoder(bytes.NewReader(r.Headers))
			var words []string
			for {
				token, err := d.Token()
				if err != nil {
					break
				}
				if word, ok := token.(string); ok {
					words = append(words, word)
				}
			}
			for i := 0; i+1 < len(words); i += 2 {
				l.headers = append(l.headers, [2]string{words[i], words[i+1]})
			}
			out = append(out, l)
		}
	}
	return out
}
