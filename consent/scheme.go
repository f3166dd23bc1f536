package consent

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// Scheme is a vocabulary in which browsers, apps and other tools speak of consent. A
// closed set, in the order in which answers list what was heard.
type Scheme uint8

const (
	NoScheme    Scheme = iota
	GPC                // Global Privacy Control
	Segment            // Segment's category preferences
	TCF                // IAB Transparency and Consent Framework
	GPP                // IAB Global Privacy Platform
	USPrivacy          // IAB US Privacy string
	ConsentMode        // Google Consent Mode
	UET                // Microsoft UET consent mode
	Device             // what an operating system says of tracking
	RudderStack        // RudderStack's consent management
	Snowplow           // Snowplow's consent preferences
	OneTrust
	Cookiebot
	CookieConsent // vanilla-cookieconsent
	Didomi
	CookieYes
	C15t
	Klaro
	Tarteaucitron
	Axeptio
	CookieInformation
	Custom  // a form that the brand declares
	Schemes // one more than the last
)

// lexicon is what a scheme is called and speaks of.
type lexicon struct {
	name string
	// check says what is wrong with a name of the scheme to which a policy maps a
	// purpose; nil: the scheme speaks of no purposes.
	check func(name string) error
	words string // which names those are, for people
}

// lexicons have stable names: they appear in answers, receipts and records' headers.
var lexicons = [Schemes]lexicon{
	GPC:               {name: "gpc"},
	Segment:           {"segment", anyName, "your categories; a purpose that maps none goes by its own name"},
	TCF:               {"tcf", tcfPurpose, "ids of purposes, 1 to 24"},
	GPP:               {"gpp", oneOf("sale", "sharing", "targeted_advertising", "sensitive_data", "known_child", "personal_data"), "`sale`, `sharing`, `targeted_advertising`, `sensitive_data`, `known_child`, `personal_data`"},
	USPrivacy:         {"uspv1", oneOf("sale"), "`sale`"},
	ConsentMode:       {"consent_mode", oneOf("ad_storage", "ad_user_data", "ad_personalization", "analytics_storage", "functionality_storage", "personalization_storage", "security_storage"), "`ad_storage`, `ad_user_data`, `ad_personalization`, `analytics_storage`, `functionality_storage`, `personalization_storage`, `security_storage`"},
	UET:               {"uet", oneOf("ad_storage"), "`ad_storage`"},
	Device:            {"device", oneOf("tracking", "ifa"), "`tracking`, `ifa`"},
	RudderStack:       {"rudderstack", anyName, "your consent ids, as written"},
	Snowplow:          {"snowplow", anyName, "your consent scopes"},
	OneTrust:          {"onetrust", anyName, "your group ids, `C0002`"},
	Cookiebot:         {"cookiebot", oneOf("necessary", "preferences", "statistics", "marketing"), "`necessary`, `preferences`, `statistics`, `marketing`"},
	CookieConsent:     {"cookieconsent", anyName, "your categories, services or vendors"},
	Didomi:            {"didomi", anyName, "your categories, services or vendors"},
	CookieYes:         {"cookieyes", anyName, "your categories, services or vendors"},
	C15t:              {"c15t", anyName, "your categories, services or vendors"},
	Klaro:             {"klaro", anyName, "your categories, services or vendors"},
	Tarteaucitron:     {"tarteaucitron", anyName, "your categories, services or vendors"},
	Axeptio:           {"axeptio", anyName, "your categories, services or vendors"},
	CookieInformation: {"cookieinformation", anyName, "your categories, services or vendors"},
	Custom:            {"custom", anyName, "the words of your form"},
}

func anyName(string) error { return nil }

func oneOf(words ...string) func(string) error {
	return func(name string) error {
		if slices.Contains(words, name) {
			return nil
		}
		return errors.New("write one of " + strings.Join(words, ", "))
	}
}

// tcfPurpose checks an id of PurposesConsent, which has 24 bits (TC string format 2.3).
func tcfPurpose(name string) error {
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= 24 && strconv.Itoa(n) == name {
		return nil
	}
	return errors.New("write a TCF purpose id, 1 to 24")
}

// String is empty for no scheme.
func (s Scheme) String() string {
	if s < Schemes {
		return lexicons[s].name
	}
	return ""
}

// ParseScheme finds a scheme by its name.
func ParseScheme(name string) (Scheme, error) {
	for k := NoScheme + 1; k < Schemes; k++ {
		if k.String() == name {
			return k, nil
		}
	}
	return NoScheme, fmt.Errorf("%q is no scheme of signals", name)
}

// CheckName says what is wrong with a name of the scheme to which a policy maps a purpose.
func (s Scheme) CheckName(name string) error { return lexicons[s].check(name) }

// Words says for people which names a policy may map; empty: none.
func (s Scheme) Words() string { return lexicons[s].words }

// Mapped lists the schemes to whose names a policy can map purposes.
func Mapped() (out []Scheme) {
	for k, v := range lexicons {
		if v.check != nil {
			out = append(out, Scheme(k))
		}
	}
	return out
}

// SchemeSet is a set of schemes.
type SchemeSet uint64

const _ = 64 - Schemes // does not compile where a set has too few bits

// With is the set with one scheme more.
func (s SchemeSet) With(k Scheme) SchemeSet { return s | 1<<k }

// Has reports whether a scheme is in the set.
func (s SchemeSet) Has(k Scheme) bool { return s>>k&1 != 0 }

// first is the scheme that comes first in lists; none of an empty set.
func (s SchemeSet) first() Scheme { return Scheme(bits.TrailingZeros64(uint64(s)) % 64) }

// Names lists the schemes in a fixed order.
func (s SchemeSet) Names() []string {
	out := []string{}
	for ; s != 0; s &= s - 1 {
		out = append(out, s.first().String())
	}
	return out
}

// String joins the names by comma.
func (s SchemeSet) String() string { return string(s.AppendTo(nil)) }

// AppendTo appends what String gives.
func (s SchemeSet) AppendTo(dst []byte) []byte {
	for ; s != 0; s &= s - 1 {
		dst = append(dst, s.first().String()...)
		if s&(s-1) != 0 {
			dst = append(dst, ',')
		}
	}
	return dst
}
