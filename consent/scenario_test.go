package consent

import (
	"context"
	"fmt"
	"strings"
	"testing"
)

// TestScenarios plays testdata/scenarios.txt: each case a story, each "$" line an
// act, what follows it what comes of it.
//
//	$ anna chooses JSON            posts a choice with what the browser holds
//	$ anna sends                   an event with the browser's cookies
//	$ anna sends as X              an event that also names a tracker's own id
//	$ tracker X sends              an event without cookies
//	$ server chooses ACCOUNT JSON  a source names an account
//	$ account ACCOUNT sends
//	$ anna loses id|choice|all     cookies are gone
//	$ bob steals anna              has a copy of all her cookies
//	$ anna gets bob's choice       his choice cookie in the place of hers
//	$ anna gets bob's choice too   beside hers, under one name; id likewise
//	$ anna holds her token         the one that her last choice was answered with
//	$ anna's choice is cut         by a character
//	$ tv pairs anna                a device holds her subject token instead
//	$ time 1h                      passes (or goes back)
//	$ keys a,b                     of the fleet, newest first
//	$ revision analytics 3
//	$ store fails|works
func TestScenarios(t *testing.T) {
	golden(t, "testdata/scenarios.txt", func(name, body string) string {
		p := &play{t: t, f: setup(t), browsers: map[string]*browser{}}
		var out strings.Builder
		for line := range strings.Lines(body) {
			act, ok := strings.CutPrefix(strings.TrimSpace(line), "$ ")
			if !ok {
				if strings.HasPrefix(line, "#") {
					out.WriteString(line)
				}
				continue
			}
			fmt.Fprintf(&out, "$ %s\n", act)
			if got := p.act(act); got != "" {
				fmt.Fprintf(&out, "  %s\n", got)
			}
		}
		return out.String()
	})
}

type browser struct{ choice, id, token, last string }

type play struct {
	t        *testing.T
	f        *fixture
	browsers map[string]*browser
}

func (p *play) act(line string) string {
	w := strings.SplitN(line, " ", 3)
	who, verb, rest := w[0], w[1], strings.Join(w[2:], "")
	switch who {
	case "time":
		p.f.turn(parseSpan(p.t, verb))
		return ""
	case "keys":
		p.f.o.CookieKeys = ring(strings.Split(verb, ",")...)
		p.f.cache = newCache(64) // a ring changes with a restart
		return ""
	case "revision":
		p.revise(verb, rest)
		return ""
	case "store":
		p.f.store.fail(map[string]error{"fails": errDisk, "works": nil}[verb])
		return ""
	case "tracker":
		return p.show(p.f.Lookup(Subject{Anonymous, verb}))
	case "anna's":
		b := p.browsers["anna"]
		b.choice = b.choice[:len(b.choice)-1]
		return ""
	case "account":
		return p.show(p.f.Lookup(UserOf("shop", verb)))
	case "server":
		account, body, _ := strings.Cut(rest, " ")
		return p.choose(&browser{}, UserOf("shop", account), body)
	}
	b := p.browsers[who]
	if b == nil {
		b = &browser{}
		p.browsers[who] = b
	}
	switch verb {
	case "chooses":
		return p.choose(b, Subject{}, rest)
	case "sends":
		s := p.f.Identify([]byte(b.choice), []byte(b.id), []byte(b.token))
		if x, ok := strings.CutPrefix(rest, "as "); ok {
			named := p.f.Lookup(Subject{Anonymous, x})
			if s.Subject.IsZero() {
				s = Combine(s, named)
			} else {
				s = Narrow(s, named)
			}
		}
		return p.show(s)
	case "loses":
		if rest != "choice" {
			b.id = ""
		}
		if rest != "id" {
			b.choice = ""
		}
		return ""
	case "gets":
		from, what, _ := strings.Cut(rest, "'s ")
		what, beside := strings.CutSuffix(what, " too")
		mine, theirs := &b.choice, p.browsers[from].choice
		if what == "id" {
			mine, theirs = &b.id, p.browsers[from].id
		}
		if beside {
			theirs = *mine + ";" + theirs
		}
		*mine = theirs
		return ""
	case "holds":
		b.token = b.last
		return ""
	case "steals":
		*b = *p.browsers[rest]
		return ""
	case "pairs":
		h := p.browsers[rest]
		s := p.f.Identify([]byte(h.choice), []byte(h.id), nil)
		*b = browser{token: p.f.Token(s, h.id != "")}
		return ""
	}
	p.t.Fatalf("what is %q?", line)
	return ""
}

func (p *play) revise(name, revision string) {
	old := p.f.Purposes()
	list := []Purpose{}
	for i := range old.Len() {
		u := *old.At(i)
		if u.Name == name {
			fmt.Sscan(revision, &u.Revision)
		}
		list = append(list, u)
	}
	next, err := NewPurposes(list)
	if err != nil {
		p.t.Fatal(err)
	}
	p.f.Use(next)
}

func (p *play) choose(b *browser, account Subject, body string) string {
	c, err := ParseChoice([]byte(body))
	if err != nil {
		return "refused: " + err.Error()
	}
	c.Visitor = p.f.Identify([]byte(b.choice), []byte(b.id), []byte(b.token))
	c.Account, c.NeedsID = account, needsID
	o, err := p.f.Record(context.Background(), c)
	if err != nil {
		if _, ok := err.(ChoiceError); ok {
			return "refused: " + err.Error()
		}
		return "error: " + err.Error()
	}
	b.last = o.Token
	if account.IsZero() {
		if b.token != "" {
			b.token = o.Token
		} else {
			b.choice, b.id = o.ChoiceCookie, o.IDCookie
		}
	}
	r, err := VerifyReceipt(o.Receipt, ReceiptPublicKeys(p.f.o.ReceiptKeys))
	if err != nil {
		p.t.Fatal(err)
	}
	var said []string
	for _, u := range r.Purposes {
		said = append(said, u.Name+" "+u.Status)
	}
	out := "receipt: " + strings.Join(said, ", ")
	if r.SubjectKind != "" {
		out += "; about a " + r.SubjectKind
	} else {
		out += "; about nobody"
	}
	if o.IDCookie != "" {
		out += "; id kept"
	}
	return out
}

// show tells what an event of this state may be used for in an opt-in regime.
func (p *play) show(s *State) string {
	now := p.f.time()
	r := Resolve(Rules{}, s, nil, now, now)
	var out []string
	for i := range s.Purposes().Len() {
		if r.Status(i) != Unknown {
			out = append(out, s.Purposes().At(i).Name+" "+r.Status(i).String())
		} else if r.Why[i] != NoChoice && r.Why[i] != UnreadableState {
			out = append(out, s.Purposes().At(i).Name+" "+r.Why[i].String())
		}
	}
	if r.Unreadable {
		out = append(out, "unreadable")
	}
	if len(out) == 0 {
		out = append(out, "nothing known")
	}
	for _, c := range []struct {
		name string
		c    Credential
	}{{"choice cookie", s.Presented.Choice}, {"id cookie", s.Presented.ID}, {"token", s.Presented.Token}} {
		if c.c > Valid {
			out = append(out, c.name+" "+c.c.String())
		}
	}
	if !s.Subject.IsZero() {
		out = append(out, "a "+s.Subject.Kind.String())
	}
	return strings.Join(out, ", ")
}
