package collector_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"assent/collector"
	"assent/collector/dialect"
	"assent/consent"
	"assent/consent/signals"
	"assent/geo"
	"assent/policy"
)

// browser keeps cookies: those of answers, and those of a consent manager.
type browser struct {
	*story
	jar, cmp map[string]string
}

func newBrowser(t *testing.T, src *collector.Source) *browser {
	s := newStoryUnder(t, policy.Default()).remade(func(o *collector.Options) {
		o.Sources = []*collector.Source{src}
		o.Dialects = append(o.Dialects, collector.Route{Method: "GET", Path: "/v1/pixel.gif", Dialect: dialect.Pixel{}})
	})
	return &browser{s, map[string]string{}, map[string]string{}}
}

// oneTrust has the consent manager write its cookies: groups that are on, and when
// somebody chose, by the time since the story began.
func (b *browser) oneTrust(groups string, chosen time.Duration) {
	at := began.Add(chosen)
	b.cmp["OptanonConsent"] = "groups=" + strings.NewReplacer(":", "%3A", ",", "%2C").Replace(groups)
	b.cmp["OptanonAlertBoxClosed"] = at.Format("2006-01-02T15:04:05.000Z")
}

func (b *browser) do(method, path, body string, lines ...string) (answer string, set []string) {
	b.t.Helper()
	all := maps.Clone(b.jar)
	maps.Copy(all, b.cmp)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		lines = append(lines, "Cookie: "+name+"="+all[name])
	}
	r := b.talk(method, path, body, lines...)
	for line := range cookieLines(r) {
		pair, attributes, _ := strings.Cut(line, ";")
		name, value, _ := strings.Cut(pair, "=")
		set = append(set, name)
		if b.jar[name] = value; value == "" || strings.Contains(attributes, "Max-Age=0") {
			delete(b.jar, name)
		}
	}
	return string(r.Body()), set
}

// status is what stands for analytics.
func (b *browser) status() string {
	b.t.Helper()
	body, _ := b.do("GET", "/v1/consent?k=k", "")
	var s collector.Standing
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		b.t.Fatalf("%v: %s", err, body)
	}
	a := s.Purposes["analytics"]
	return fmt.Sprintf("%s, %s, allowed %t", a.Status, a.Why, a.Allowed)
}

// began is when every story does.
var began = time.Date(2026, 11, 22, 9, 0, 0, 0, time.UTC)

const (
	view     = `{"type":"page","name":"Home"}`
	recorded = "granted, recorded_grant, allowed true"
)

// TestAuthority: what a consent manager that speaks for the source's visitors says is
// recorded as the choice of the person, once for each change, and only what is newer than
// what is on record.
func TestAuthority(t *testing.T) {
	b := newBrowser(t, &collector.Source{ID: "web", Key: "k", Audience: policy.General, Authority: consent.SchemeSet(0).With(consent.OneTrust).With(consent.TCF)})
	send := func(want string, sets bool) {
		t.Helper()
		b.now = b.now.Add(time.Minute)
		body, set := b.do("POST", "/v1/events?k=k", view)
		if want = `{"accepted":1,"withheld":` + want; !strings.HasPrefix(body, want) || len(set) > 0 != sets {
			t.Errorf("answered %s, cookies %v, want %s and cookies: %t", body, set, want, sets)
		}
	}
	is := func(want string) {
		t.Helper()
		if got := b.status(); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	send("1", false)
	is("unknown, no_choice, allowed false")
	b.cmp["OptanonConsent"] = "groups=C0002%3A1" // defaults
	send("1", false)
	b.oneTrust("C0002:1,C0003:0,C0004:0", -time.Hour)
	send("0", true)
	is(recorded)
	for range 2 {
		send("0", false) // once for the change
	}

	// Taken back on the brand's own page: the consent manager's older yes gives nothing back.
	b.now = b.now.Add(time.Minute)
	b.do("POST", "/v1/consent?k=k", `{"purposes":{"analytics":"denied"}}`)
	send("1", false)
	is("denied, recorded_denial, allowed false")
	b.oneTrust("C0002:1,C0003:0,C0004:0", time.Hour+time.Minute) // a clock that is ahead
	send("1", false)
	// A newer yes does, and a newer no takes it again.
	b.now = b.now.Add(2 * time.Hour)
	send("0", true)
	is(recorded)
	b.oneTrust("C0002:0,C0003:0,C0004:0", b.now.Sub(began)+30*time.Second)
	send("1", true)
	is("denied, recorded_denial, allowed false")
	send("1", false)
	is("denied, recorded_denial, allowed false")
}

// TestAuthorityReachesNobodyElse: who may not speak, and what nobody can know to be the
// person's own, records nothing.
func TestAuthorityReachesNobodyElse(t *testing.T) {
	authority := consent.SchemeSet(0).With(consent.OneTrust).With(consent.TCF)
	grant := func(b *browser) { b.oneTrust("C0002:1,C0003:1,C0004:1", -time.Hour) }
	silent := "unknown, no_choice, allowed false"
	for name, c := range map[string]struct {
		source *collector.Source
		does   func(b *browser)
		want   string
	}{
		"a source without authority": {&collector.Source{}, grant, silent},
		"of another scheme":          {&collector.Source{Authority: consent.SchemeSet(0).With(consent.TCF)}, grant, silent},
		"an app that proves nobody":  {&collector.Source{Kind: collector.KindApp, Authority: authority}, grant, silent},
		"the source itself":          {&collector.Source{Authority: authority}, grant, recorded},
	} {
		src := c.source
		src.ID, src.Key, src.Audience = "web", "k", policy.General
		b := newBrowser(t, src)
		c.does(b)
		b.do("POST", "/v1/events?k=k", view)
		b.cmp = nil
		if got := b.status(); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}

	// A link to the pixel, which a victim follows with the cookies of the brand, carries
	// somebody else's string in its query.
	b := newBrowser(t, &collector.Source{ID: "web", Key: "k", Audience: policy.General, Authority: authority})
	b.now = time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	yes := tcYes()
	b.do("GET", "/v1/pixel.gif?k=k&type=page&name=Home&gdpr_consent="+yes, "")
	if got := b.status(); got != silent {
		t.Errorf("by a link: %s", got)
	}
	b.do("POST", "/v1/events?k=k&gdpr_consent="+yes, view)
	if got := b.status(); got != silent {
		t.Errorf("by the page, of somebody who proves nobody: %s", got)
	}
	b.do("POST", "/v1/consent?k=k", `{"purposes":{"preferences":"granted"}}`) // which keeps an id
	b.do("GET", "/v1/pixel.gif?k=k&type=page&name=Home&gdpr_consent="+yes, "")
	if got := b.status(); got != silent {
		t.Errorf("by a link, with an id: %s", got)
	}
	b.do("POST", "/v1/events?k=k&gdpr_consent="+yes, view)
	if got := b.status(); got != recorded {
		t.Errorf("by the page itself: %s", got)
	}
	// The string says the day only. What was refused on that day may have been refused later.
	b = newBrowser(t, &collector.Source{ID: "web", Key: "k", Audience: policy.General, Authority: authority})
	b.now = time.Date(2026, 11, 24, 9, 0, 0, 0, time.UTC)
	b.do("POST", "/v1/consent?k=k", `{"purposes":{"analytics":"denied"}}`)
	b.cmp["euconsent-v2"] = yes
	b.now = b.now.Add(time.Hour)
	if b.do("POST", "/v1/events?k=k", view); b.status() != "denied, recorded_denial, allowed false" {
		t.Errorf("on the day of the refusal: %s", b.status())
	}
}

// TestExplainAdopts: explain imagines what serve would record.
func TestExplainAdopts(t *testing.T) {
	b := newBrowser(t, &collector.Source{ID: "web", Key: "k", Audience: policy.General, Authority: consent.SchemeSet(0).With(consent.OneTrust)})
	b.oneTrust("C0002:1,C0004:0", -time.Hour)
	for _, authority := range []consent.SchemeSet{0, consent.SchemeSet(0).With(consent.OneTrust)} {
		x, err := collector.Explain(b.policy, collector.Hypothetical{
			Event: []byte(view), Source: &collector.Source{ID: "web", Kind: collector.KindWeb, Audience: policy.General, Authority: authority},
			Place: &geo.Jurisdiction{Country: [2]byte{'F', 'R'}}, Now: b.now,
			Carried: signals.Cookies("OptanonConsent=" + b.cmp["OptanonConsent"] + "; OptanonAlertBoxClosed=" + b.cmp["OptanonAlertBoxClosed"]),
		})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := x.Recipients[0].Pass, authority != 0; got != want || len(x.Heard[0].Recorded) > 0 != want {
			t.Errorf("authority %s: passes %t, heard %v", authority, got, x.Heard)
		}
	}
}

// TestOlderYes: a yes of the consent manager that is older than a refusal on the brand's
// own page gives nothing back, though a cookie without an id tells the hour only.
func TestOlderYes(t *testing.T) {
	for name, refusal := range map[string]string{
		"all": `{"all":"denied"}`, "one": `{"purposes":{"analytics":"denied"}}`, "by a bridge": `{"purposes":{"analytics":"denied"},"method":"cmp"}`,
	} {
		for _, adopted := range []bool{true, false} {
			b := newBrowser(t, &collector.Source{ID: "web", Key: "k", Audience: policy.General, Authority: consent.SchemeSet(0).With(consent.OneTrust)})
			b.now = began.Add(40 * time.Minute)
			b.oneTrust("C0002:1,C0003:1,C0004:1", 20*time.Minute)
			if adopted {
				b.do("POST", "/v1/events?k=k", view)
			}
			b.now = b.now.Add(time.Minute)
			b.do("POST", "/v1/consent?k=k", refusal)
			for range 3 {
				b.now = b.now.Add(time.Minute)
				b.do("POST", "/v1/events?k=k", view)
				if got := b.status(); got != "denied, recorded_denial, allowed false" {
					t.Errorf("%s, adopted before %t: %s", name, adopted, got)
				}
			}
		}
	}
}

// TestNewestClaim: of several strings that came the newest counts, of those of one instant
// the refusal, in whatever order they stand; and a refusal of the day of an adopted yes
// takes it back, as TC strings say the day only.
func TestNewestClaim(t *testing.T) {
	source := func() *collector.Source {
		return &collector.Source{ID: "web", Key: "k", Audience: policy.General, Authority: consent.SchemeSet(0).With(consent.TCF)}
	}
	day := func(d int) time.Time { return time.Date(2026, 11, d, 0, 0, 0, 0, time.UTC) }
	yes, no := tcString(day(20), true), tcString(day(21), false)
	for _, cookies := range []string{"Cookie: euconsent-v2=" + yes + "; euconsent-v2=" + no, "Cookie: euconsent-v2=" + no + "; euconsent-v2=" + yes} {
		b := newBrowser(t, source())
		b.do("POST", "/v1/consent?k=k", `{"purposes":{"preferences":"granted"}}`) // which keeps an id
		b.now = day(23)
		b.do("POST", "/v1/events?k=k", view, cookies)
		if got := b.status(); got != "denied, recorded_denial, allowed false" {
			t.Errorf("%.60s…: %s", cookies, got)
		}
	}
	// A yes with an hour, on the day of a refusal that tells the day only.
	one := "OptanonConsent=groups=C0002%3A1; OptanonAlertBoxClosed=2026-11-21T10:00:00.000Z"
	for _, cookies := range []string{"Cookie: " + one + "; euconsent-v2=" + no, "Cookie: euconsent-v2=" + no + "; " + one} {
		src := source()
		src.Authority = src.Authority.With(consent.OneTrust)
		b := newBrowser(t, src)
		b.do("POST", "/v1/consent?k=k", `{"purposes":{"preferences":"granted"}}`)
		b.now = day(23)
		b.do("POST", "/v1/events?k=k", view, cookies)
		if got := b.status(); got != "denied, recorded_denial, allowed false" {
			t.Errorf("%.60s…: %s", cookies, got)
		}
	}
	b := newBrowser(t, source())
	b.do("POST", "/v1/consent?k=k", `{"purposes":{"preferences":"granted"}}`)
	b.now = day(24).Add(9 * time.Hour)
	for _, c := range []struct{ cookie, want string }{
		{tcString(day(24), true), recorded},
		{tcString(day(24), false), "denied, recorded_denial, allowed false"},
		{tcString(day(24), true), "denied, recorded_denial, allowed false"},
	} {
		b.now = b.now.Add(time.Hour)
		b.cmp["euconsent-v2"] = c.cookie
		b.do("POST", "/v1/events?k=k", view)
		b.cmp = map[string]string{}
		if got := b.status(); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
	// A yes of long ago is no fresh one.
	b = newBrowser(t, source())
	b.cmp["euconsent-v2"] = tcString(time.Date(2025, 11, 1, 0, 0, 0, 0, time.UTC), true)
	b.do("POST", "/v1/events?k=k", view)
	b.cmp = map[string]string{}
	if got := b.status(); got != "unknown, no_choice, allowed false" {
		t.Errorf("of more than six months ago, in France: %s", got)
	}
}

// TestRaisedRevision: nobody can tell for which revision a string was made.
func TestRaisedRevision(t *testing.T) {
	document := strings.Replace(string(policy.Default()), "basis: consent, audience_measurement: true,", "basis: consent, revision: 2, audience_measurement: true,", 1)
	s := newStoryUnder(t, []byte(document)).remade(func(o *collector.Options) {
		o.Sources = []*collector.Source{{ID: "web", Key: "k", Audience: policy.General, Authority: consent.SchemeSet(0).With(consent.OneTrust)}}
	})
	b := &browser{s, map[string]string{}, map[string]string{}}
	b.oneTrust("C0002:1,C0003:1,C0004:0", -time.Hour)
	for range 3 {
		b.now = b.now.Add(time.Minute)
		b.do("POST", "/v1/events?k=k", view)
		if got := b.status(); strings.HasPrefix(got, "granted") {
			t.Error(got)
		}
	}
}

// TestRecordedOnce: a newer yes over a refusal that the browser carries is recorded once, and
// what GET says is what is delivered.
func TestRecordedOnce(t *testing.T) {
	b := newBrowser(t, &collector.Source{ID: "web", Key: "k", Audience: policy.General, Authority: consent.SchemeSet(0).With(consent.OneTrust)})
	b.do("POST", "/v1/consent?k=k", `{"purposes":{"analytics":"denied"}}`)
	b.now = b.now.Add(time.Minute)
	b.do("POST", "/v1/consent?k=k", `{"purposes":{"preferences":"granted"}}`)
	b.now = began.Add(3 * time.Hour)
	b.oneTrust("C0002:1,C0003:1,C0004:0", 2*time.Hour)
	for i := range 4 {
		b.now = b.now.Add(time.Minute)
		body, set := b.do("POST", "/v1/events?k=k", view)
		if got := b.status(); got != recorded || !strings.HasPrefix(body, `{"accepted":1,"withheld":0`) || len(set) > 0 != (i == 0) {
			t.Errorf("event %d: %s, %s, cookies %v", i, body, got, set)
		}
	}
}

// TestGPPGrantsByItsDatedSections: what a section of the United States does not forbid is no
// yes of the day of another section.
func TestGPPGrantsByItsDatedSections(t *testing.T) {
	document := strings.Replace(string(policy.Default()), "signals: {consent_mode: [functionality_storage, personalization_storage], ", "signals: {gpp: [sale], ", 1)
	if document == string(policy.Default()) {
		t.Fatal("the embedded policy maps something else")
	}
	s := newStoryUnder(t, []byte(document)).remade(func(o *collector.Options) {
		o.Sources = []*collector.Source{{ID: "web", Key: "k", Audience: policy.General, Authority: consent.SchemeSet(0).With(consent.GPP)}}
	})
	b := &browser{s, map[string]string{}, map[string]string{"gpp": "DBACNYA~" + tcString(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC), false) + "~1YNN"}}
	b.do("POST", "/v1/events?k=k", view)
	if body, _ := b.do("GET", "/v1/consent?k=k", ""); strings.Contains(body, `"granted"`) {
		t.Error(body)
	}
}

// TestAuthorityLeavesProof: the receipt holds what was read, where it came from and when it
// was made, and no identifier that stands in the cookie.
func TestAuthorityLeavesProof(t *testing.T) {
	b := newBrowser(t, &collector.Source{ID: "web", Key: "k", Audience: policy.General, Authority: consent.SchemeSet(0).With(consent.OneTrust)})
	b.oneTrust("C0002:1", -time.Hour)
	b.do("POST", "/v1/events?k=k", view)
	id := b.registry.Identify([]byte(b.jar["__Host-assent_choice"]), []byte(b.jar["__Host-assent_id"]), nil).Receipt
	raw, err := b.store.Receipt(id)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"method":"cmp"`, `"scheme":"onetrust"`, `"place":"cookie OptanonConsent"`, `"made":"2026-11-22T08:00:00Z"`, `"said":{"made":"2026-11-22T08:00:00.000Z","groups":{"C0002":"granted"}}`, `"hash":"`} {
		if !strings.Contains(string(raw), want) {
			t.Errorf("the receipt lacks %s: %s", want, raw)
		}
	}
}

// tcYes is a TC string of 2026-11-24 that says yes to all purposes.
func tcYes() string { return tcString(time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), true) }

// tcString is a TC string that says yes, or no, to all purposes.
func tcString(at time.Time, yes bool) string {
	made := fmt.Sprintf("%036b", at.UnixMilli()/100)
	consents := strings.Repeat(map[bool]string{true: "1", false: "0"}[yes], 24)
	digits := "000010" + made + made + strings.Repeat("0", 12+12+6) + "000100001101" + strings.Repeat("0", 12) + "000101" + "10" +
		strings.Repeat("0", 12) + consents + strings.Repeat("0", 24) + "0" + "000101010001" + strings.Repeat("0", 17+17+12)
	for len(digits)%6 != 0 {
		digits += "0"
	}
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
	var out strings.Builder
	for i := 0; i < len(digits); i += 6 {
		n := 0
		for _, d := range digits[i : i+6] {
			n = n<<1 | int(d-'0')
		}
		out.WriteByte(alphabet[n])
	}
	return out.String() + ".IAAA"
}

// TestAccounts: a server that shows its token records the choice of an account and sends
// its events; the account is one in all sources of a realm, and nobody else's.
func TestAccounts(t *testing.T) {
	const token = "a-token-of-more-than-twenty-characters"
	s := newStoryUnder(t, policy.Default()).remade(func(o *collector.Options) {
		o.Sources = []*collector.Source{
			{ID: "back", Kind: collector.KindServer, Key: "back", Bearer: token, Accounts: "shop", MayNameAddress: true, Audience: policy.General},
			{ID: "mail", Kind: collector.KindServer, Bearer: token + "2", Accounts: "shop", MayNameAddress: true, Audience: policy.General},
			{ID: "other", Kind: collector.KindServer, Bearer: token + "3", MayNameAddress: true, Audience: policy.General},
			{ID: "web", Key: "web", Audience: policy.General},
		}
	})
	choose := func(status int, body string, lines ...string) {
		t.Helper()
		s.now = s.now.Add(time.Minute)
		r := s.talk("POST", "/v1/consent", body, lines...)
		if r.StatusCode() != status {
			t.Errorf("%s: %d %s", body, r.StatusCode(), r.Body())
		}
		if cookies := setCookies(r); status != 201 && len(cookies) > 0 {
			t.Errorf("%s: cookies %v", body, cookies)
		}
	}
	event := func(want, more string, lines ...string) {
		t.Helper()
		s.now = s.now.Add(time.Minute)
		body := `{"type":"page","name":"Home","context":{"ip":"192.0.2.1"}` + more + `}`
		got := string(s.talk("POST", "/v1/events", body, lines...).Body())
		if want = `{"accepted":1,"withheld":` + want; !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", more, got, want)
		}
	}
	bearer := func(more string) string { return "Authorization: Bearer " + token + more }
	const (
		grant  = `{"purposes":{"analytics":"granted"},"subject":{"userId":"u-7"},"method":"form"}`
		refuse = `{"purposes":{"analytics":"denied"},"subject":{"userId":"u-7"}}`
	)
	for _, lines := range [][]string{{"X-A: b"}, {"Authorization: Basic d2ViOg=="}, {"Authorization: Basic YmFjazo="}} { // nobody, web:, back:
		path := "/v1/consent"
		if r := s.talk("POST", path, grant, lines...); r.StatusCode() != 401 && r.StatusCode() != 403 {
			t.Errorf("%v: %d %s", lines, r.StatusCode(), r.Body())
		}
	}
	event("1", `,"userId":"u-7"`, bearer(""))
	choose(400, `{"all":"granted","subject":{"userId":""}}`, bearer(""))
	choose(400, `{"all":"granted","subject":{"email":"x"}}`, bearer(""))
	choose(201, grant, bearer(""))
	event("0", `,"userId":"u-7"`, bearer(""))
	event("0", `,"userId":"u-7"`, bearer("2")) // of the same realm
	event("1", `,"userId":"u-7"`, bearer("3")) // of another
	event("1", `,"userId":"u-8"`, bearer(""))
	event("1", `,"userId":["u-7"]`, bearer(""))
	event("1", `,"userId":7.0`, bearer(""))
	event("1", `,"userId":"u-7"`, "Authorization: Basic YmFjazo=") // whoever has the public key
	choose(201, refuse, bearer("2"))
	event("1", `,"userId":"u-7"`, bearer(""))
}
