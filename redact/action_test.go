package redact

import (
	"fmt"
	"strings"
	"testing"
)

// act applies an action to a JSON scalar; "" is a value not understood.
func act(t testing.TB, a Action, raw string) string {
	t.Helper()
	c, err := a.compile()
	if err != nil {
		t.Fatal(err)
	}
	dst, ok := c.apply([]byte("dst"), []byte(raw))
	if !strings.HasPrefix(string(dst), "dst") {
		t.Fatalf("dst overwritten: %q", dst)
	}
	if !ok {
		return ""
	}
	return string(dst[3:])
}

func testKey(t testing.TB, id string) Key {
	t.Helper()
	key, err := NewKey(id, []byte(oracleSecret))
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func TestActions(t *testing.T) {
	f := func(a Action, raw, want string) {
		t.Helper()
		if got := act(t, a, raw); got != want {
			t.Errorf("%d of %s: got %s, want %s", a.Do, raw, got, want)
		}
	}
	truncate := Action{Do: Truncate}
	f(truncate, `"203.0.113.77"`, `"203.0.113.0"`)
	f(truncate, `"2001:DB8:1:2:3:4:5:6"`, `"2001:db8:1::"`)
	f(truncate, `"::ffff:203.0.113.77"`, `"203.0.113.0"`)
	f(truncate, `"::ffff:cb00:714d"`, `"203.0.113.0"`)
	f(truncate, `"\u0032.0.113.77"`, `"2.0.113.0"`)
	f(truncate, `"::1"`, `"::"`)
	f(truncate, `"2002:0102:0304:5::1"`, `"2002:102:300::"`)
	f(truncate, `"1.2.255.255"`, `"1.2.255.0"`)
	f(truncate, `"ffff:ffff:ffff:ffff::"`, `"ffff:ffff:ffff::"`)
	for _, raw := range []string{
		`"203.0.113.077"`, `"203.0.113"`, `"203.0.113.256"`, `"203.0.113.77:80"`, `"[::1]"`, `"fe80::1%eth0"`, `" ::1"`,
		`"1::2::3"`, `"1:2:3:4:5:6:7:8:9"`, `"1:2:3:4:5:6:7"`, `"::1.2.3"`, `""`, `"unknown"`, `3405803853`, `null`, `"10.0.0.0/8"`,
	} {
		f(truncate, raw, "")
	}

	// RFC 4231 has no test of a 32-byte key; these are from the oracle, crypto/hmac.
	hmac := Action{Do: HMAC, Key: testKey(t, "2026-q4")}
	for _, raw := range []string{`"anna@example.com"`, `"anna@\u0065xample.com"`, `""`, `129.95`, `"` + strings.Repeat("x", 300) + `"`} {
		want, _ := oracleAction(hmac, raw)
		f(hmac, raw, want)
	}
	f(hmac, `null`, "")
	f(hmac, `true`, "")

	ten, quarter := Action{Do: Coarsen, Step: "10"}, Action{Do: Coarsen, Step: "0.25"}
	f(ten, `129.95`, `120`)
	f(ten, `-1`, `-10`)
	f(ten, `-10`, `-10`)
	f(ten, `-10.0000000000000000000001`, `-20`)
	f(ten, `-0.0`, `0`)
	f(ten, `1.2995e2`, `120`)
	f(ten, `1299.5E-1`, `120`)
	f(ten, `1e-999999999999`, `0`)
	f(ten, `0e999999999999`, `0`)
	f(ten, `999999999999999999`, `999999999999999990`)
	f(ten, `1e999999999999`, "")
	f(ten, `12345678901234567890`, "")
	f(quarter, `0.3`, `0.25`)
	f(quarter, `129.99`, `129.75`)
	f(quarter, `129.5`, `129.5`)
	f(quarter, `-0.1`, `-0.25`)
	f(Action{Do: Coarsen, Step: "0.1"}, `0.3`, `0.3`)
	f(Action{Do: Coarsen, Step: "0.01"}, `48.85661400000001`, `48.85`)
	f(ten, `"129"`, "")
	mask := Action{Do: Mask, Last: 4}
	f(mask, `"4111111111111111"`, `"***1111"`)
	f(mask, `"***1111"`, `"***1111"`)
	f(mask, `"1111"`, `"***"`)
	f(mask, `"***"`, `"***"`)
	f(mask, `""`, `"***"`)
	f(mask, `"abcd\u00e4\ud83d\ude00\"\n"`, `"***ä😀\"\n"`)
	f(Action{Do: Mask, Last: 2}, `"***"`, `"***"`)
	f(Action{Do: Mask}, `"secret"`, `"***"`)
	f(mask, `4111111111111111`, "")

	f(Action{Do: Replace, Value: `"redacted"`}, `null`, `"redacted"`)
	f(Action{Do: Replace, Value: `0`}, `"a"`, `0`)
}

// everyAction is one of each kind.
func everyAction(t *testing.T, step string, last uint8) []Action {
	return []Action{
		{Do: Truncate},
		{Do: HMAC, Key: testKey(t, "k")},
		{Do: Coarsen, Step: step},
		{Do: Mask, Last: last},
		{Do: StripQuery, Allow: []string{"utm_source", "a b"}},
		{Do: Replace, Value: "null"},
	}
}

// TestActionsAreFuzzed: no kind is left out of what FuzzActions looks at, and the oracle
// has an answer for each.
func TestActionsAreFuzzed(t *testing.T) {
	fuzzed := map[Kind]bool{}
	for _, a := range everyAction(t, "10", 1) {
		fuzzed[a.Do] = true
		understood := false
		for _, raw := range someScalars {
			_, ok := oracleAction(a, raw)
			understood = understood || ok
		}
		if !understood {
			t.Errorf("oracleAction understands nothing of what action %d is given", a.Do)
		}
	}
	for k := Truncate; ; k++ {
		if _, err := (Action{Do: k}).compile(); err != nil && err.Error() == "no such action" {
			return
		}
		if !fuzzed[k] {
			t.Errorf("everyAction has none of kind %d", k)
		}
	}
}

// FuzzActions holds every action to its oracle, and all but HMAC to changing
// nothing the second time.
func FuzzActions(f *testing.F) {
	for _, s := range someScalars {
		f.Add([]byte(s), "10", uint8(3))
	}
	f.Add([]byte(`"::ffff:1.2.3.4"`), "0.05", uint8(0))
	f.Add([]byte(`"httpſ://h/"`), "10", uint8(0)) // a fold of s beyond ASCII
	for _, outweighed := range []string{"0." + strings.Repeat("0", 450) + "1e452", strings.Repeat("1", 450) + "e-448", "-" + strings.Repeat("1", 450) + "e-401"} {
		f.Add([]byte(outweighed), "10", uint8(0))
	}
	for _, at := range []string{
		`"2026-11-22T07:04:54.5-08:00"`, `"1990-05-17"`, `"2026-11-22 07:04:54"`, `"2026-11-22T07:04 +0100"`, `"2026-11-22T07:04:60-08"`,
		`1790000000`, `1790000000123.5`, `-0.5`, `-5e11`, `4102444800`, `1e300`,
	} {
		f.Add([]byte(at), "hour", uint8(0))
		f.Add([]byte(at), "month", uint8(0))
	}
	f.Fuzz(func(t *testing.T, raw []byte, step string, last uint8) {
		if end, err := Value(raw, 0); err != nil || end != len(raw) || pass(raw, 0) > 0 || raw[0] == '{' || raw[0] == '[' {
			return // not one scalar: nothing an action is given
		}
		for _, a := range everyAction(t, step, last) {
			if _, err := a.compile(); err != nil {
				continue
			}
			got := act(t, a, string(raw))
			if want, _ := oracleAction(a, string(raw)); got != want {
				t.Fatalf("%d of %s: got %s, want %s", a.Do, raw, got, want)
			}
			if got == "" || a.Do == HMAC {
				continue
			}
			if again := act(t, a, got); again != got {
				t.Fatalf("%d of %s: %s, and of that %s", a.Do, raw, got, again)
			}
		}
	})
}

func TestKeys(t *testing.T) {
	for id, secret := range map[string]string{"": oracleSecret, "a:b": oracleSecret, "é": oracleSecret, strings.Repeat("k", 65): oracleSecret, "k": "tiny!"} {
		if _, err := NewKey(id, []byte(secret)); err == nil || strings.Contains(err.Error(), secret) {
			t.Errorf("%q: got %v", id, err)
		}
	}
	key := testKey(t, "k")
	for _, shown := range []string{fmt.Sprint(key), fmt.Sprintf("%+v", Action{Key: key}), fmt.Sprintf("%#v", key)} {
		if strings.Contains(shown, "54") || !strings.Contains(shown, "key k") {
			t.Errorf("key shown as %s", shown)
		}
	}
	long, err := NewKey("k", []byte(strings.Repeat("long", 50)))
	if err != nil {
		t.Fatal(err)
	}
	if act(t, Action{Do: HMAC, Key: long}, `"a"`) == act(t, Action{Do: HMAC, Key: key}, `"a"`) {
		t.Error("two secrets, one result")
	}
}
