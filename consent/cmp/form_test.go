package cmp

import (
	"strings"
	"testing"
)

// TestCompile: a Form that can never be right is refused, with what is wrong.
func TestCompile(t *testing.T) {
	rules := []Rule{{Path: "*"}}
	f := func(form Form, want string) {
		t.Helper()
		_, err := Compile(form)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%+v: %v, want %q", form, err, want)
		}
	}
	f(Form{Rules: rules}, "")
	f(Form{}, "no word is ever read")
	f(Form{Rules: rules, Decode: []string{"rot13"}}, `"rot13" is neither url nor base64`)
	f(Form{Rules: rules, Pairs: [2]string{"&", ""}}, "two different separators")
	f(Form{Rules: rules, Pairs: [2]string{"=", "="}}, "two different separators")
	f(Form{Rules: []Rule{{Path: "a..b"}}}, "joined by dots")
	f(Form{Rules: []Rule{{Path: "a*b"}}}, "only at the end")
	f(Form{Rules: []Rule{{Path: ""}}}, "joined by dots")
	f(Form{Rules: []Rule{{Path: "a[]"}}}, "granted, or denied")
	f(Form{Rules: rules, Made: "a.*"}, "may have a *")
	f(Form{Rules: rules, Show: []string{"a*?"}}, "may have a *")
	f(Form{Rules: rules, Chosen: "*=yes"}, "may have a *")
	f(Form{Rules: rules, Show: strings.Split(strings.Repeat("a,", 17), ",")}, "16 are the most")
	f(Form{Rules: rules, Ignore: []string{strings.Repeat("a.", 70) + "b"}}, "64 places")
}

// TestForm reads values by forms that are no presets.
func TestForm(t *testing.T) {
	f := func(form Form, value, want string) {
		t.Helper()
		c, err := Compile(form)
		if err != nil {
			t.Fatal(err)
		}
		var r Reading
		got := ""
		if err := r.ReadForm(c, []byte(value)); err != nil {
			got = err.Error()
		} else {
			v := r.Judge(now)
			got = string(v.Reasons.AppendJSON(r.AppendJSON(nil)))
		}
		if got != want {
			t.Errorf("%s\n got %s\nwant %s", value, got, want)
		}
	}
	pairs := Form{Pairs: [2]string{" | ", " = "}, Rules: []Rule{{Path: "cat_*", Of: "categories"}, {Path: "ads"}}, Granted: []string{"in", "1"}, Denied: []string{"out"}, Ignore: []string{"cat_x"}}
	f(pairs, "cat_a = in | cat_b = out | cat_x = in | ads = 1 | else = in", `{"categories":{"cat_a":"granted","cat_b":"denied"},"words":{"ads":"granted"}}[]`)
	f(pairs, "ads = 1 | ads = out", `a member twice, at byte 10`)
	f(pairs, "cat_a = in |", `{"categories":{"cat_a":"unset"},"words":{}}["nothing_said","unknown_value"]`)
	f(pairs, "ads=1", "a key without a value, at byte 0")

	packed := Form{Decode: []string{"base64", "url"}, Rules: []Rule{{Path: "a.*.on"}}, Expires: "end", Chosen: "by.hand"}
	f(packed, "JTdCJTIyYSUyMiUzQSU3QiUyMnglMjIlM0ElN0IlMjJvbiUyMiUzQXRydWUlN0QlN0QlN0Q", `{"words":{"x":"granted"}}["no_choice"]`)

	nested := Form{Rules: packed.Rules, Expires: packed.Expires, Chosen: packed.Chosen}
	f(nested, `{"a":{"x":{"on":true},"y":{"off":1},"z":null},"by":{"hand":1},"end":1795869230}`, `{"expires":"2026-11-28T12:33:50.000Z","words":{"x":"granted"}}[]`)
	f(nested, `{"a":{"x":{"on":true}},"by":{"hand":1},"end":"2026-11-28T12:00:00Z"}`, `{"expires":"2026-11-28T12:00:00.000Z","words":{"x":"granted"}}["expired"]`)
	f(nested, `{"a":{"x":{"on":true}},"by":{"hand":false}}`, `{"words":{"x":"granted"}}["no_choice"]`)
	f(nested, `{"a":{"x":{"on":true,"on":false}}}`, `a member twice, at byte 26`)
	f(nested, `{"a":{"x":{"on":true},"x":{"on":false}},"by":{"hand":1}}`, `{"words":{"x":"denied"}}["contradictory"]`)
	f(nested, `{"a":[]}`, `another shape than is read, at byte 7`)
	f(nested, `{"a":{"x":true}}`, `another shape than is read, at byte 14`)
}

// TestBounds: what is past a bound is unreadable, what is at it is read.
func TestBounds(t *testing.T) {
	var r Reading
	f := func(k Kind, value string, readable bool) {
		t.Helper()
		if err := r.Read(k, []byte(value), nil); (err == nil) != readable {
			t.Errorf("%s: %d bytes: %v", k, len(value), err)
		}
	}
	text := `{"categories":[]`
	f(CookieConsent, text+strings.Repeat(" ", MaxText-len(text)-1)+"}", true)
	f(CookieConsent, text+strings.Repeat(" ", MaxText-len(text))+"}", false)
	word := func(i int) string { return string([]byte{'a' + byte(i/26/26), 'a' + byte(i/26%26), 'a' + byte(i%26)}) }
	groups := "groups="
	for i := range maxWords {
		groups += word(i) + ":1,"
	}
	f(OneTrust, strings.TrimSuffix(groups, ","), true)
	f(OneTrust, groups+word(maxWords)+":1", false)
	f(OneTrust, groups+word(0)+":0", true)
	f(Klaro, `{"a":`+strings.Repeat("[", maxDepth-1)+strings.Repeat("]", maxDepth-1)+"}", true)
	f(Klaro, `{"a":`+strings.Repeat("[", maxDepth)+strings.Repeat("]", maxDepth)+"}", false)
	services := func(n int) string {
		s := `{"services":{`
		for i := range n {
			s += `"` + word(i) + `":[],`
		}
		return strings.TrimSuffix(s, ",") + "}}"
	}
	f(CookieConsent, services(maxOpen), true)
	f(CookieConsent, services(maxOpen+1), false)
	f(GCD, "1"+strings.Repeat("r3", 2000), true)
	f(TCF, "C", false)
	f(kinds, "1YNN", false)
	f(255, "1YNN", false)
}
