package consent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"
	"unicode"
	"unicode/utf8"
)

// Choice is what a person says about purposes, and what the collector knows
// about the request that says it.
type Choice struct {
	// Said. ParseChoice fills these.
	Purposes    map[string]Status // Granted or Denied; purposes not named keep their state
	All         Status            // Granted: all that rest on consent. Denied: those, and objections to every legitimate interest
	Preferences map[string]string // wishes beside the purposes; kept in the receipt
	AnonymousID string            // link.anonymousId: a tracker's own id
	UserID      string            // subject.userId: an account, named by a source that vouches for it
	Notice      Notice            // what was shown
	Method      Method            // API when not said
	AssertedAt  time.Time         // when the device says it happened, 1970 or later; evidence, orders nothing

	// Known. The collector fills these.
	Visitor *State // what Identify answered for the same request; nil: nobody
	// NewID: the person gets a new id, whatever id the request proves. For cookies of a
	// whole domain, where another host can set an id: if the choice cookie is not bound
	// to the id beside it, nobody knows whose the id is.
	NewID        bool
	Account      Subject // whom a source with the authority to do so names instead; zero: the visitor
	Jurisdiction string
	Regimes      []string
	Policy       string // name@version
	PolicyHash   string
	Source       string
	Signals      SchemeSet // of the request
	// Made: when the choice was made elsewhere; the zero time: here and now. What is on
	// record and not older stays as it is.
	Made     time.Time
	MadeBy   time.Time // the latest instant at which it may have been; zero: Made
	Evidence *Evidence // of a choice made elsewhere
	// NeedsID reports whether an allowed purpose needs an identifier in this state;
	// nil: none does. Called while no lock is held.
	NeedsID func(*State) bool
}

// Evidence is the string in which a consent manager wrote a choice down.
type Evidence struct {
	Scheme string          `json:"scheme"`
	Place  string          `json:"place"` // where the request carried it
	Made   time.Time       `json:"made"`  // as the string says
	String string          `json:"string,omitempty"`
	Said   json.RawMessage `json:"said,omitempty"` // of a cookie with identifiers in it: what was read, without them
	Hash   string          `json:"hash"`           // SHA-256 of the string, hexadecimal
}

// ChoiceError says what is wrong with a choice: the sender's to repair. Every
// other error of Record is ours.
type ChoiceError string

func (e ChoiceError) Error() string { return string(e) }

func refuse(format string, args ...any) error { return ChoiceError(fmt.Sprintf(format, args...)) }

const (
	maxChoice      = 16 << 10
	maxPreferences = 32
)

// ParseChoice reads the body of POST /v1/consent: a JSON object of purposes
// (name to "granted" or "denied"), all, preferences (name to a word or boolean), link
// ({"anonymousId"}), subject ({"userId"}), notice (see Notice), method, asserted_at (RFC 3339), all of
// them optional, 16 kB at most. Unknown and repeated names are errors. Errors name
// the field, never its value.
func ParseChoice(body []byte) (Choice, error) {
	c := Choice{Method: API}
	body = bytes.TrimPrefix(body, []byte("\ufeff")) // a byte order mark is no content (RFC 8259, 8.1)
	switch {
	case len(body) > maxChoice:
		return Choice{}, refuse("a choice has %d bytes at most", maxChoice)
	case !utf8.Valid(body) || !json.Valid(body):
		return Choice{}, refuse("not valid JSON")
	}
	if err := members(body, "a choice", c.member); err != nil {
		return Choice{}, err
	}
	return c, nil
}

func (c *Choice) member(key string, raw json.RawMessage) (err error) {
	switch key {
	case "purposes":
		c.Purposes = map[string]Status{}
		return members(raw, key, func(name string, raw json.RawMessage) error {
			if !validName(name) || len(c.Purposes) == MaxPurposes {
				return refuse("purposes: not a purpose's name, or too many")
			}
			s, err := choiceStatus(key, raw)
			c.Purposes[name] = s
			return err
		})
	case "all":
		c.All, err = choiceStatus(key, raw)
	case "preferences":
		c.Preferences = map[string]string{}
		return members(raw, key, c.preference)
	case "link":
		return onlyID(raw, key, "anonymousId", &c.AnonymousID)
	case "subject":
		return onlyID(raw, key, "userId", &c.UserID)
	case "notice":
		return members(raw, key, c.Notice.member)
	case "method":
		var s string
		if s, err = text(key, raw); err != nil {
			return err
		}
		if c.Method, err = ParseMethod(s); err != nil {
			return refuse("method: %v", err)
		}
	case "asserted_at":
		var s string
		if s, err = text(key, raw); err != nil {
			return err
		}
		if c.AssertedAt, err = time.Parse(time.RFC3339Nano, s); err != nil {
			return refuse("asserted_at: want an RFC 3339 time")
		}
		if c.AssertedAt.Before(time.Unix(0, 0)) {
			return refuse("asserted_at: want a time from 1970 to now")
		}
	default:
		return refuse("a choice: an unknown name; known are purposes, all, preferences, link, subject, notice, method, asserted_at")
	}
	return err
}

// onlyID reads an object of one id.
func onlyID(raw []byte, key, want string, id *string) error {
	err := members(raw, key, func(name string, raw json.RawMessage) (err error) {
		if name != want {
			return refuse("%s: only %s is known", key, want)
		}
		*id, err = text(key+"."+want, raw)
		return err
	})
	if err == nil && *id == "" {
		err = refuse("%s: want %s", key, want)
	}
	return err
}

// preference reads one wish. A word, not free text: an address or a name has no
// place in a receipt.
func (c *Choice) preference(name string, raw json.RawMessage) error {
	s := string(raw)
	if s != "true" && s != "false" {
		var err error
		if s, err = text("preferences", raw); err != nil || !validName(s) {
			return refuse("preferences: a value is true, false or a word of %d letters, digits, '_', '-' or '.' at most", maxName)
		}
	}
	if !validName(name) || len(c.Preferences) == maxPreferences {
		return refuse("preferences: not a preference's name, or too many")
	}
	c.Preferences[name] = s
	return nil
}

// Notice identifies what was shown when a choice was made (EDPB Guidelines
// 05/2020, 108: a copy of what was presented). Each part has a form of its own: a
// receipt is kept for years and shown to auditors, and free text may hold a name or
// an address.
type Notice struct {
	ID       string `json:"id,omitempty"`
	Version  string `json:"version,omitempty"`
	Hash     string `json:"hash,omitempty"`
	Language string `json:"language,omitempty"`
	Variant  string `json:"variant,omitempty"`
}

// form is what a part of a notice has to look like.
type form struct {
	is   *regexp.Regexp
	want string
	most int // bytes
}

var (
	// word takes versions (Semantic Versioning 2.0.0), dates, paths and URNs.
	word = form{regexp.MustCompile(`^[A-Za-z0-9._:/+-]+$`), "letters, digits, '.', '_', '-', ':', '/' or '+'", 64}
	hash = form{regexp.MustCompile(`^(sha(256|384|512):)?[0-9A-Fa-f]+$`), "hexadecimal digits, behind sha256:, sha384: or sha512: or nothing", 7 + 128}
	// language is langtag or privateuse of RFC 5646, 2.1; its irregular tags
	// (i-klingon) are left out, because no page has one.
	language = form{regexp.MustCompile(`^([A-Za-z]{2,3}(-[A-Za-z]{3}){0,3}|[A-Za-z]{4,8})` +
		`(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?(-([A-Za-z0-9]{5,8}|[0-9][A-Za-z0-9]{3}))*` +
		`(-[A-WYZa-wyz0-9](-[A-Za-z0-9]{2,8})+)*(-[Xx](-[A-Za-z0-9]{1,8})+)?$` +
		`|^[Xx](-[A-Za-z0-9]{1,8})+$`), "a language tag such as fr or pt-BR (BCP 47)", 35} // 35: RFC 5646, 4.4.1
)

// read reads a string of the form.
func (f *form) read(field string, raw json.RawMessage) (string, error) {
	s, err := text(field, raw)
	switch {
	case err != nil:
		return "", err
	case len(s) > f.most || !f.is.MatchString(s):
		return "", refuse("%s: want %s, %d at most", field, f.want, f.most)
	}
	return s, nil
}

// member reads one part of a notice.
func (n *Notice) member(name string, raw json.RawMessage) (err error) {
	field := "notice." + name
	switch name {
	case "id":
		n.ID, err = word.read(field, raw)
	case "version":
		n.Version, err = word.read(field, raw)
	case "hash":
		n.Hash, err = hash.read(field, raw)
	case "language":
		n.Language, err = language.read(field, raw)
	case "variant":
		n.Variant, err = word.read(field, raw)
	default:
		return refuse("notice: an unknown name; known are id, version, hash, language, variant")
	}
	return err
}

// ahead is how far a device's clock may run ahead of ours. A person must not have
// to set a clock in order to withdraw (GDPR art. 7(3)).
const ahead = 5 * time.Minute

// checkAsserted refuses a time that lies ahead, because a receipt would vouch for it.
// In the place of a time within the tolerance the receipt has collected_at.
func (c *Choice) checkAsserted(now time.Time) error {
	if c.AssertedAt.After(now.Add(ahead)) {
		return refuse("asserted_at: want a time from 1970 to now")
	}
	return nil
}

func choiceStatus(field string, raw json.RawMessage) (Status, error) {
	switch string(raw) {
	case `"granted"`:
		return Granted, nil
	case `"denied"`:
		return Denied, nil
	}
	return Unknown, refuse(`%s: want "granted" or "denied"`, field)
}

// text reads a short string without control characters.
func text(field string, raw json.RawMessage) (string, error) {
	var s string
	if len(raw) == 0 || raw[0] != '"' || json.Unmarshal(raw, &s) != nil {
		return "", refuse("%s: want a string", field)
	}
	if len(s) == 0 || len(s) > maxText {
		return "", refuse("%s: want 1 to %d bytes", field, maxText)
	}
	if !isText([]byte(s)) {
		return "", refuse("%s: a character that is not text", field)
	}
	return s, nil
}

// isText reports whether bytes are UTF-8 without control characters.
func isText(s []byte) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c >= ' ' && c < 0x7f {
			continue
		} else if c < utf8.RuneSelf {
			return false
		}
		r, n := utf8.DecodeRune(s[i:])
		if unicode.IsControl(r) || r == utf8.RuneError {
			return false
		}
		i += n - 1
	}
	return true
}

// Nameable reports whether a choice can name a tracker's id. An event with any other id
// would escape every refusal.
func Nameable(id []byte) bool { return len(id) > 0 && len(id) <= maxText && isText(id) }

// members calls f for each member of a valid JSON object, refusing repeated names.
func members(raw []byte, field string, f func(key string, value json.RawMessage) error) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return refuse("%s: want an object", field)
	}
	seen := map[string]bool{}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return refuse("%s: not valid JSON", field)
		}
		key, _ := t.(string)
		if seen[key] {
			return refuse("%s: a name comes twice", field)
		}
		seen[key] = true
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return refuse("%s: not valid JSON", field)
		}
		if err := f(key, value); err != nil {
			return err
		}
	}
	return nil
}
