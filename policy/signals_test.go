package policy

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"assent/consent"
	"assent/consent/signals"
)

// mapped is a policy to whose purposes every scheme is mapped.
const mapped = `policy: mapped
version: "1"
controller: {name: Example Shop Ltd, contact: privacy@shop.example, established: [FR]}
statement: "We keep what you allow."
purposes:
  necessary: {title: Orders, basis: contract}
  fraud: {title: Fraud, basis: legitimate_interest, signals: {tcf: [7], didomi: [ads]}}
  analytics:
    title: Measuring
    basis: consent
    signals: {tcf: [8], gpp: [sharing], consent_mode: [analytics_storage], segment: [Analytics], rudderstack: [Analytics], snowplow: [analytics], onetrust: [C0002],
              cookiebot: [statistics], cookieconsent: [analytics], didomi: [analytics], cookieyes: [analytics], c15t: [measurement], klaro: [matomo],
              tarteaucitron: [matomo], axeptio: [matomo], cookieinformation: [cookie_cat_statistic], device: [ifa]}
  ads:
    title: Advertising
    basis: consent
    sale: true
    targeted_ads: true
    signals: {tcf: [1, 2, 3, 4], gpp: [sale, targeted_advertising], uspv1: [sale], consent_mode: [ad_storage, ad_user_data], uet: [ad_storage], segment: [Advertising],
              rudderstack: [Ads], snowplow: [ads], onetrust: [C0004], cookiebot: [marketing], cookieconsent: [ads], didomi: [ads], cookieyes: [advertisement],
              c15t: [marketing], klaro: [meta], tarteaucitron: [facebook], axeptio: [facebook_pixel], cookieinformation: [cookie_cat_marketing], device: [tracking]}
  sensitive: {title: Health, basis: explicit_consent, signals: {gpp: [sensitive_data, known_child], segment: [Health]}}
recipients:
  warehouse: {topic: events, purposes: [necessary, fraud, analytics, ads, sensitive], role: own}
defaults: {events: [analytics]}
fields:
  type: {purposes: [necessary, fraud, analytics, ads, sensitive], category: event, why: "What happened"}
`

// values are what may come, of every scheme: all that is allowed, a part, refusals, what
// may not be used and what cannot be read.
var values = []struct {
	in    signals.Where
	name  string
	value string
}{
	{signals.Header, "Sec-GPC", "1"},
	{signals.Header, "Sec-GPC", "0"},
	{signals.Event, "context.consent", `{"Analytics":true,"Advertising":true,"Functional":true,"Health":true}`},
	{signals.Event, "context.consent", `{"Analytics":true,"ads":false}`},
	{signals.Event, "context.consent", `{"Analytics":1}`},
	{signals.Event, "context.consentManagement", `{"allowedConsentIds":["Analytics","Ads"],"deniedConsentIds":[]}`},
	{signals.Event, "context.consentManagement", `{"allowedConsentIds":["Ads"],"deniedConsentIds":["Analytics"]}`},
	{signals.Event, "context.entities.consent_preferences", `[{"eventType":"allow_all"}]`},
	{signals.Event, "context.entities.consent_preferences", `[{"eventType":"allow_selected","consentScopes":["ads"]},{"eventType":"pending"}]`},
	{signals.Event, "context.entities.consent_preferences", `[{"eventType":"withdrawn"}]`},
	{signals.Cookie, "euconsent-v2", "CQtAQoAQtAQoAAHABBENAJFgAPMAAAAAAAqIAAAAAAAA.IAAA"},                        // all
	{signals.Cookie, "euconsent-v2", "CQtAQoAQtAQoAAHABBENAJFgAAEAAAAAAAqIAAAAAAAA.IAAA"},                        // purpose 8
	{signals.Query, "gdpr_consent", "CQtAQoAQtAQoAAHABBENAJFgAPIAAAEAAAqIAAAAAAAA.IAAA"},                         // 8 as legitimate interest
	{signals.Query, "gdpr_consent", "CQtAQoAQtAQoAAHABBENAJFgAAAAAAAAAAqIAAAAAAAA.IAAA"},                         // none
	{signals.Cookie, "eupubconsent-v2", "CQXENQAQXENQAAHABBENAJFgAPIAAAAAAAqIAAAAAAAA"},                          // expired
	{signals.Cookie, "euconsent-v2", "CQtAQoAQtAQoAAHABBENAJDgAPMAAAAAAAqIAAAAAAAA.IAAA"},                        // policy 3
	{signals.Event, "context.IABTCF_TCString", `"CQtAQoAQtAQoAAHABBENAJFgAPMAAAAAAAqIAAAAAAAA.IAAA.YCAAAAAAAA"`}, // the brand's own: 8
	{signals.Cookie, "euconsent-v2", "C"},
	{signals.Cookie, "gpp", "DBABL~BFQqAAAAAg"},
	{signals.Query, "gpp", "DBABL~BAAQAAAAAg"},
	{signals.Query, "gpp", "DBABL~BAAwAAAAAg"},
	{signals.Cookie, "OTGPPConsent", "DBABL~BEAgAAAAAg.Y"},
	{signals.Query, "gpp", "DBABM~CQtAQoAQtAQoAAHABBENAJFgAAEAAAAAAAqIAAAAAAAA.IAAA"},
	{signals.Query, "gpp", "CQtAQoAQtAQoAAHABBENAJFgAPMAAAAAAAqIAAAAAAAA.IAAA"},
	{signals.Cookie, "gpp", "DBABD~BQtAQoAQtAQoAAHABBENAJCAAeYAAAAAAAAAAAAAA"},
	{signals.Cookie, "gpp", "DBABD~BQtAQoAQtAQoAAHABBENAJCAAAIAAeQAAAAAAAAAA"},
	{signals.Cookie, "gpp", "DBABD~BQtAQoAQtAQoAAHABB_NAJCAAAIAAAAAAAAAAAAAA"},
	{signals.Event, "context.IABGPP_HDR_GppString", `"D"`},
	{signals.Query, "us_privacy", "1YNN"},
	{signals.Cookie, "usprivacy", "1YYN"},
	{signals.Query, "us_privacy", "1---"},
	{signals.Query, "gcs", "G111"},
	{signals.Query, "gcs", "G100"},
	{signals.Query, "gcd", "13r3q3r3r5l1"},
	{signals.Query, "gcd", "13p3t3p3p5l1"},
	{signals.Event, "context.consentMode", `{"ad_storage":"GRANTED","ad_user_data":"DENIED"}`},
	{signals.Query, "asc", "G"},
	{signals.Query, "asc", "D"},
	{signals.Query, "att_status", "3"},
	{signals.Query, "att_status", "2"},
	{signals.Event, "context.device.lmt", "1"},
	{signals.Query, "is_lat", "0"},
	{signals.Query, "ifa_type", "sessionid"},
	{signals.Event, "context.device.adTrackingEnabled", "false"},
	{signals.Cookie, "OptanonAlertBoxClosed", "2026-11-21T07:20:51.814Z"},
	{signals.Cookie, "OptanonAlertBoxClosed", "x"},
	{signals.Cookie, "OptanonConsent", "groups=C0002:1,C0004:1,C0003:1"},
	{signals.Cookie, "OptanonConsent", "groups=C0002:1,C0004:0"},
	{signals.Cookie, "OptanonConsent", "groups=C0002:1"},
	{signals.Cookie, "OptanonConsent", "groups=C0002"},
	{signals.Cookie, "CookieConsent", "{stamp:'x',statistics:true,marketing:true,method:'explicit'}"},
	{signals.Cookie, "CookieConsent", "{stamp:'x',statistics:true,marketing:false,method:'implied'}"},
	{signals.Cookie, "cc_cookie", `{"categories":["ads"],"lastConsentTimestamp":"2026-11-02T03:04:05.678Z"}`},
	{signals.Cookie, "cc_cookie", `{"categories":["ads","analytics"],"lastConsentTimestamp":"2025-11-02T03:04:05.678Z","expirationTime":1770000000000}`},
	{signals.Cookie, "didomi_token", "eyJwdXJwb3NlcyI6eyJlbmFibGVkIjpbImFkcyIsImFuYWx5dGljcyJdfX0="},
	{signals.Cookie, "cookieyes-consent", "action:yes,analytics:yes,advertisement:no"},
	{signals.Cookie, "c15t", "c.marketing:1,i.t:1795300000000"},
	{signals.Cookie, "klaro", `{"matomo":true,"meta":false}`},
	{signals.Cookie, "tarteaucitron", "!matomo=wait!facebook=true"},
	{signals.Cookie, "axeptio_cookies", `{"facebook_pixel":true,"matomo":true,"$$completed":true}`},
	{signals.Cookie, "CookieInformationConsent", `{"consents_approved":["cookie_cat_marketing"],"consents_denied":["cookie_cat_statistic"]}`},
}

// TestSignalsOnlyNarrow: over all pairs of values and all sets of grants of each policy, what
// is allowed with both is allowed with either, and what is allowed with one is allowed
// with none.
func TestSignalsOnlyNarrow(t *testing.T) {
	policies := shipped(t)
	policies["mapped.yaml"] = []byte(mapped)
	for name, data := range policies {
		p := mustCompile(t, name, data)
		hear := func(of ...int) consent.Signals { return hears(t, p, of...) }
		// Many pairs come to the same, which is asked once.
		type heardOf struct{ one, other, both consent.Signals }
		pairs := map[heardOf][2]int{}
		for i := range values {
			for j := range values {
				pairs[heardOf{hear(i), hear(j), hear(i, j)}] = [2]int{i, j}
			}
		}
		narrowed := narrow(t, p, func(allowed func(*consent.Signals) consent.PurposeSet) (narrowed int) {
			none := allowed(nil)
			for k, pair := range pairs {
				one, other, both := allowed(&k.one), allowed(&k.other), allowed(&k.both)
				if both&^(one&other) != 0 || (one|other)&^none != 0 {
					t.Errorf("%s: %v and %v: both allow %b, one %b, the other %b, none %b", name, values[pair[0]], values[pair[1]], both, one, other, none)
				}
				if both != none {
					narrowed++
				}
			}
			return narrowed
		})
		if narrowed == 0 {
			t.Errorf("%s: no signal takes anything away", name)
		}
		t.Logf("%s: %d pairs, %d of them different; they narrowed %d times", name, len(values)*len(values), len(pairs), narrowed)
	}
}

// hears is what a request with some of the values says.
func hears(t *testing.T, p *Policy, of ...int) (s consent.Signals) {
	t.Helper()
	var came []signals.Carried
	for _, i := range of {
		v := values[i]
		place := signals.At(v.in, v.name)
		if place == nil {
			t.Fatalf("nothing is looked for at %s %s", v.in, v.name)
		}
		came = append(came, signals.Carried{Place: place, Value: []byte(v.value)})
	}
	p.Signals().Read(came, frozen, &s)
	return s
}

// TestMoreSignalsNarrowMore: one value more, wherever it stands among up to five others,
// never allows more.
func TestMoreSignalsNarrowMore(t *testing.T) {
	p := mustCompile(t, "mapped.yaml", []byte(mapped))
	random := rand.New(rand.NewPCG(1, 2))
	all := p.Purposes().All()
	r := p.Regime(place(t, "US-CA"), frozen)
	allowed := func(s consent.Signals, granted consent.PurposeSet) consent.PurposeSet {
		res := consent.Resolve(r.Rules, recorded(p.Purposes(), granted, 0), &s, frozen, frozen)
		return p.Allowed(Source{General}, r, &res)
	}
	differ := 0
	for range 20_000 {
		// OneTrust's values go together: choose among them more often than by chance.
		var few []int
		for range 1 + random.IntN(5) {
			i := random.IntN(len(values))
			if random.IntN(2) == 0 {
				i = oneTrust[random.IntN(len(oneTrust))]
			}
			few = append(few, i)
		}
		more := slices.Insert(slices.Clone(few), random.IntN(len(few)+1), random.IntN(len(values)))
		was, is := hears(t, p, few...), hears(t, p, more...)
		for _, granted := range []consent.PurposeSet{0, all} {
			a, b := allowed(was, granted), allowed(is, granted)
			if b&^a != 0 {
				t.Fatalf("%v allow %b, and %v %b", few, a, more, b)
			}
			if a != b {
				differ++
			}
		}
	}
	if differ < 1000 {
		t.Errorf("one value more took something away %d times", differ)
	}
}

// oneTrust are the indices of its values.
var oneTrust = func() (out []int) {
	for i, v := range values {
		if strings.HasPrefix(v.name, "Optanon") {
			out = append(out, i)
		}
	}
	return out
}()

// narrow calls f in places of each kind and for all sets of grants, and adds up what it counts.
func narrow(t *testing.T, p *Policy, f func(allowed func(*consent.Signals) consent.PurposeSet) int) (sum int) {
	all := p.Purposes().All()
	for _, code := range []string{"", "FR", "US-CA", "US", "CA-QC"} {
		r := p.Regime(place(t, code), frozen)
		for granted := consent.PurposeSet(0); ; granted = (granted - all) & all {
			state := recorded(p.Purposes(), granted, 0)
			sum += f(func(s *consent.Signals) consent.PurposeSet {
				res := consent.Resolve(r.Rules, state, s, frozen, frozen)
				return p.Allowed(Source{General}, r, &res)
			})
			if granted == all {
				break
			}
		}
	}
	return sum
}
