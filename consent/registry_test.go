package consent

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

func TestOptionsNameEveryMistake(t *testing.T) {
	_, err := NewRegistry(Options{GrantLife: 500 * 24 * time.Hour, CacheSize: 1})
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"store", "cookie keys", "receipt keys", "controller", "grant life", "cache size"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q says nothing of %s", err, want)
		}
	}
}

// TestRefusalKeepsNoIdentifier: what a refusal leaves on the device and in the store
// does not tell one visitor from another.
func TestRefusalKeepsNoIdentifier(t *testing.T) {
	f := setup(t)
	first := f.choose(t, nil, `{"all":"denied"}`)
	f.turn(17*time.Minute + 3*time.Microsecond)
	second := f.choose(t, nil, `{"all":"denied"}`)
	if first.ChoiceCookie == "" || first.IDCookie != "" {
		t.Fatalf("choice %q, id %q", first.ChoiceCookie, first.IDCookie)
	}
	f.turn(time.Minute)
	third := f.choose(t, nil, `{"all":"denied"}`)
	if second.ChoiceCookie != third.ChoiceCookie {
		t.Error("two refusals of one hour differ")
	}
	if len(f.store.records) != 0 || len(f.store.links) != 0 {
		t.Error("a refusal left a record")
	}
	for _, raw := range f.store.receipts {
		if strings.Contains(string(raw), `"subject`) {
			t.Error("a refusal's receipt names somebody")
		}
	}
}

func TestChoiceCookieSize(t *testing.T) {
	var list []Purpose
	for _, n := range strings.Fields("analytics advertising personalisation recommendations social_media ab_testing " +
		"session_replay email_marketing audience_match geolocation research partner_sharing") {
		list = append(list, Purpose{Name: n, Basis: Consent, Revision: 300})
	}
	f := setup(t)
	p, err := NewPurposes(list)
	if err != nil {
		t.Fatal(err)
	}
	f.Use(p)
	o := f.choose(t, nil, `{"purposes":{"social_media":"denied"}}`)
	f.turn(time.Hour)
	o = f.choose(t, o.State, `{"all":"granted"}`)
	cookie := f.ChoiceCookie(o.State, true)
	if longest := p.LongestCookie(); len(cookie) > longest || longest > MaxCookie {
		t.Errorf("%d bytes, said to be %d at most", len(cookie), longest)
	}
	if len(cookie) > 1024 {
		t.Errorf("%d bytes for 12 purposes", len(cookie))
	}
	t.Logf("choice cookie of 12 grants: %d bytes; token: %d", len(cookie), len(f.Token(o.State, true)))
	if raw, err := base64.RawURLEncoding.DecodeString(strings.Split(cookie, ".")[1]); err != nil || bytes.Contains(raw, []byte(o.ReceiptID)) {
		t.Error("the cookie holds the receipt's id")
	}
}

// TestCredentialsOfOthersMaking: nothing but our own unchanged values grants.
func TestCredentialsOfOthersMaking(t *testing.T) {
	f := setup(t)
	o := f.choose(t, nil, `{"all":"granted"}`)
	other := setup(t, func(o *Options) { o.CookieKeys = ring("b") })
	foreign := other.choose(t, nil, `{"all":"granted"}`)
	renamed := strings.Replace(foreign.ChoiceCookie, "b.", "a.", 1)
	f.turn(-f.time().Sub(day0))

	for name, c := range map[string]struct {
		choice, id, token string
		want              Presented
	}{
		"valid":               {o.ChoiceCookie, o.IDCookie, o.Token, Presented{Valid, Valid, Valid}},
		"foreign":             {foreign.ChoiceCookie, foreign.IDCookie, foreign.Token, Presented{Forged, Forged, Forged}},
		"our key id":          {renamed, "", "", Presented{Choice: Forged}},
		"id as choice":        {o.IDCookie, o.ChoiceCookie, "", Presented{Choice: Malformed, ID: Malformed}},
		"choice as token":     {"", "", o.ChoiceCookie, Presented{Token: Valid}},
		"two tokens":          {"", "", o.Token + o.Token, Presented{Token: Malformed}},
		"cut":                 {o.ChoiceCookie[:len(o.ChoiceCookie)-1], o.IDCookie[:len(o.IDCookie)-1], "", Presented{Choice: Forged, ID: Forged}},
		"token of a false id": {"", "", foreign.IDCookie + "~" + o.ChoiceCookie, Presented{Token: Forged}},
		"garbage":             {"x", "..", "~", Presented{Malformed, Malformed, Malformed}},
		"long":                {strings.Repeat("x", 5000), strings.Repeat("x", 5000), "", Presented{Choice: Malformed, ID: Malformed}},
		"upper-case identity": {"", strings.ToUpper(o.IDCookie), "", Presented{ID: Malformed}},
	} {
		s := f.Identify([]byte(c.choice), []byte(c.id), []byte(c.token))
		if s.Presented != c.want {
			t.Errorf("%s: %+v, want %+v", name, s.Presented, c.want)
		}
		if unread := c.want.Choice > Valid || c.want.Token > Valid; s.Unreadable != unread {
			t.Errorf("%s: unreadable %v", name, s.Unreadable)
		}
		if proven := c.want.ID == Valid || c.want.Token == Valid && c.token == o.Token; s.Subject.IsZero() == proven {
			t.Errorf("%s: subject %v", name, s.Subject.Kind)
		}
	}
	// Each single changed character is noticed.
	for i := range o.ChoiceCookie {
		b := []byte(o.ChoiceCookie)
		b[i] ^= 1
		if s := f.Identify(b, nil, nil); s.Presented.Choice == Valid {
			t.Errorf("character %d changed, still valid", i)
		}
	}
	for i := range o.IDCookie {
		b := []byte(o.IDCookie)
		b[i] ^= 1
		if s := f.Identify(nil, b, nil); s.Presented.ID == Valid {
			t.Errorf("id character %d changed, still valid", i)
		}
	}
}

// TestAnothersVisitorID: a stranger who learned a visitor's id cannot make it a
// tracker's id of his own, and his denial does not reach the visitor.
func TestAnothersVisitorID(t *testing.T) {
	f := setup(t)
	anna := f.choose(t, nil, `{"purposes":{"analytics":"granted"}}`)
	id := anna.State.Subject.ID
	f.choose(t, nil, `{"all":"granted","link":{"anonymousId":"`+id+`"}}`)
	if !f.Lookup(Subject{Anonymous, id}).Empty() {
		t.Error("a visitor's id was linked by a stranger")
	}
	f.choose(t, nil, `{"all":"denied","link":{"anonymousId":"`+id+`"}}`)
	if s := f.Identify([]byte(anna.ChoiceCookie), []byte(anna.IDCookie), nil); status(t, s, "analytics") != Granted {
		t.Error("a stranger withdrew the visitor's consent")
	}
	if s := f.Lookup(Subject{Anonymous, id}); status(t, s, "analytics") != Denied {
		t.Error("the denial did not reach the id it names")
	}
	f.choose(t, anna.State, `{"purposes":{"analytics":"granted"},"link":{"anonymousId":"`+id+`"}}`)
	if s := f.Lookup(Subject{Anonymous, id}); status(t, s, "analytics") != Granted {
		t.Error("her own id is refused to her")
	}
}

func TestReceipt(t *testing.T) {
	f := setup(t)
	c, err := ParseChoice([]byte(`{"purposes":{"analytics":"granted","fraud":"denied"},"method":"banner",
		"notice":{"id":"main","version":"7","hash":"sha256:ab","language":"fr","variant":"B"},
		"preferences":{"newsletter":"weekly","sms":false},
		"asserted_at":"2026-11-22T11:04:59+02:00"}`))
	if err != nil {
		t.Fatal(err)
	}
	c.NeedsID, c.Jurisdiction, c.Regimes = needsID, "FR", []string{"gdpr", "eprivacy"}
	c.Policy, c.PolicyHash, c.Source, c.Signals = "shop@2026-11-22", "sha256:cd", "web", SchemeSet(0).With(GPC).With(Segment)
	o, err := f.Record(context.Background(), c)
	if err != nil {
		t.Fatal(err)
	}
	public := ReceiptPublicKeys(f.o.ReceiptKeys)
	var indented bytes.Buffer
	if err := json.Indent(&indented, o.Receipt, "", "  "); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"as given": o.Receipt, "indented": indented.Bytes()} {
		r, err := VerifyReceipt(raw, public)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !r.AssertedAt.Equal(r.CollectedAt) || !r.CollectedAt.Equal(day0) {
			t.Errorf("asserted %v, collected %v", r.AssertedAt, r.CollectedAt)
		}
		var shown map[string]any
		body, _ := json.Marshal(r)
		if err := json.Unmarshal(body, &shown); err != nil {
			t.Fatal(err)
		}
		delete(shown, "record_id")
		delete(shown, "subject")
		got, _ := json.MarshalIndent(shown, "", "  ")
		golden(t, "testdata/receipt.txt", func(string, string) string { return string(got) })
	}
	if stored, err := f.Receipt(o.ReceiptID); err != nil || !bytes.Equal(stored, o.Receipt) {
		t.Errorf("the store kept another receipt: %v", err)
	}
	if o.State.Receipt != o.ReceiptID {
		t.Error("the state does not name its receipt")
	}
	for name, raw := range map[string]string{
		"status changed":  strings.Replace(string(o.Receipt), `"denied"`, `"granted"`, 1),
		"key renamed":     strings.Replace(string(o.Receipt), `"key":"r"`, `"key":"q"`, 1),
		"algorithm none":  strings.Replace(string(o.Receipt), `Ed25519`, `none`, 1),
		"something added": strings.Replace(string(o.Receipt), `{"receipt"`, `{"x":1,"receipt"`, 1),
		"two of them":     string(o.Receipt) + string(o.Receipt),
		"no receipt":      `{"receipt":null,"alg":"Ed25519","key":"r","signature":""}`,
		"nothing":         ``,
	} {
		if _, err := VerifyReceipt([]byte(raw), public); err == nil {
			t.Errorf("%s: verified", name)
		}
	}
	if _, err := VerifyReceipt(o.Receipt, ReceiptPublicKeys(ring("q"))); err == nil {
		t.Error("verified with another ring")
	}
}

// TestFailedWriteIsNotAChoice: the store's word counts after a failure, not a cache's.
func TestFailedWriteIsNotAChoice(t *testing.T) {
	f := setup(t)
	o := f.choose(t, nil, `{"purposes":{"analytics":"granted"},"link":{"anonymousId":"X"}}`)
	identify := func() *State { return f.Identify([]byte(o.ChoiceCookie), []byte(o.IDCookie), nil) }
	s := identify()
	f.Lookup(Subject{Anonymous, "X"})

	f.Registry.o.Store = &failingPut{f.store}
	c := Choice{All: Denied, Method: Banner, Visitor: s, NeedsID: needsID}
	_, err := f.Record(context.Background(), c)
	if !errors.Is(err, errDisk) || errors.As(err, new(ChoiceError)) {
		t.Fatalf("err = %v", err)
	}
	f.store.fail(errDisk)
	if !identify().Unreadable || !f.Lookup(Subject{Anonymous, "X"}).Unreadable {
		t.Error("answered from a cache after a failed write")
	}
	if s := identify(); s.Granted != 0 || s.Presented.ID != Valid {
		t.Errorf("unreadable, yet %b granted", s.Granted)
	}
	f.store.fail(nil)
	if identify().Unreadable {
		t.Error("a failure is remembered")
	}

	f.o.Rand = iotest.ErrReader(errors.New("no randomness"))
	if _, err := f.Record(context.Background(), Choice{All: Denied}); err == nil {
		t.Error("recorded without randomness")
	}
}

type failingPut struct{ *memStore }

func (failingPut) Put(context.Context, *Change) error { return errDisk }

// TestWithdrawalIsSeenByTheNextCall runs readers against a writer: an answer that
// starts after Record returned never knows less.
func TestWithdrawalIsSeenByTheNextCall(t *testing.T) {
	f := setup(t)
	o := f.choose(t, nil, `{"purposes":{"analytics":"granted"},"link":{"anonymousId":"X"}}`)
	choice, id := []byte(o.ChoiceCookie), []byte(o.IDCookie)
	stop := make(chan struct{})
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					f.Identify(choice, id, nil)
					f.Lookup(Subject{Anonymous, "X"})
				}
			}
		})
	}
	wg.Go(func() {
		for range 50 {
			f.Use(shop(t))
			f.choose(t, nil, `{"purposes":{"analytics":"denied"},"link":{"anonymousId":"Z"}}`)
		}
	})
	want := Granted
	for i := range 60 {
		body := `{"purposes":{"analytics":"denied"}}`
		if want = Denied; i%2 == 1 {
			body, want = `{"purposes":{"analytics":"granted"}}`, Granted
		}
		f.choose(t, f.Identify(nil, id, nil), body)
		if s := f.Identify(choice, id, nil); status(t, s, "analytics") != want {
			t.Fatalf("round %d: the next request is answered %s", i, status(t, s, "analytics"))
		}
		if s := f.Lookup(Subject{Anonymous, "X"}); status(t, s, "analytics") != want {
			t.Fatalf("round %d: the tracker is answered %s", i, status(t, s, "analytics"))
		}
	}
	close(stop)
	wg.Wait()
}

// TestCrossedLinksDoNotWait: two visitors who link each other's ids at once.
func TestCrossedLinksDoNotWait(t *testing.T) {
	f := setup(t)
	a := f.choose(t, nil, `{"all":"granted","link":{"anonymousId":"A"}}`)
	b := f.choose(t, nil, `{"all":"granted","link":{"anonymousId":"B"}}`)
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { f.choose(t, a.State, `{"all":"denied","link":{"anonymousId":"B"}}`) })
		wg.Go(func() { f.choose(t, b.State, `{"all":"denied","link":{"anonymousId":"A"}}`) })
	}
	wg.Wait()
}

func TestCacheIsBoundedAndExact(t *testing.T) {
	f := setup(t, func(o *Options) { o.CacheSize = 8 })
	for i := range 1000 {
		s := f.Lookup(Subject{Anonymous, strings.Repeat("x", i+1)})
		if !s.Empty() {
			t.Fatal("another's state")
		}
	}
	if len(f.cache.slots) != 8 {
		t.Errorf("%d slots", len(f.cache.slots))
	}
	// The same bytes split otherwise, or of another kind, are another question.
	f.choose(t, nil, `{"all":"denied","link":{"anonymousId":"42"}}`)
	if f.Lookup(Subject{Anonymous, "42"}).Empty() || !f.Lookup(Subject{User, "42"}).Empty() || !f.Lookup(Subject{Visitor, "42"}).Empty() {
		t.Error("kinds are mixed up")
	}
	o := f.choose(t, nil, `{"all":"denied"}`)
	if f.Identify([]byte(o.ChoiceCookie), nil, nil).Empty() || !f.Identify(nil, []byte(o.ChoiceCookie), nil).Empty() {
		t.Error("a choice cookie in the other place is answered alike")
	}
	o = f.choose(t, nil, `{"all":"granted"}`)
	gets := f.store.gets
	f.Identify([]byte(o.ChoiceCookie), []byte(o.IDCookie), nil)
	f.Identify([]byte(o.ChoiceCookie), []byte(o.IDCookie), nil)
	if f.store.gets != gets+1 {
		t.Errorf("%d reads for two equal questions", f.store.gets-gets)
	}
	// The caller's bytes are its own again after the call.
	b := []byte(o.ChoiceCookie)
	f.Identify(b, nil, nil)
	clear(b)
	if s := f.Identify(b, nil, nil); s.Presented.Choice == Valid {
		t.Error("the cache lives on the caller's bytes")
	}
}

func TestUnbrokenGrant(t *testing.T) {
	f := setup(t)
	var last *State
	since := func(body string) time.Time {
		last = f.choose(t, last, body).State
		i, _ := f.p.Index("analytics")
		return last.Entry(i).SinceTime()
	}
	first := since(`{"purposes":{"analytics":"granted"}}`)
	f.turn(time.Hour)
	if again := since(`{"purposes":{"analytics":"granted"}}`); !again.Equal(first) {
		t.Errorf("confirming moved the start to %v", again)
	}
	f.turn(time.Hour)
	since(`{"purposes":{"analytics":"denied"}}`)
	f.turn(time.Hour)
	if again := since(`{"purposes":{"analytics":"granted"}}`); again.Before(day0.Add(3 * time.Hour)) {
		t.Errorf("a withdrawal between is forgotten: since %v", again)
	}
	f.turn(400 * 24 * time.Hour)
	if again := since(`{"purposes":{"analytics":"granted"}}`); again.Before(day0.Add(400 * 24 * time.Hour)) {
		t.Errorf("a gap between is forgotten: since %v", again)
	}
	f.turn(time.Hour)
	implied := since(`{"purposes":{"analytics":"granted"},"method":"implied"}`)
	f.turn(time.Hour)
	if act := since(`{"purposes":{"analytics":"granted"},"method":"banner"}`); !act.After(implied) {
		t.Errorf("an act vouches for the time it was only implied: since %v", act)
	}
}

// TestRenewedGrantLivesAnew: where a grant holds six months, as in France, a grant given
// again holds six months more, whether the first one has ended by then or not.
func TestRenewedGrantLivesAnew(t *testing.T) {
	const month = 31 * 24 * time.Hour
	for _, again := range []time.Duration{5 * month, 7 * month} {
		f := setup(t)
		i, _ := f.p.Index("analytics")
		rules := Rules{Life: 6}
		why := func(s *State) string {
			return Resolve(rules, s, &Signals{}, f.now, f.now).Why[i].String()
		}
		s := f.choose(t, nil, `{"purposes":{"analytics":"granted"}}`).State
		f.turn(again)
		s = f.choose(t, s, `{"purposes":{"analytics":"granted"}}`).State
		f.turn(4 * month)
		if got := why(s); got != "recorded_grant" {
			t.Errorf("renewed after %v, four months later: %s", again, got)
		}
		f.turn(3 * month)
		if got := why(s); got != "grant_expired" {
			t.Errorf("renewed after %v, seven months later: %s", again, got)
		}
	}
}

func TestImagine(t *testing.T) {
	p := shop(t)
	s, err := Imagine(p, map[string]Status{"analytics": Granted, "ads": Denied, "health": Unknown}, day0)
	if err != nil {
		t.Fatal(err)
	}
	r := Resolve(Rules{Affirmative: p.All()}, s, nil, day0, day0)
	if r.Granted != set(t, p, "analytics") || r.Denied != set(t, p, "ads") {
		t.Errorf("granted %b, denied %b", r.Granted, r.Denied)
	}
	if _, err := Imagine(p, map[string]Status{"marketing": Granted}, day0); err == nil {
		t.Error("imagined what is not declared")
	}
}
