package cmp

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A twin is what a value says, read slowly: by net/url, encoding/json, encoding/base64
// and regular expressions.
type twin struct {
	words  map[[2]string]Said // of, text
	made   time.Time
	chosen bool
	form   Form
	seen   map[string]bool
}

// member of an object; objects keep those that come twice.
type member struct {
	name  string
	value any // []member, []any, scalar
}

type scalar struct {
	text string
	null bool
	str  bool
}

// bad is how a twin gives up.
type bad struct{}

func refuse(wrong bool) {
	if wrong {
		panic(bad{})
	}
}

// read runs f; false: it gave up.
func read(f func()) (ok bool) {
	defer func() {
		if e := recover(); e != nil {
			if _, is := e.(bad); !is {
				panic(e)
			}
			ok = false
		}
	}()
	f()
	return true
}

func plainText(text string) {
	refuse(!utf8.ValidString(text))
	for _, c := range text {
		refuse(c < ' ' && !strings.ContainsRune("\t\n\r", c))
	}
}

func (t *twin) add(of, text string, s Said) {
	refuse(text == "")
	key := [2]string{of, text}
	if old, ok := t.words[key]; ok {
		order := []Said{Denied, Unset, Granted}
		s = order[min(slices.Index(order, old), slices.Index(order, s))]
	}
	t.words[key] = s
	refuse(len(t.words) > maxWords)
}

func newTwin(f Form) *twin {
	if f.Granted == nil {
		f.Granted = []string{"true"}
	}
	if f.Denied == nil {
		f.Denied = []string{"false"}
	}
	for i, r := range f.Rules {
		if r.Of == "" {
			f.Rules[i].Of = "words"
		}
	}
	return &twin{words: map[[2]string]Said{}, form: f, seen: map[string]bool{}, chosen: f.Chosen == ""}
}

func readTwin(f Form, value string) (t *twin, ok bool) {
	f.Rules = slices.Clone(f.Rules)
	t = newTwin(f)
	return t, read(func() { t.read(value) })
}

func (t *twin) read(text string) {
	refuse(len(text) > MaxText)
	for _, step := range t.form.Decode {
		var err error
		if step == "url" {
			text, err = url.PathUnescape(text)
		} else {
			refuse(strings.ContainsAny(text, "\r\n"))
			text = strings.NewReplacer("-", "+", "_", "/").Replace(text)
			coding := base64.RawStdEncoding
			if strings.Contains(text, "=") {
				coding = base64.StdEncoding
			}
			var b []byte
			b, err = coding.DecodeString(text)
			text = string(b)
		}
		refuse(err != nil)
	}
	plainText(text)
	if t.form.Pairs[0] == "" {
		refuse(!json.Valid([]byte(text)))
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		t.value("", nil, tree(d, 0))
		return
	}
	for _, entry := range strings.Split(text, t.form.Pairs[0]) {
		if entry == "" {
			continue
		}
		key, v, ok := strings.Cut(entry, t.form.Pairs[1])
		refuse(!ok)
		t.pair("", key, v)
	}
}

// tree reads one value.
func tree(d *json.Decoder, depth int) any {
	token, err := d.Token()
	refuse(err != nil)
	switch v := token.(type) {
	case json.Delim:
		refuse(depth == maxDepth)
		object, array := []member{}, []any{}
		for d.More() {
			if v == '{' {
				name, err := d.Token()
				refuse(err != nil)
				object = append(object, member{name.(string), tree(d, depth+1)})
			} else {
				array = append(array, tree(d, depth+1))
			}
		}
		_, err := d.Token()
		refuse(err != nil)
		if v == '{' {
			return object
		}
		return array
	case string:
		return scalar{text: v, str: true}
	case json.Number:
		return scalar{text: v.String()}
	case bool:
		return scalar{text: strconv.FormatBool(v)}
	}
	return scalar{null: true}
}

// paths are all that a form names, list rules without their [].
func (t *twin) paths() (out []string) {
	for _, r := range t.form.Rules {
		out = append(out, strings.TrimSuffix(r.Path, "[]"))
	}
	out = append(out, t.form.Ignore...)
	for _, p := range t.form.Show {
		out = append(out, strings.TrimSuffix(p, "?"))
	}
	chosen, _, _ := strings.Cut(t.form.Chosen, "=")
	out = append(out, t.form.Made, t.form.Expires, chosen)
	return slices.DeleteFunc(out, func(p string) bool { return p == "" })
}

// names are the members that a form knows below a path.
func (t *twin) names(path string) (out []string) {
	for _, p := range t.paths() {
		if path != "" {
			var ok bool
			if p, ok = strings.CutPrefix(p, path+"."); !ok {
				continue
			}
		}
		name, _, _ := strings.Cut(p, ".")
		out = append(out, name)
	}
	return out
}

// below is the path of a member; "": it is not known.
func (t *twin) below(path, name string) string {
	best := ""
	for _, n := range t.names(path) {
		start, open := strings.CutSuffix(n, "*")
		if n == name {
			best = n
			break
		}
		if open && strings.HasPrefix(name, start) && (best == "" || len(n) > len(best)) {
			best = n
		}
	}
	if best == "" {
		return ""
	}
	if path != "" {
		best = path + "." + best
	}
	if slices.Contains(t.form.Ignore, best) {
		return ""
	}
	return best
}

func (t *twin) rule(path string) *Rule {
	for i := range t.form.Rules {
		if t.form.Rules[i].Path == path {
			return &t.form.Rules[i]
		}
	}
	return nil
}

// value reads what stands at a path; word is what a * on the way stood for.
func (t *twin) value(path string, word *string, value any) {
	list, value1, below := t.rule(path+"[]"), t.rule(path), len(t.names(path)) > 0
	unset := func() {
		if value1 != nil {
			t.add(value1.Of, *word, Unset)
		}
	}
	switch v := value.(type) {
	case []member:
		if !below {
			refuse(list != nil)
			unset()
			return
		}
		seen := map[string]bool{}
		lists := 0
		for _, m := range v {
			p := t.below(path, m.name)
			if p == "" {
				continue
			}
			if !strings.HasSuffix(p, "*") || t.rule(p+"[]") != nil {
				refuse(seen[m.name])
				seen[m.name] = true
			}
			w := word
			if strings.HasSuffix(p, "*") {
				w = &m.name
				if t.rule(p+"[]") != nil {
					lists++
					refuse(lists > maxOpen)
				}
			} else if w == nil {
				w = &m.name
			}
			t.value(p, w, m.value)
		}
	case []any:
		if list == nil {
			refuse(below)
			unset()
			return
		}
		for _, e := range v {
			s, ok := e.(scalar)
			refuse(!ok || !s.str)
			t.add(list.Of, s.text, list.Said)
		}
	case scalar:
		if v.null {
			unset()
			return
		}
		refuse(list != nil || below)
		if word == nil {
			word = new(string) // a scalar alone: no rule has its path
		}
		t.leaf(path, *word, v.text)
	}
}

func (t *twin) leaf(path, word, text string) {
	if r := t.rule(path); r != nil {
		said := Unset
		if slices.Contains(t.form.Granted, text) {
			said = Granted
		}
		if slices.Contains(t.form.Denied, text) {
			said = Denied
		}
		t.add(r.Of, word, said)
	}
	if path == t.form.Made || path == t.form.Expires {
		made, ok := slowInstant(text)
		refuse(!ok)
		if path == t.form.Made {
			t.made = made
		}
	}
	if chosen, want, _ := strings.Cut(t.form.Chosen, "="); chosen == path && path != "" {
		t.chosen = t.chosen || text == want && want != "" || want == "" && text != "" && text != "0" && text != "false"
	}
}

func slowInstant(text string) (time.Time, bool) {
	if regexp.MustCompile(`^[0-9]{1,15}$`).MatchString(text) {
		n, _ := strconv.ParseInt(text, 10, 64)
		if len(text) >= 12 {
			return time.UnixMilli(n), true
		}
		return time.Unix(n, 0), true
	}
	var made time.Time
	err := made.UnmarshalText([]byte(text))
	return made, err == nil && !made.IsZero()
}

func (t *twin) pair(path, key, text string) {
	p := t.below(path, key)
	if head, tail, ok := strings.Cut(key, "."); ok && (p == "" || strings.HasSuffix(p, "*")) {
		if q := t.below(path, head); q != "" && len(t.names(q)) > 0 {
			t.pair(q, tail, text)
			return
		}
	}
	if p == "" {
		return
	}
	if !strings.HasSuffix(p, "*") {
		refuse(t.seen[p])
		t.seen[p] = true
	}
	t.leaf(p, key, text)
}
