package consent

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

// TestNoticeForms: a notice takes what sites name their notices by, and no free
// text; a refusal tells the field and the form, and not what was sent.
func TestNoticeForms(t *testing.T) {
	const (
		words     = "want letters, digits, '.', '_', '-', ':', '/' or '+', 64 at most"
		hashes    = "want hexadecimal digits, behind sha256:, sha384: or sha512: or nothing, 135 at most"
		languages = "want a language tag such as fr or pt-BR (BCP 47), 35 at most"
	)
	f := func(field, value, want string) {
		t.Helper()
		quoted, _ := json.Marshal(value)
		c, err := ParseChoice([]byte(`{"notice":{"` + field + `":` + string(quoted) + `}}`))
		if want == "" {
			n := c.Notice
			if err != nil || n.ID+n.Version+n.Hash+n.Language+n.Variant != value {
				t.Errorf("%s %q: read as %+v, %v", field, value, n, err)
			}
		} else if err == nil || err.Error() != "notice."+field+": "+want || !errors.As(err, new(ChoiceError)) {
			t.Errorf("%s %q: %v, want %s", field, value, err, want)
		}
	}
	for _, field := range []string{"id", "version", "variant"} {
		for _, good := range []string{
			"7", "B", "main", "cookie-banner", "2026-11-22", "1.0.0-rc.1+build.5", "shop/banner/fr", "urn:uuid:f81d4fae-7dec-11d0-a765-00a0c91e6bf6", strings.Repeat("x", 64),
		} {
			f(field, good, "")
		}
		for _, bad := range []string{"ann@example.com", "ann smith", "Käse", "a\"b", "<b>", "a,b", "a;b", "a=b", "a?b=c", "a\u00a0b", "a\u202eb", strings.Repeat("x", 65)} {
			f(field, bad, words)
		}
		f(field, "", "want 1 to 256 bytes")
		f(field, "a\nb", "a character that is not text")
	}
	for _, good := range []string{"ab", strings.Repeat("0aF9", 32), "sha256:" + strings.Repeat("ab", 32), "sha384:" + strings.Repeat("ab", 48), "sha512:" + strings.Repeat("ab", 64)} {
		f("hash", good, "")
	}
	for _, bad := range []string{"ann", "sha256:", "sha256", "md5:ab", "sha256:ann", "sha256-q80=", "ab cd", strings.Repeat("ab", 68)} {
		f("hash", bad, hashes)
	}
	// RFC 5646, appendix A, and what ends a tag too soon or too late.
	for _, good := range []string{
		"de", "fr", "ja", "zh-Hant", "zh-Hans", "sr-Cyrl", "sr-Latn", "zh-cmn-Hans-CN", "cmn-Hans-CN", "zh-yue-HK", "yue-HK", "zh-Hans-CN", "sr-Latn-RS",
		"sl-rozaj", "sl-rozaj-biske", "sl-nedis", "de-CH-1901", "sl-IT-nedis", "hy-Latn-IT-arevela", "de-DE", "en-US", "es-419", "de-CH-x-phonebk",
		"az-Arab-x-AZE-derbend", "x-whatever", "qaa-Qaaa-QM-x-southern", "de-Qaaa", "sr-Latn-QM", "sr-Qaaa-RS", "en-US-u-islamcal", "zh-CN-a-myext-x-private",
		"en-a-myext-b-another", "FR-fr", "zh-min-nan", "art-lojban",
	} {
		f("language", good, "")
	}
	for _, bad := range []string{
		"f", "fr_FR", "fr-", "-fr", "fr--FR", "fr-F", "de-419-DE", "a-DE", "en-US-u", "en-x", "x", "x-", "i-klingon", "french language", "ann@example.com",
		"fr-FR,en;q=0.9", "abcdefghi", "eſ", "\u212aab", strings.Repeat("en-", 11) + "abc",
	} {
		f("language", bad, languages)
	}
}

// TestAssertedAt: what a device says of the time is within 1970 and now, give or
// take a clock a little ahead; all else is the sender's to repair, and no failure
// of ours.
func TestAssertedAt(t *testing.T) {
	f := func(at string, want error, receipt time.Time) {
		t.Helper()
		x := setup(t)
		c, err := ParseChoice([]byte(`{"all":"denied","asserted_at":"` + at + `"}`))
		if err != nil {
			t.Fatalf("%s: %v", at, err)
		}
		o, err := x.Record(context.Background(), c)
		if err != want {
			t.Fatalf("%s: %v, want %v", at, err, want)
		}
		if want != nil {
			if len(x.store.receipts) > 0 {
				t.Errorf("%s: refused, and stored", at)
			}
			return
		}
		r, err := VerifyReceipt(o.Receipt, ReceiptPublicKeys(x.o.ReceiptKeys))
		if err != nil || r.AssertedAt == nil || !r.AssertedAt.Equal(receipt) {
			t.Errorf("%s: the receipt says %v, %v", at, r, err)
		}
	}
	yetToCome := ChoiceError("asserted_at: want a time from 1970 to now")
	f("1970-01-01T00:00:00Z", nil, time.Unix(0, 0))
	f("1970-01-01T00:00:00-23:59", nil, time.Unix(86340, 0))
	f("2026-11-22T08:59:59.5Z", nil, day0.Add(-500*time.Millisecond))
	f("2026-11-22T09:00:00Z", nil, day0)
	f("2026-11-22T09:05:00Z", nil, day0)
	f("2026-11-22T09:05:00.000000001Z", yetToCome, day0)
	f("2026-11-22T09:00:00-01:00", yetToCome, day0)
	f("9999-12-31T23:59:59-23:59", yetToCome, day0)
}
