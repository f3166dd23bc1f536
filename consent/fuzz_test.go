package consent

import (
	"bytes"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"
)

// FuzzParseRecord: what is read is written back byte for byte, so a value has one
// reading; whatever is read can be folded and merged.
func FuzzParseRecord(f *testing.F) {
	for _, seed := range []string{
		"", "\x01", "\x02",
		string(AppendRecord(nil, &Record{Entries: []Entry{
			{Purpose: "ads", Status: Denied, Version: Version{1e15, 3}, Since: 1e15, Method: Form, Notice: "7", Receipt: "r"},
			{Purpose: "analytics", Status: Granted, Version: Version{2e15, 0}, Since: 1e15, Until: 3e15, Revision: 2, Method: Banner},
		}})),
		"\x01\x03ads\x23\x80\x80\x80\x80\x80\x80\x80\x80\x80\x01\x00\x00\x00\x00",
		"\x01\x03ads\x21\x81\x00\x00\x00\x00\x00", // a number not in its shortest form
		"\x01\x01b\x21\x01\x00\x00\x00\x00\x01a\x21\x01\x00\x00\x00\x00",
		"\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
	} {
		f.Add([]byte(seed))
	}
	p := shop(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := ParseRecord(Subject{Visitor, "v"}, raw)
		if err != nil {
			return
		}
		if !bytes.Equal(AppendRecord(nil, r), raw) {
			t.Fatal("two forms of one record")
		}
		if m := Merge(r, r); len(m.Entries) != len(r.Entries) {
			t.Fatal("a purpose twice")
		}
		s := Fold(p, r)
		if s.Granted&s.Denied != 0 {
			t.Fatal("granted and denied at once")
		}
	})
}

// FuzzIdentify: nothing that was not signed here has an effect, and nothing panics.
func FuzzIdentify(f *testing.F) {
	x := setup(f)
	o := x.choose(f, nil, `{"all":"granted","link":{"anonymousId":"X"}}`)
	own := map[string]bool{o.ChoiceCookie: true, o.IDCookie: true, o.Token: true, "~" + o.ChoiceCookie: true}
	narrowed := o.IDCookie + "~" + string(NarrowOnly) + o.ChoiceCookie // the id is proven all the same
	own[narrowed] = true
	f.Add("", "", narrowed)
	f.Add(o.ChoiceCookie, o.IDCookie, o.Token)
	f.Add(o.IDCookie, o.ChoiceCookie, o.ChoiceCookie)
	f.Add("", "", "~")
	f.Add(o.ChoiceCookie+";"+o.ChoiceCookie, o.IDCookie+";"+o.IDCookie, "")
	f.Add("a..", "0.a.b", "~~")
	f.Add(o.ChoiceCookie[:20], o.IDCookie[:36], o.Token+"~")
	f.Add("a.AQ.AAAAAAAAAAAAAAAAAAAAAA", "01890a5d-ac96-774b-bcce-b302099a8057.a.AAAAAAAAAAAAAAAAAAAAAA", ".~.")
	f.Fuzz(func(t *testing.T, choice, id, token string) {
		s := x.Identify([]byte(choice), []byte(id), []byte(token))
		if s.Granted|s.Denied != 0 && !own[choice] && !own[id] && !own[token] && !strings.Contains(choice+id, ";") {
			t.Fatalf("%+v", s.Presented)
		}
		if !strings.Contains(choice+id, ";") && s.Unreadable == (s.Presented.Choice <= Valid && s.Presented.Token <= Valid) {
			t.Fatalf("unreadable %v, though %+v", s.Unreadable, s.Presented)
		}
		if again := x.Identify([]byte(choice), []byte(id), []byte(token)); again.Presented != s.Presented || again.Granted != s.Granted {
			t.Fatal("the same bytes are answered differently")
		}
	})
}

// instant is a time whose JSON may hold escapes, which time.Time does not read.
type instant time.Time

func (i *instant) UnmarshalText(text []byte) error { return (*time.Time)(i).UnmarshalText(text) }

// FuzzParseChoice holds the reader against encoding/json: what it accepts, a strict
// decoder of the same shape accepts with the same meaning.
func FuzzParseChoice(f *testing.F) {
	for _, seed := range []string{
		`{"purposes":{"analytics":"granted","ads":"denied"},"method":"banner"}`,
		`{"all":"denied"}`, `{"all":"granted","all":"denied"}`, `{"all":"unknown"}`, `{"ALL":"denied"}`,
		`{"link":{"anonymousId":"8c1e2f0a-8f7e-4f3f-9a51-0c8d1f3f1b11"},"purposes":{}}`,
		`{"notice":{"id":"n","version":"1","hash":"sha256:0a","language":"fr-FR","variant":"A"},"asserted_at":"2026-11-22T10:00:00.123Z"}`,
		`{"preferences":{"newsletter":"weekly","sms":false}}`, `{"preferences":{"email":"a@b.c"}}`,
		`{"purposes":{"a":"granted","\u0061":"denied"}}`, `{"purposes":null}`, `[]`, `{}`, ``, `{"a":1}`, `{} {}`,
		"{\"link\":{\"anonymousId\":\"\u0000\"}}", `{"link":{"anonymousId":"\ud800"}}`, `{"link":{"userId":"u"}}`,
		`{"asserted_at":"\u0032026-11-22T10:00:00Z"}`,
	} {
		f.Add([]byte(seed))
	}
	type shape struct {
		Purposes    map[string]string `json:"purposes"`
		All         string            `json:"all"`
		Preferences map[string]any    `json:"preferences"`
		Link        struct {
			AnonymousID string `json:"anonymousId"`
		} `json:"link"`
		Notice     Notice  `json:"notice"`
		Method     string  `json:"method"`
		AssertedAt instant `json:"asserted_at"`
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := ParseChoice(body)
		if err != nil {
			if !reflect.DeepEqual(c, Choice{}) {
				t.Fatal("a refused choice has content")
			}
			return
		}
		var o shape
		if err := strict(bytes.TrimPrefix(body, []byte("\ufeff")), &o); err != nil {
			t.Fatalf("accepted what is refused: %v", err)
		}
		if c.Method.String() != o.Method && (o.Method != "" || c.Method != API) ||
			c.AnonymousID != o.Link.AnonymousID || c.Notice != o.Notice || !c.AssertedAt.Equal(time.Time(o.AssertedAt)) ||
			len(c.Purposes) != len(o.Purposes) || len(c.Preferences) != len(o.Preferences) {
			t.Fatalf("%+v is read as %+v", o, c)
		}
		for n, s := range c.Purposes {
			if o.Purposes[n] != s.String() {
				t.Fatalf("purpose read as %s, is %q", s, o.Purposes[n])
			}
		}
		if c.All != Unknown && c.All.String() != o.All {
			t.Fatalf("all read as %s, is %q", c.All, o.All)
		}
	})
}

// TestMarkedChoice: a byte order mark before a choice is no content.
func TestMarkedChoice(t *testing.T) {
	if c, err := ParseChoice([]byte("\ufeff{\"all\":\"denied\"}")); err != nil || c.All != Denied {
		t.Errorf("%v, %v", c.All, err)
	}
}

func TestParseChoiceRefuses(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 300))
	many := map[string]string{}
	for i := range MaxPurposes + 1 {
		many["p"+string(rune('0'+i/10))+string(rune('0'+i%10))] = "denied"
	}
	crowd, _ := json.Marshal(map[string]any{"purposes": many})
	for body, want := range map[string]string{
		``:                                "not valid JSON",
		`{"all":"denied"`:                 "not valid JSON",
		"{\"all\":\"denied\xff\"}":        "not valid JSON",
		`{"all":"denied"} x`:              "not valid JSON",
		`[]`:                              "a choice: want an object",
		`"denied"`:                        "a choice: want an object",
		`{"all":"denied","all":"denied"}`: "a choice: a name comes twice",
		`{"All":"denied"}`:                "a choice: an unknown name; known are purposes, all, preferences, link, subject, notice, method, asserted_at",
		`{"all":"maybe-secret"}`:          `all: want "granted" or "denied"`,
		`{"all":"unknown"}`:               `all: want "granted" or "denied"`,
		`{"all":true}`:                    `all: want "granted" or "denied"`,
		`{"purposes":["ads"]}`:            "purposes: want an object",
		`{"purposes":{"ads":"granted","\u0061ds":"denied"}}`:                          "purposes: a name comes twice",
		`{"purposes":{"a b":"granted"}}`:                                              "purposes: not a purpose's name, or too many",
		string(crowd):                                                                 "purposes: not a purpose's name, or too many",
		`{"link":{"userId":"secret"}}`:                                                "link: only anonymousId is known",
		`{"link":{"anonymousId":7}}`:                                                  "link.anonymousId: want a string",
		`{"link":{"anonymousId":""}}`:                                                 "link.anonymousId: want 1 to 256 bytes",
		`{"link":{"anonymousId":"` + long + `"}}`:                                     "link.anonymousId: want 1 to 256 bytes",
		`{"link":{"anonymousId":"a\u0000b"}}`:                                         "link.anonymousId: a character that is not text",
		`{"link":{"anonymousId":"a\u0085b"}}`:                                         "link.anonymousId: a character that is not text",
		`{"notice":{"copy":"secret"}}`:                                                "notice: an unknown name; known are id, version, hash, language, variant",
		`{"notice":{"id":{}}}`:                                                        "notice.id: want a string",
		`{"method":"telepathy"}`:                                                      "method: a method is one of banner, preference_centre, form, app, api, pair, paper, import, implied, signal, cmp",
		`{"asserted_at":"yesterday"}`:                                                 "asserted_at: want an RFC 3339 time",
		`{"asserted_at":"0000-01-01T00:00:00+23:59"}`:                                 "asserted_at: want a time from 1970 to now",
		`{"asserted_at":"0001-01-01T00:00:00Z"}`:                                      "asserted_at: want a time from 1970 to now",
		`{"asserted_at":"1969-12-31T23:59:59.999999999Z"}`:                            "asserted_at: want a time from 1970 to now",
		`{"asserted_at":"1970-01-01T00:00:00+00:01"}`:                                 "asserted_at: want a time from 1970 to now",
		`{"preferences":{"mail":"a@b.c"}}`:                                            "preferences: a value is true, false or a word of 64 letters, digits, '_', '-' or '.' at most",
		`{"all":"denied","x":"` + string(bytes.Repeat([]byte("x"), maxChoice)) + `"}`: "a choice has 16384 bytes at most",
	} {
		_, err := ParseChoice([]byte(body))
		if err == nil || err.Error() != want {
			t.Errorf("%.80s: %v, want %s", body, err, want)
		}
		if _, ours := err.(ChoiceError); !ours {
			t.Errorf("%.80s: not a ChoiceError", body)
		}
	}
}
