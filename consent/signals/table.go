package signals

import (
	"errors"
	"fmt"
	"strings"

	"assent/consent"
	"assent/consent/cmp"
)

// table says where requests and events carry each scheme and who reads it. What the
// collector looks for in a request follows from this table alone; docs/signals.md shows
// it.
var table = []*Place{
	{Scheme: consent.GPC, In: Header, Name: "Sec-GPC", read: readGPC},

	{Scheme: consent.Segment, In: Event, Name: "context.consent", Member: "categoryPreferences", read: readSegment},
	{Scheme: consent.RudderStack, In: Event, Name: "context.consentManagement", read: readRudderStack},
	{Scheme: consent.Snowplow, In: Event, Name: "context.entities.consent_preferences", read: readSnowplow},

	stringAt(Cookie, "euconsent-v2", cmp.TCF),
	stringAt(Cookie, "eupubconsent-v2", cmp.TCF),
	stringAt(Query, "gdpr_consent", cmp.TCF),
	stringAt(Event, "context.IABTCF_TCString", cmp.TCF),
	stringAt(Cookie, "gpp", cmp.GPP),
	stringAt(Cookie, "OTGPPConsent", cmp.GPP),
	stringAt(Query, "gpp", cmp.GPP),
	stringAt(Event, "context.IABGPP_HDR_GppString", cmp.GPP),
	flagAt(Cookie, "usprivacy", cmp.USPrivacy),
	flagAt(Query, "us_privacy", cmp.USPrivacy),
	flagAt(Event, "context.IABUSPrivacy_String", cmp.USPrivacy),

	flagAt(Query, "gcs", cmp.GCS),
	flagAt(Query, "gcd", cmp.GCD),
	{Scheme: consent.ConsentMode, In: Event, Name: "context.consentMode", read: readConsentMode},
	flagAt(Query, "asc", cmp.UET),

	flagAt(Query, "att_status", cmp.ATT),
	flagAt(Query, "lmt", cmp.LMT),
	flagAt(Query, "is_lat", cmp.LAT),
	flagAt(Query, "ifa_type", cmp.IFAType),
	flagAt(Event, "context.device.attTrackingStatus", cmp.ATT),
	flagAt(Event, "context.device.lmt", cmp.LMT),
	flagAt(Event, "context.device.is_lat", cmp.LAT),
	flagAt(Event, "context.device.adTrackingEnabled", cmp.AdTracking),
	flagAt(Event, "context.device.ifa_type", cmp.IFAType),

	answersAt(Cookie, "OptanonConsent", cmp.OneTrust),
	{Scheme: consent.OneTrust, In: Cookie, Name: "OptanonAlertBoxClosed"},
	listAt(Cookie, "CookieConsent", cmp.Cookiebot),
	answersAt(Cookie, "cc_cookie", cmp.CookieConsent),
	listAt(Cookie, "didomi_token", cmp.Didomi),
	answersAt(Cookie, "cookieyes-consent", cmp.CookieYes),
	answersAt(Cookie, "c15t", cmp.C15t),
	listAt(Cookie, "klaro", cmp.Klaro),
	listAt(Cookie, "tarteaucitron", cmp.Tarteaucitron),
	answersAt(Cookie, "axeptio_cookies", cmp.Axeptio),
	listAt(Cookie, "CookieInformationConsent", cmp.CookieInformation),
}

// Places lists the places of one kind.
func Places(in Where) (out []*Place) {
	for _, p := range table {
		if p.In == in {
			out = append(out, p)
		}
	}
	return out
}

// At is the place of a name; nil: nothing is looked for there. Names of header fields
// compare in any case (RFC 9110, 5.1).
func At(in Where, name string) *Place {
	for _, p := range table {
		if p.In == in && (p.Name == name || in == Header && strings.EqualFold(p.Name, name)) {
			return p
		}
	}
	return nil
}

// Cookies takes what the cookies of a Cookie header's value carry of signals, at the places
// of the table and at more.
func Cookies(line string, more ...*Place) (out []Carried) {
	for pair := range strings.SplitSeq(line, ";") {
		name, value, _ := strings.Cut(strings.Trim(pair, " \t"), "=")
		p := At(Cookie, name)
		for _, m := range more {
			if m.In == Cookie && m.Name == name {
				p = m
			}
		}
		if p != nil {
			out = append(out, Carried{p, []byte(value)})
		}
	}
	return out
}

// Renamed is a place of values that stand at a place of the table under another name. The
// scheme must have one kind of values: of two nobody could tell which these are.
func Renamed(in Where, name string, as consent.Scheme) (*Place, error) {
	var like *Place
	for _, p := range table {
		switch {
		case p.Scheme != as || p.kind == cmp.Unknown || p.In == Event:
		case like != nil && like.kind != p.kind:
			return nil, fmt.Errorf("%q has values of several kinds, so that nobody can tell which these are", as)
		default:
			like = p
		}
	}
	if like != nil {
		return extra(&Place{Scheme: as, In: in, Name: name, kind: like.kind, read: like.read})
	}
	return nil, fmt.Errorf("%q is no scheme whose values have a form of their own; docs/signals.md lists those that have one", as)
}

// Declared is a place of values that a form reads: the scheme is custom.
func Declared(in Where, name string, f cmp.Form) (*Place, error) {
	c, err := cmp.Compile(f)
	if err != nil {
		return nil, err
	}
	return extra(&Place{Scheme: consent.Custom, In: in, Name: name, read: declared(c, f.Chosen != "")})
}

// extra checks a place that is in no table.
func extra(p *Place) (*Place, error) {
	switch {
	case p.In == Event:
		return nil, errors.New("want a header, a cookie or a query")
	case !isToken(p.Name) || len(p.Name) > maxPlaceName:
		return nil, fmt.Errorf("%q: want a name of up to %d letters, digits, dots, - and _", p.Name, maxPlaceName)
	case At(p.In, p.Name) != nil:
		return nil, fmt.Errorf("%s is looked for already, as %s", p, At(p.In, p.Name).Scheme)
	}
	return p, nil
}

const maxPlaceName = 63

func isToken(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && c != '-' && c != '_' && c != '.' {
			return false
		}
	}
	return s != ""
}
