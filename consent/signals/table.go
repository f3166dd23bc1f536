package signals

import (
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

	{Scheme: consent.TCF, In: Cookie, Name: "euconsent-v2", read: readTCF},
	{Scheme: consent.TCF, In: Cookie, Name: "eupubconsent-v2", read: readTCF},
	{Scheme: consent.TCF, In: Query, Name: "gdpr_consent", read: readTCF},
	{Scheme: consent.TCF, In: Event, Name: "context.IABTCF_TCString", read: text(readTCF)},
	{Scheme: consent.GPP, In: Cookie, Name: "gpp", read: readGPP},
	{Scheme: consent.GPP, In: Cookie, Name: "OTGPPConsent", read: readGPP},
	{Scheme: consent.GPP, In: Query, Name: "gpp", read: readGPP},
	{Scheme: consent.GPP, In: Event, Name: "context.IABGPP_HDR_GppString", read: text(readGPP)},
	{Scheme: consent.USPrivacy, In: Cookie, Name: "usprivacy", read: flag(cmp.USPrivacy)},
	{Scheme: consent.USPrivacy, In: Query, Name: "us_privacy", read: flag(cmp.USPrivacy)},
	{Scheme: consent.USPrivacy, In: Event, Name: "context.IABUSPrivacy_String", read: text(flag(cmp.USPrivacy))},

	{Scheme: consent.ConsentMode, In: Query, Name: "gcs", read: flag(cmp.GCS)},
	{Scheme: consent.ConsentMode, In: Query, Name: "gcd", read: flag(cmp.GCD)},
	{Scheme: consent.ConsentMode, In: Event, Name: "context.consentMode", read: readConsentMode},
	{Scheme: consent.UET, In: Query, Name: "asc", read: flag(cmp.UET)},

	{Scheme: consent.Device, In: Query, Name: "att_status", read: flag(cmp.ATT)},
	{Scheme: consent.Device, In: Query, Name: "lmt", read: flag(cmp.LMT)},
	{Scheme: consent.Device, In: Query, Name: "is_lat", read: flag(cmp.LAT)},
	{Scheme: consent.Device, In: Query, Name: "ifa_type", read: flag(cmp.IFAType)},
	{Scheme: consent.Device, In: Event, Name: "context.device.attTrackingStatus", read: text(flag(cmp.ATT))},
	{Scheme: consent.Device, In: Event, Name: "context.device.lmt", read: text(flag(cmp.LMT))},
	{Scheme: consent.Device, In: Event, Name: "context.device.is_lat", read: text(flag(cmp.LAT))},
	{Scheme: consent.Device, In: Event, Name: "context.device.adTrackingEnabled", read: text(flag(cmp.AdTracking))},
	{Scheme: consent.Device, In: Event, Name: "context.device.ifa_type", read: text(flag(cmp.IFAType))},

	{Scheme: consent.OneTrust, In: Cookie, Name: "OptanonConsent", read: list(cmp.OneTrust)},
	{Scheme: consent.OneTrust, In: Cookie, Name: "OptanonAlertBoxClosed"},
	{Scheme: consent.Cookiebot, In: Cookie, Name: "CookieConsent", read: list(cmp.Cookiebot)},
	{Scheme: consent.CookieConsent, In: Cookie, Name: "cc_cookie", read: list(cmp.CookieConsent)},
	{Scheme: consent.Didomi, In: Cookie, Name: "didomi_token", read: list(cmp.Didomi)},
	{Scheme: consent.CookieYes, In: Cookie, Name: "cookieyes-consent", read: list(cmp.CookieYes)},
	{Scheme: consent.C15t, In: Cookie, Name: "c15t-consent", read: list(cmp.C15t)},
	{Scheme: consent.Klaro, In: Cookie, Name: "klaro", read: list(cmp.Klaro)},
	{Scheme: consent.Tarteaucitron, In: Cookie, Name: "tarteaucitron", read: list(cmp.Tarteaucitron)},
	{Scheme: consent.Axeptio, In: Cookie, Name: "axeptio_cookies", read: list(cmp.Axeptio)},
	{Scheme: consent.CookieInformation, In: Cookie, Name: "CookieInformationConsent", read: list(cmp.CookieInformation)},
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
