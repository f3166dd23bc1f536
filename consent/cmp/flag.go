package cmp

// Vocabularies of a few characters.

var (
	sale             = []byte("sale")
	adStorage        = []byte("ad_storage")
	analyticsStorage = []byte("analytics_storage")
	tracking         = []byte("tracking")
	ifa              = []byte("ifa")

	platform  = []byte("platform")
	publisher = []byte("publisher")
	ssp       = []byte("ssp")
	session   = []byte("session")
)

// readUSPrivacy reads a US Privacy string: version 1, notice given, sale opted out of,
// covered by the LSPA, each Y, N or - for not applicable (IAB CCPA Framework, U.S.
// Privacy String 1.0; deprecated for GPP).
func readUSPrivacy(r *Reading, text []byte) error {
	if len(text) != 4 {
		return &Error{"not four characters", len(text)}
	}
	if text[0] != '1' {
		return &Error{"a version other than 1", 0}
	}
	for i, c := range text[1:] {
		if c != 'Y' && c != 'N' && c != '-' {
			return &Error{"neither Y, N nor -", i + 1}
		}
	}
	r.note("version", text[:1], true)
	r.note("notice", text[1:2], false)
	r.note("opt_out_sale", text[2:3], false)
	r.note("lspa_covered", text[3:4], false)
	said := Unset
	switch {
	case string(text) == "1---":
		r.facts |= 1 << NotApplicable
	case text[2] == 'Y':
		said = Denied
	case text[2] == 'N' && text[1] == 'Y':
		said = Granted
	case text[2] == 'N':
		r.facts |= 1 << NoNotice
	}
	r.add("", sale, said)
	return nil
}

// readGCS reads the state that Google's tags send as gcs: G, a digit, and for ad_storage
// and analytics_storage 1, 0 or - (not set). The digit is 1 as a rule; it varies, and
// nothing is known of what it changes.
func readGCS(r *Reading, text []byte) error {
	if len(text) != 4 {
		return &Error{"not four characters", len(text)}
	}
	if text[0] != 'G' || text[1] < '0' || text[1] > '9' {
		return &Error{"no G and a digit", 0}
	}
	r.note("version", text[1:2], true)
	for i, word := range [][]byte{adStorage, analyticsStorage} {
		switch text[2+i] {
		case '1':
			r.add("", word, Granted)
		case '0':
			r.add("", word, Denied)
		case '-':
			r.add("", word, Unset)
		default:
			return &Error{"neither 1, 0 nor -", 2 + i}
		}
	}
	return nil
}

var gcdSignals = [][]byte{adStorage, analyticsStorage, []byte("ad_user_data"), []byte("ad_personalization")}

// readGCD reads Google's gcd: 1, mostly a digit more, then a letter and a digit for each
// of four signals; more may follow, of which nothing is known. The letters are not
// published: others have worked them out (simoahava.com, "Consent Mode v2 for Google
// tags"). A grant by default is nobody's choice, and makes all of it none.
func readGCD(r *Reading, text []byte) error {
	if len(text) == 0 || text[0] != '1' {
		return &Error{"no 1 at the start", 0}
	}
	at := 1
	if at < len(text) && isDigit(text[at]) {
		at++
	}
	var updated, byDefault bool
	letters := text[:0] // the letters move together, behind what is read
	for n := 0; n < len(gcdSignals) || at < len(text); n++ {
		if at+2 > len(text) || text[at] < 'a' || text[at] > 'z' || !isDigit(text[at+1]) {
			return &Error{"no letter and digit", at}
		}
		letter := text[at]
		at += 2
		if n >= len(gcdSignals) {
			continue
		}
		letters = append(letters, letter)
		said := Denied
		switch letter {
		case 'l': // no signal
			said = Unset
		case 't':
			said, byDefault = Granted, true
		case 'r', 'n', 'v': // granted by an update: after denied, after nothing, after granted
			said, updated = Granted, true
		case 'q', 'm', 'u': // denied by an update: after denied, after nothing, after granted
			updated = true
		case 'p': // denied by default
		default:
			r.facts |= 1 << UnknownValue
		}
		r.add("", gcdSignals[n], said)
	}
	if byDefault || !updated {
		r.facts |= 1 << NoChoice
	}
	r.facts |= 1 << Unofficial
	r.note("letters", letters, false)
	return nil
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// readUET reads Microsoft's asc: G or D for ad_storage.
func readUET(r *Reading, text []byte) error {
	switch string(text) {
	case "G":
		r.add("", adStorage, Granted)
	case "D":
		r.add("", adStorage, Denied)
	default:
		return &Error{"neither G nor D", 0}
	}
	return nil
}

// readATT reads App Tracking Transparency's status, as OpenRTB's device.ext.atts has it:
// 0 not determined, 1 restricted, 2 denied, 3 authorized. Only 3 allows.
func readATT(r *Reading, text []byte) error {
	if len(text) != 1 || text[0] < '0' || text[0] > '3' {
		return &Error{"no digit of 0 to 3", 0}
	}
	r.note("status", text, true)
	switch text[0] {
	case '0':
		r.facts |= 1 << NoChoice
		r.add("", tracking, Denied)
	case '3':
		r.add("", tracking, Granted)
	default:
		r.add("", tracking, Denied)
	}
	return nil
}

// readLimit reads a flag that limits ad tracking: lmt (OpenRTB device.lmt), is_lat.
func readLimit(r *Reading, text []byte) error { return readSwitch(r, text, Denied, Granted) }

// readAllow reads the opposite flag: adTrackingEnabled of Segment's context.device.
func readAllow(r *Reading, text []byte) error { return readSwitch(r, text, Granted, Denied) }

func readSwitch(r *Reading, text []byte, on, off Said) error {
	switch string(text) {
	case "1", "true", "yes":
		r.add("", tracking, on)
	case "0", "false", "no":
		r.add("", tracking, off)
	default:
		return &Error{"neither 1, true, yes nor 0, false, no", 0}
	}
	return nil
}

// readIFAType reads who has made an identifier for advertising (IAB, Guidelines for
// Identifier for Advertising on OTT Platforms). A platform's can be reset by the person;
// others are no advertising id, and a session's must not outlive it.
func readIFAType(r *Reading, text []byte) error {
	origin, said := publisher, Denied
	switch string(text) {
	case "idfa", "aaid", "rida", "tifa", "afai", "vida", "lgudid", "msai":
		origin, said = platform, Granted
	case "dpid", "ppid":
	case "sspid":
		origin = ssp
	case "sessionid":
		origin = session
	default:
		return &Error{"no type that is known", 0}
	}
	r.note("type", text, false)
	r.note("made_by", origin, false)
	r.add("", ifa, said)
	return nil
}
