package collector_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"assent/collector"
	"assent/policy"
)

// stamped is what one event's records say of place and law, and what they hold.
func (w *twins) stamped(q query) (stamp, values string) {
	w.t.Helper()
	w.waiting, w.jars = nil, map[string]map[string]string{}
	if q.image {
		w.send("GET", "/v1/pixel.gif?k="+q.source.Key+"&data="+base64.RawURLEncoding.EncodeToString([]byte(q.event)), q, nil, 200)
	} else {
		w.send("POST", "/v1/events?k="+q.source.Key, q, []byte(q.event), 200)
	}
	for i := range w.waiting {
		r := w.waiting[i].record(w.t)
		for _, h := range r.Headers {
			if (h.Key == "privacy-jurisdiction" || h.Key == "privacy-regime") && i == 0 {
				stamp += string(h.Value) + " "
			}
		}
		values += string(r.Value)
	}
	return strings.TrimSpace(stamp), values
}

const anOrder = `{"type":"track","event":"Order Completed","properties":{"order_id":"o"}}`

// TestFetchersHaveNoPlace: an image that a mail provider fetches is judged by the
// strictest law, and what the provider's request tells is not offered as the reader's;
// nobody else's request is taken for one.
func TestFetchersHaveNoPlace(t *testing.T) {
	w := newTwinsUnder(t, []byte(readerPolicy))
	f := func(image bool, agent, stamp string, offered bool) {
		t.Helper()
		for _, named := range []string{"", "US"} {
			got, values := w.stamped(query{event: anOrder, source: w.sources[0], place: "US-CA", image: image, agent: agent, country: named})
			if got != stamp {
				t.Errorf("%q, named %q: %s, want %s", agent, named, got, stamp)
			}
			for _, held := range []string{`"ip":"` + addresses["US-CA"], `"userAgent":"` + agent, `"anonymousId":`} {
				if agent == "" && strings.Contains(held, "Agent") {
					continue
				}
				if strings.Contains(values, held) != offered {
					t.Errorf("%q: %s offered %v: %s", agent, held, !offered, values)
				}
			}
		}
	}
	const here, nowhere = "US-CA CCPA", "unknown STRICTEST"
	for _, agent := range []string{
		"Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
		"YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html",
		"Mozilla/5.0 (compatible; YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html)",
		"Mozilla/5.0",
		"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/118.0.5993.117 Safari/537.36 FastmailUA/1.0",
		"hey.com/imageproxy Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/134.0.0.0 Safari/537.36",
	} {
		f(true, agent, nowhere, false)
		f(false, agent, here, true)
	}
	for _, agent := range []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Mozilla/4.0", "Mozilla/5.0 (X11)", "", "Mozilla/5.0 hey.com/imageproxy",
	} {
		f(true, agent, here, true)
	}
}

// readerPolicy keeps on contract all that a request offers.
const readerPolicy = `policy: reader
version: 1
controller: {name: n, contact: c}
purposes: {necessary: {basis: contract}}
recipients: {own: {topic: events, role: own, purposes: [necessary]}}
defaults: {events: [necessary]}
fields:
  type: &all {purposes: [necessary], category: c, why: w}
  anonymousId: *all
  context.ip: *all
  context.userAgent: *all
`

// TestPlaceThatANetworkNames: the finer of two places that agree; the law of both where
// they do not, counted; the strictest where one is said to be unknown; contract and law
// alone where a header cannot be read; and nothing at all from a peer nobody trusts.
func TestPlaceThatANetworkNames(t *testing.T) {
	w := newTwins(t)
	f := func(address, country, region, want string) {
		t.Helper()
		if got, _ := w.stamped(query{event: anOrder, source: w.sources[0], place: address, country: country, region: region}); got != want {
			t.Errorf("%s, named %q %q: %s, want %s", address, country, region, got, want)
		}
	}
	f("FR", "", "", "FR GDPR")
	f("FR", "FR", "", "FR GDPR")
	f("FR", "fr", "IDF", "FR-IDF GDPR")
	f("US-CA", "US", "", "US-CA CCPA")
	f("US-CA", "US", "us-ca", "US-CA CCPA")
	f("nowhere", "FR", "", "FR GDPR")
	f("nowhere", "US", "NY", "US-NY US-STATES")
	f("hidden", "FR", "", "unknown STRICTEST")
	f("FR", "XX", "", "unknown STRICTEST")
	f("FR", "T1", "", "unknown STRICTEST")
	f("FR", "F", "", "unknown STRICTEST") // unreadable, for which the law makes no odds
	f("FR", "", "IDF", "unknown STRICTEST")
	if got := w.count("assent_collector_places_disagree_total"); got != 0 {
		t.Errorf("%d places disagree", got)
	}
	f("FR", "US", "CA", "FR CCPA,GDPR")
	f("US-CA", "FR", "", "US-CA CCPA,GDPR")
	f("US-CA", "US", "NY", "US-CA CCPA,US-STATES")
	f("FR", "BR", "", "FR GDPR,LGPD")
	if got := w.count("assent_collector_places_disagree_total"); got != 4 {
		t.Errorf("%d places disagree, want 4", got)
	}
	if got := w.count(`assent_policy_decisions_total{regime="LGPD",purpose="necessary",decision="allowed"}`); got != 1 {
		t.Errorf("%d decisions under one of two laws, want 1", got)
	}
	if got := w.count("assent_collector_unlocated_total"); got != 2 {
		t.Errorf("%d could not be told, want 2", got)
	}

	w.peer = "198.51.100.7"
	f("FR", "US", "CA", "unknown STRICTEST") // the peer is the client, and no database knows it
	f("FR", "F", "", "unknown STRICTEST")
	if got := w.count("assent_collector_unlocated_total"); got != 2 {
		t.Errorf("a stranger's header was read: %d", got)
	}
}

// TestUnreadablePlaceLeavesContractAlone: a header that cannot be read is not the same
// as a place that nobody knows.
func TestUnreadablePlaceLeavesContractAlone(t *testing.T) {
	w := newTwins(t)
	signIn := `{"type":"track","event":"Signed In"}` // rests on an interest, under any law
	if _, values := w.stamped(query{event: signIn, source: w.sources[0], place: "FR", country: "XX"}); values == "" {
		t.Error("unknown: withheld")
	}
	if _, values := w.stamped(query{event: signIn, source: w.sources[0], place: "FR", country: "F"}); values != "" {
		t.Errorf("unreadable: %s", values)
	}
}

// count is one line of the metrics.
func (w *twins) count(name string) (n int) {
	w.t.Helper()
	var b bytes.Buffer
	w.edge.WriteMetrics(&b)
	_, line, found := strings.Cut(b.String(), "\n"+name+" ")
	if !found {
		w.t.Fatalf("no %s", name)
	}
	_, _ = fmt.Sscan(line, &n)
	return n
}

// newTwinsUnder is serve and explain under a policy.
func newTwinsUnder(t *testing.T, document []byte) *twins {
	w := &twins{story: newStoryUnder(t, document), sources: []*collector.Source{
		{ID: "web", Kind: collector.KindWeb, Key: "web", Audience: policy.General},
	}}
	w.open()
	return w
}

// TestLongUserAgents: what counts of a user agent is bounded, at the end of a
// character, and explained so.
func TestLongUserAgents(t *testing.T) {
	w := newTwinsUnder(t, []byte(readerPolicy))
	for agent, want := range map[string]string{
		strings.Repeat("x", 512):                            strings.Repeat("x", 512),
		strings.Repeat("x", 513):                            strings.Repeat("x", 512),
		strings.Repeat("x", 511) + strings.Repeat("é", 100): strings.Repeat("x", 511),
		strings.Repeat("x", 512) + "é":                      strings.Repeat("x", 512),
		strings.Repeat("x", 509) + "😀":                      strings.Repeat("x", 509),
	} {
		q := query{event: anOrder, source: w.sources[0], place: "US-CA", agent: agent}
		if _, values := w.stamped(q); !strings.Contains(values, `"userAgent":"`+want+`"`) {
			t.Errorf("of %d bytes not %d are stored: %s", len(agent), len(want), values)
		}
		if served, explained := w.serve(q), w.explain(q); served != explained {
			t.Errorf("served:\n%s\nexplained:\n%s", served, explained)
		}
	}
}
