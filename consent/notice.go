package consent

import (
	"encoding/json"
	"regexp"
)

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
