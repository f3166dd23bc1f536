package cmp

import (
	"bytes"
	"strings"
)

// Kind is a vocabulary.
type Kind uint8

const (
	Unknown    Kind = iota
	TCF             // Detect tells it; consent/tcf reads it
	GPP             // Detect tells it; consent/gpp reads it
	USPrivacy       // US Privacy string
	GCS             // Google Consent Mode, the state of two signals
	GCD             // Google Consent Mode v2, four signals and how they came about
	UET             // Microsoft UET's ad_storage
	OneTrust        // cookie OptanonConsent
	Cookiebot       // cookie CookieConsent
	ATT             // App Tracking Transparency's status
	LMT             // limit ad tracking, of devices
	LAT             // the same, of televisions
	AdTracking      // its opposite
	IFAType         // who has made an identifier for advertising

	// Of a Form: see preset.go.
	CookieConsent // vanilla-cookieconsent
	Didomi
	CookieYes
	Complianz
	Iubenda
	Usercentrics
	C15t
	Klaro
	Tarteaucitron
	Axeptio
	CookieInformation
	kinds
)

// kind is what is known of a Kind.
type kind struct {
	name  string
	names []string // of cookies, arguments and fields that carry it, beside name
	read  func(*Reading, []byte) error
	form  *Compiled
}

var table = [kinds]kind{
	Unknown:           {name: "unknown"},
	TCF:               {name: "tcf", names: []string{"euconsent-v2", "eupubconsent-v2", "gdpr_consent", "IABTCF_TCString"}},
	GPP:               {name: "gpp", names: []string{"OTGPPConsent", "IABGPP_HDR_GppString"}},
	USPrivacy:         {name: "uspv1", names: []string{"us_privacy", "usprivacy", "IABUSPrivacy_String"}, read: readUSPrivacy},
	GCS:               {name: "gcs", read: readGCS},
	GCD:               {name: "gcd", read: readGCD},
	UET:               {name: "uet", names: []string{"asc"}, read: readUET},
	OneTrust:          {name: "onetrust", names: []string{"OptanonConsent"}},
	Cookiebot:         {name: "cookiebot", names: []string{"CookieConsent"}, read: readCookiebot},
	ATT:               {name: "att", names: []string{"att_status", "atts"}, read: readATT},
	LMT:               {name: "lmt", names: []string{"limit_ad_tracking"}, read: readLimit},
	LAT:               {name: "is_lat", read: readLimit},
	AdTracking:        {name: "ad_tracking_enabled", names: []string{"adTrackingEnabled"}, read: readAllow},
	IFAType:           {name: "ifa_type", read: readIFAType},
	CookieConsent:     preset("cookieconsent", formCookieConsent, "cc_cookie"),
	Didomi:            preset("didomi", formDidomi, "didomi_token"),
	CookieYes:         preset("cookieyes", formCookieYes, "cookieyes-consent"),
	Complianz:         preset("complianz", formComplianz),
	Iubenda:           preset("iubenda", formIubenda),
	Usercentrics:      preset("usercentrics", formUsercentrics),
	C15t:              preset("c15t", formC15t),
	Klaro:             preset("klaro", formKlaro),
	Tarteaucitron:     preset("tarteaucitron", formTarteaucitron),
	Axeptio:           preset("axeptio", formAxeptio, "axeptio_cookies"),
	CookieInformation: preset("cookieinformation", formCookieInformation, "CookieInformationConsent"),
}

// preset is the row of a form that is known to compile.
func preset(name string, f Form, names ...string) kind {
	c, err := Compile(f)
	if err != nil {
		panic(name + ": " + err.Error())
	}
	return kind{name: name, names: names, form: c}
}

// String is the kind's name in answers, configuration and JSON.
func (k Kind) String() string { return table[k].name }

// KindOf is the kind of a name that String gives; Unknown: there is none.
func KindOf(name string) Kind {
	for k := range table {
		if table[k].name == name {
			return Kind(k)
		}
	}
	return Unknown
}

// Read reads a value of a kind. beside is the value that some kinds have in a second
// place: of OneTrust, the cookie OptanonAlertBoxClosed; nil: it was not there. What
// cannot be read is an *Error, and the Reading then says nothing: its caller grants
// nothing. Allocates nothing on success, and keeps nothing of its arguments.
func (r *Reading) Read(k Kind, value, beside []byte) error {
	if k >= kinds {
		k = Unknown
	}
	row := &table[k]
	if row.form != nil {
		return r.ReadForm(row.form, value)
	}
	lists := inline
	if k == OneTrust {
		lists = oneTrustLists
	}
	r.reset(lists)
	text, err := r.take(value)
	switch {
	case err != nil:
	case k == OneTrust:
		err = readOneTrust(r, text, beside)
	case row.read != nil:
		err = row.read(r, text)
	case k == Unknown:
		err = &Error{"no kind that is known", 0}
	default:
		err = &Error{"a kind that is not read here", 0}
	}
	if err != nil {
		r.reset(lists)
	}
	return err
}

const besideOneTrust = "; OptanonAlertBoxClosed="

// Detect tells which kind a line holds, and takes off its name where it stands before
// the value, as name=value. docs/signals.md lists the rules.
func Detect(line []byte) (k Kind, value, beside []byte) {
	name, rest, ok := bytes.Cut(line, []byte{'='})
	if ok && len(name) <= maxBeside {
		k, value = named(string(name)), rest
	}
	if bytes.HasPrefix(name, []byte("cmplz_")) { // Complianz's words are the names
		value = line
	}
	if k == Unknown {
		k, value = shaped(line), line
	}
	if k == OneTrust {
		if i := bytes.Index(value, []byte(besideOneTrust)); i >= 0 {
			value, beside = value[:i], value[i+len(besideOneTrust):]
		}
	}
	return k, value, beside
}

// named is the kind that is carried under a name.
func named(name string) Kind {
	for k := range table {
		if k != int(Unknown) && name == table[k].name {
			return Kind(k)
		}
		for _, n := range table[k].names {
			if name == n {
				return Kind(k)
			}
		}
	}
	// Names that end in what a site chooses.
	switch id, iub := strings.CutPrefix(name, "_iub_cs-"); {
	case strings.HasPrefix(name, "cmplz_"):
		return Complianz
	case iub && id != "" && strings.Trim(id, "0123456789") == "":
		return Iubenda
	}
	return Unknown
}

// shaped tells a kind by what its values look like, the narrowest rules first.
func shaped(line []byte) Kind {
	at := func(i int) byte {
		if i < len(line) {
			return line[i]
		}
		return 0
	}
	starts := func(s string) bool { return bytes.HasPrefix(line, []byte(s)) }
	holds := func(s string) bool { return bytes.Contains(line, []byte(s)) }
	isLetter := func(c byte) bool { return 'a' <= c && c <= 'z' }
	switch {
	case len(line) == 4 && line[0] == 'G' && isDigit(line[1]):
		return GCS
	case at(0) == '1' && isDigit(at(1)) && isLetter(at(2)) && isDigit(at(3)), at(0) == '1' && isLetter(at(1)) && isDigit(at(2)):
		return GCD
	case isDigit(at(0)) && (at(1) == 'Y' || at(1) == 'N' || at(1) == '-'):
		return USPrivacy
	case starts("groups="), holds("&groups="):
		return OneTrust
	case starts("{stamp:"), starts("%7Bstamp"), starts("%7bstamp"):
		return Cookiebot
	case (starts("{") || starts("%7B") || starts("%7b")) && (holds(`"categories"`) || holds("%22categories%22")):
		return CookieConsent
	case starts("eyJ"):
		return Didomi
	case starts("C"):
		return TCF
	case starts("D"):
		return GPP
	}
	return Unknown
}
