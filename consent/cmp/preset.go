package cmp

// Forms of consent managers whose values public sources show: code, types, or cookies in
// requests and tests that others have published. What is not here could not be confirmed:
// the cookie of Osano's consent manager (osano_consentmanager) is opaque.

// formCookieConsent: vanilla-cookieconsent 3.1.0, its own code (dist/cookieconsent.esm.js).
// A category that is not listed was not accepted.
var formCookieConsent = Form{
	Decode: []string{"url"},
	Rules: []Rule{
		{Path: "categories[]", Of: "categories", Said: Granted},
		{Path: "services.*[]", Of: "services", Said: Granted},
	},
	Made:    "lastConsentTimestamp",
	Expires: "expirationTime",
	Chosen:  "lastConsentTimestamp",
	Show:    []string{"consentId?", "revision", "languageCode", "consentTimestamp"},
}

// formDidomi: tokens in published requests; legacy, beside the TC string
// (support.didomi.io). Lists of _li are of legitimate interest, and no consent.
var formDidomi = Form{
	Decode: []string{"url", "base64"},
	Rules: []Rule{
		{Path: "purposes.enabled[]", Of: "purposes", Said: Granted},
		{Path: "purposes.disabled[]", Of: "purposes", Said: Denied},
		{Path: "vendors.enabled[]", Of: "vendors", Said: Granted},
		{Path: "vendors.disabled[]", Of: "vendors", Said: Denied},
		{Path: "purposes_li.enabled[]", Of: "purposes_li", Said: Granted},
		{Path: "purposes_li.disabled[]", Of: "purposes_li", Said: Denied},
		{Path: "vendors_li.enabled[]", Of: "vendors_li", Said: Granted},
		{Path: "vendors_li.disabled[]", Of: "vendors_li", Said: Denied},
	},
	Made: "updated",
	Show: []string{"user_id?", "version", "created"},
}

// formCookieYes: the client script of cookieyes.com, which joins entries by commas. action
// is yes once the banner was answered; lastRenewedDate is of the banner, not the choice.
var formCookieYes = Form{
	Decode:  []string{"url"},
	Pairs:   [2]string{",", ":"},
	Rules:   []Rule{{Path: "*"}},
	Granted: []string{"yes"},
	Denied:  []string{"no"},
	Ignore:  []string{"lastRenewedDate"},
	Chosen:  "action=yes",
	Show:    []string{"consentid?", "consent", "action"},
}

// formComplianz: complianz.js, the script of the plugin complianz-gdpr. A cookie a
// category; the value is all those cookies as they stand in a Cookie header.
var formComplianz = Form{
	Pairs: [2]string{"; ", "="},
	Rules: []Rule{
		{Path: "cmplz_functional"},
		{Path: "cmplz_preferences"},
		{Path: "cmplz_statistics"},
		{Path: "cmplz_marketing"},
	},
	Granted: []string{"allow"},
	Denied:  []string{"deny"},
	Chosen:  "cmplz_banner-status=dismissed",
	Show:    []string{"cmplz_policy_id"},
}

// formIubenda: cookies _iub_cs-<id> in published requests and tests. Purposes, as plugins
// that read it have them: 1 necessary, 2 functionality, 3 experience, 4 measurement, 5
// marketing; consent stands alone where categories are off.
var formIubenda = Form{
	Decode: []string{"url"},
	Rules:  []Rule{{Path: "purposes.*", Of: "purposes"}, {Path: "consent"}},
	Made:   "timestamp",
	Chosen: "timestamp",
	Show:   []string{"version"},
}

// formUsercentrics: what getConsentDetails of the browser UI 3 gives, handed over by the
// page as JSON (usercentrics.com/docs/web, "Interfaces"; @types/usercentrics-browser-ui).
// Words are the ids of services.
var formUsercentrics = Form{
	Rules:  []Rule{{Path: "services.*.consent.given", Of: "services"}},
	Made:   "consent.updatedAt",
	Chosen: "consent.type=EXPLICIT",
	Show:   []string{"consent.status", "consent.type", "consent.controllerId?", "consent.gpcSignal"},
}

// formC15t: c15t 2.2.1, its own code (dist/index.js): paths with short names. A consent
// that is not given is left out.
var formC15t = Form{
	Pairs:   [2]string{",", ":"},
	Rules:   []Rule{{Path: "c.*", Of: "consents"}},
	Granted: []string{"1"},
	Denied:  []string{"0"},
	Made:    "i.t",
	Chosen:  "i.t",
}

// formKlaro: klaro 0.7.22, its own code (src/consent-manager.js): written on a choice.
var formKlaro = Form{
	Decode: []string{"url"},
	Rules:  []Rule{{Path: "*", Of: "services"}},
}

// formTarteaucitron: tarteaucitronjs 1.34.0, its own code (tarteaucitron.js, cookie.create).
// wait is a service that nobody has answered for.
var formTarteaucitron = Form{
	Pairs: [2]string{"!", "="},
	Rules: []Rule{{Path: "*", Of: "services"}},
}

// formAxeptio: cookies axeptio_cookies in published requests; what begins with $$ is
// Axeptio's own, the rest are vendors.
var formAxeptio = Form{
	Decode: []string{"url"},
	Rules:  []Rule{{Path: "*", Of: "vendors"}},
	Ignore: []string{"$$*"},
	Made:   "$$date",
	Chosen: "$$completed=true",
}

// formCookieInformation: its own Tag Manager template, and cookies in published requests.
var formCookieInformation = Form{
	Decode: []string{"url"},
	Rules: []Rule{
		{Path: "consents_approved[]", Of: "consents", Said: Granted},
		{Path: "consents_denied[]", Of: "consents", Said: Denied},
	},
	Made: "timestamp",
	Show: []string{"user_uid?"},
}
