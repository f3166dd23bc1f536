package redact

import (
	"bytes"
	"maps"
	"testing"
)

// compiled returns a program and a supply of one value for each of its offers.
func compiled(t *testing.T, d dice, rules []Rule, offers []place) (*Program, *Supply) {
	t.Helper()
	var paths []string
	s := new(Supply)
	for i, p := range offers {
		paths = append(paths, p.String())
		s.Set(i, unquoted(d.one(someScalars[16:])))
	}
	p, err := Compile(rules, paths...)
	if err != nil {
		t.Fatal(err)
	}
	return p, s
}

func mustAppend(t *testing.T, p *Program, src []byte, g Grants, s *Supply, tally *Tally) []byte {
	t.Helper()
	out, err := p.Append(nil, src, g, s, tally)
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	return out
}

// countFields counts the scalars and empty containers of a tree by path, and
// with how by path and value.
func countFields(p place, t *tree, byPath, byValue map[string]int) {
	for i, kid := range t.kids {
		at := p.elems()
		if t.kind == '{' {
			at = p.child(unquoted(t.keys[i]))
		}
		countFields(at, kid, byPath, byValue)
	}
	if len(t.kids) == 0 && len(p) > 0 {
		byPath[p.key()]++
		byValue[p.key()+t.raw]++
	}
}

// Fewer grants never yield more fields nor a less reduced form: over all pairs
// of sets of three purposes, where every reduced form shows that it is one.
func TestMonotone(t *testing.T) {
	const reduced = `"~"`
	for seed := range uint64(300) {
		d := newDice(seed)
		_, rules, offers := d.program(false)
		for i := range rules {
			rules[i].Keep = Action{}
			if rules[i].Else.Any != 0 {
				rules[i].Else.Do = Action{Do: Replace, Value: reduced}
			}
		}
		p, s := compiled(t, d, rules, offers)
		src := []byte(d.object(4))
		var byPath, byValue [8]map[string]int
		for allowed := range uint64(8) {
			out, _ := parseTree(string(mustAppend(t, p, src, Grants{First, allowed}, s, nil)))
			byPath[allowed], byValue[allowed] = map[string]int{}, map[string]int{}
			countFields(nil, out, byPath[allowed], byValue[allowed])
			maps.DeleteFunc(byValue[allowed], func(k string, _ int) bool { return bytes.HasSuffix([]byte(k), []byte(reduced)) })
		}
		for fewer := range uint64(8) {
			for more := range uint64(8) {
				if fewer&^more != 0 {
					continue
				}
				for k, n := range byPath[fewer] {
					if n > byPath[more][k] {
						t.Fatalf("seed %d: %03b gives more of %s than %03b", seed, fewer, k, more)
					}
				}
				for k, n := range byValue[fewer] {
					if n > byValue[more][k] {
						t.Fatalf("seed %d: %03b gives more of %s unreduced than %03b", seed, fewer, k, more)
					}
				}
			}
		}
	}
}

// Judging again is judging at once under what both allow. It holds for every
// action, because an otherwise form is made from the kept one.
func TestJudgingAgainIsJudgingAtOnce(t *testing.T) {
	for seed := range uint64(1500) {
		d := newDice(seed)
		_, rules, offers := d.program(seed%4 == 0)
		p, s := compiled(t, d, rules, offers)
		src := []byte(d.object(4))
		was, now := d.Uint64N(8), d.Uint64N(8)
		once := mustAppend(t, p, src, Grants{First, was & now}, s, nil)
		var tally Tally
		then := mustAppend(t, p, src, Grants{First, was}, s, nil)
		again := mustAppend(t, p, then, Grants{was, now}, s, &tally)
		if !bytes.Equal(once, again) {
			t.Fatalf("seed %d, was %03b now %03b, rules %+v\nevent %s\n then %s\n again %s\n once %s", seed, was, now, rules, src, then, again, once)
		}
		if same := mustAppend(t, p, then, Grants{was, First}, s, &tally); !bytes.Equal(same, then) {
			t.Fatalf("seed %d: judged again under no less\n then %s\n again %s", seed, then, same)
		}
	}
}

// Redacting twice is redacting once, for every action but HMAC.
func TestIdempotent(t *testing.T) {
	for seed := range uint64(1500) {
		d := newDice(seed)
		_, rules, _ := d.program(false)
		for i := range rules {
			if r := &rules[i]; r.Keep.Do == HMAC || r.Else.Do.Do == HMAC || r.Keep.Do != None {
				r.Else = Fallback{}
				if r.Keep.Do == HMAC {
					r.Keep = Action{Do: Truncate}
				}
			}
		}
		p, _ := compiled(t, d, rules, nil)
		g := Grants{First, d.Uint64N(8)}
		once := mustAppend(t, p, []byte(d.object(4)), g, nil, nil)
		if twice := mustAppend(t, p, once, g, nil, nil); !bytes.Equal(once, twice) {
			t.Fatalf("seed %d, rules %+v\n once %s\ntwice %s", seed, rules, once, twice)
		}
	}
}

// Nothing of a value that no grant allows is in the output, whatever its shape.
func TestNoCanary(t *testing.T) {
	p, err := Compile(shop)
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{`"canary"`, `{"canary":"canary"}`, `["canary",{"x":"canary"}]`, `"canary\n"`, `[["canary"]]`} {
		for _, key := range []string{"email", "x", `\u0065mail`, "em\\u0061il", "open\\u0000", "a.c", "items[].sku"} {
			src := `{"` + key + `":` + value + `,"open":{"email":` + value + `},"a":{"` + key + `":` + value + `},"items":[{"` + key + `":` + value + `}]}`
			if out := mustAppend(t, p, []byte(src), Grants{First, 1}, nil, nil); bytes.Contains(out, []byte("canary")) {
				t.Errorf("%s\n%s", src, out)
			}
		}
	}
}
