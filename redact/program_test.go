package redact

import (
	"errors"
	"strings"
	"testing"
)

func TestCompileReportsEveryMistake(t *testing.T) {
	replace := Action{Do: Replace, Value: "0"}
	rules := []Rule{
		{Path: "good"},
		{Path: ""},
		{Path: "a..b"},
		{Path: "a."},
		{Path: ".a"},
		{Path: "a.*.b"},
		{Path: "a*"},
		{Path: "a["},
		{Path: "a[1]"},
		{Path: "a]"},
		{Path: "a[]b"},
		{Path: "[]"},
		{Path: `a\`},
		{Path: strings.Repeat("x", 257)},
		{Path: strings.Repeat("x.", 64) + "x"},
		{Path: "go\\od"},
		{Path: "c", Category: Categories},
		{Path: "f", Keep: Action{Do: HMAC}},
		{Path: "g", Keep: Action{Do: Coarsen}},
		{Path: "h", Keep: Action{Do: Coarsen, Step: "0"}},
		{Path: "i", Keep: Action{Do: Coarsen, Step: "-1"}},
		{Path: "j", Keep: Action{Do: Coarsen, Step: "1e3"}},
		{Path: "k", Keep: Action{Do: Coarsen, Step: "1234567890.1234567890"}},
		{Path: "l", Keep: Action{Do: Replace}},
		{Path: "m", Keep: Action{Do: Replace, Value: "{}"}},
		{Path: "n", Keep: Action{Do: Replace, Value: "1 "}},
		{Path: "o", Keep: Action{Do: Replace, Value: " 1"}},
		{Path: "p", Keep: Action{Do: 99}},
		{Path: "q", Keep: Action{Do: StripQuery, Allow: []string{""}}},
		{Path: "r", Else: Fallback{Any: 1}},
		{Path: "s", Else: Fallback{Any: 1, Do: Action{Do: HMAC}}},
		{Path: "t", Else: Fallback{Any: 1, Do: replace}}, // good
	}
	good := map[int]bool{0: true, len(rules) - 1: true}
	offers := []string{"good", "t", "unheard.of", "good", "good.x", "t[]", "t.*", "t..", strings.Repeat("y", 9)}
	for _, i := range []int{0, 1, 2, 8} {
		good[len(rules)+i] = true
	}
	good[len(rules)+4] = true // under a rule of its own kind nothing covers it, so it is never made
	_, err := Compile(rules, offers...)
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		t.Fatal(err)
	}
	wrong := map[int]bool{}
	for _, err := range joined.Unwrap() {
		var re *RuleError
		if !errors.As(err, &re) || re.Err == nil || errors.Unwrap(err) != re.Err || !strings.Contains(err.Error(), re.Err.Error()) {
			t.Fatal(err)
		}
		wrong[re.Index] = true
	}
	for i := range len(rules) + len(offers) {
		if wrong[i] == good[i] {
			path := append(pathsOf(rules), offers...)[i]
			t.Errorf("%d %q: good %v, refused %v", i, path, good[i], wrong[i])
		}
	}
	if _, err := Compile([]Rule{{Path: "*"}, {Path: "a.*"}, {Path: "a"}, {Path: "a[]"}, {Path: "a[][].b"}, {Path: `\*`}}); err != nil {
		t.Error(err)
	}
	if _, err := Compile([]Rule{{Path: "*", Any: 1}}, make([]string, MaxOffers+1)...); err == nil {
		t.Error("too many offers")
	}
}

func pathsOf(rules []Rule) (paths []string) {
	for _, r := range rules {
		paths = append(paths, r.Path)
	}
	return paths
}

func TestSupply(t *testing.T) {
	p, err := Compile([]Rule{
		{Path: "messageId", Any: 1},
		{Path: "anonymousId", Any: 2},
		{Path: "context.ip", Any: 4, Else: Fallback{Any: 1, Do: Action{Do: Truncate}}},
		{Path: "context.locale", Any: 1},
	}, "messageId", "anonymousId", "context.ip", "context.userAgent")
	if err != nil {
		t.Fatal(err)
	}
	var s Supply
	f := func(src string, g Grants, want string) {
		t.Helper()
		s.Reset()
		s.Set(0, "m\"1")
		s.SetBytes(1, []byte("a1"))
		s.Set(2, "203.0.113.77")
		s.Set(3, "never declared")
		if got := mustAppend(t, p, []byte(src), g, &s, nil); string(got) != want {
			t.Errorf("%s\n got %s\nwant %s", src, got, want)
		}
	}
	f(`{}`, Grants{First, 7}, `{"messageId":"m\"1","anonymousId":"a1","context":{"ip":"203.0.113.77"}}`)
	f(`{}`, Grants{First, 1}, `{"messageId":"m\"1","context":{"ip":"203.0.113.0"}}`)
	f(`{}`, Grants{First, 8}, `{}`)
	f(`{"x":1}`, Grants{First, 2}, `{"anonymousId":"a1"}`)
	f(`{"messageId":null,"anonymousId":{}}`, Grants{First, 3}, `{"messageId":null,"context":{"ip":"203.0.113.0"}}`)
	f(`{"message\u0049d":"s"}`, Grants{First, 1}, `{"message\u0049d":"s","context":{"ip":"203.0.113.0"}}`)
	f(`{"context":{"locale":"de","x":1}}`, Grants{First, 5}, `{"context":{"locale":"de","ip":"203.0.113.77"},"messageId":"m\"1"}`)
	f(`{"context":{}}`, Grants{First, 4}, `{"context":{"ip":"203.0.113.77"}}`)
	f(`{"context":{"ip":"1.2.3.4"}}`, Grants{First, 4}, `{"context":{"ip":"1.2.3.4"}}`)
	f(`{"context":{"ip":"secret"}}`, Grants{First, 1}, `{"messageId":"m\"1"}`)
	f(`{"context":5}`, Grants{First, 4}, `{}`)
	f(`{"context":[{}]}`, Grants{First, 4}, `{}`)
	f(`{"context":{},"context":{}}`, Grants{First, 4}, `{"context":{"ip":"203.0.113.77"}}`)
	f(`{"context":5,"context":{}}`, Grants{First, 4}, `{}`)
	f(`{}`, Grants{7, 7}, `{}`) // offers are for first judgement
}
