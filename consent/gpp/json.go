package gpp

import (
	"math/bits"
	"strconv"
	"time"

	"assent/consent/bitstring"
)

// AppendJSON appends what s holds as {"section_ids":[…],"sections":{"usnat":{…}}}, fields
// and values as @iabgpp/cmpapi 3.2.0 writes them: what an optional sub-section would hold
// has its default there, and lists of vendors are written out. Sections that nobody here
// knows are in section_ids alone; of an unknown version there is only the version. An
// error is of the TC string of section 2, and dst is then as it was.
func AppendJSON(dst []byte, s *String) ([]byte, error) {
	was := len(dst)
	dst = append(dst, `{"section_ids":[`...)
	for i := range s.Sections() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(s.sections[i].id), 10)
	}
	dst = append(dst, `],"sections":{`...)
	more := false
	for i := range s.Sections() {
		sec := &s.sections[i]
		name := sec.Name()
		if name == "" {
			continue
		}
		if more {
			dst = append(dst, ',')
		}
		more = true
		dst = append(appendName(dst, name), '{')
		var err error
		switch {
		case sec.id == tcfEU:
			dst, err = s.appendTC(dst, sec, euCore, euRest)
		case sec.status == Unknown:
			dst = strconv.AppendUint(appendName(dst, "Version"), uint64(sec.version), 10)
		case sec.id == tcfCA:
			dst, err = s.appendTC(dst, sec, caCore, caRest)
		default:
			dst = sec.appendUS(dst)
		}
		if err != nil {
			return dst[:was], err
		}
		dst = append(dst, '}')
	}
	return append(dst, "}}"...), nil
}

// appendName appends a member's name, which needs no escape.
func appendName(dst []byte, name string) []byte {
	return append(append(append(dst, '"'), name...), '"', ':')
}

func (s *Section) appendUS(dst []byte) []byte {
	version := "Version"
	if s.layout.headed {
		version = "MspaVersion"
	}
	dst = strconv.AppendUint(appendName(dst, version), uint64(s.version), 10)
	at := 0
	for _, e := range s.layout.entries {
		dst = appendName(append(dst, ','), fieldNames[e.field])
		switch {
		case s.id == usp:
			dst = append(dst, '"', uspLetters[answer(s.answers, at)], '"')
		case e.n == 1:
			dst = append(dst, '0'+answer(s.answers, at))
		default:
			dst = append(dst, '[')
			for i := range e.shown {
				dst = append(dst, '0'+answer(s.answers, at+i), ',')
			}
			dst[len(dst)-1] = ']'
		}
		at += e.n
	}
	if s.layout.extra == gpc {
		dst = append(dst, `,"GpcSegmentType":1,"Gpc":`...)
		dst = strconv.AppendBool(dst, s.gpc)
	}
	return dst
}

// form is how a field of a TC string is written, in bits and in JSON.
type form uint8

const (
	integer  form = iota
	date          // 36 bits of deciseconds
	language      // letters of 6 bits, 0 for A
	boolean
	booleans // an array of booleans
	custom   // the same, as many as the integer before says
	vendorList
	restrictionList
)

// tcField is a field of a TC string, of Canada's kind or of Europe's.
type tcField struct {
	name  string
	form  form
	width int
}

// tcPart is a sub-section other than the core one.
type tcPart struct {
	kind   int    // its type
	absent string // a text that reads as its defaults
	fields []tcField
}

var caCore = []tcField{
	{"Version", integer, 6},
	{"Created", date, 36},
	{"LastUpdated", date, 36},
	{"CmpId", integer, 12},
	{"CmpVersion", integer, 12},
	{"ConsentScreen", integer, 6},
	{"ConsentLanguage", language, 12},
	{"VendorListVersion", integer, 12},
	{"TcfPolicyVersion", integer, 6},
	{"UseNonStandardStacks", boolean, 1},
	{"SpecialFeatureExpressConsent", booleans, 12},
	{"PurposesExpressConsent", booleans, 24},
	{"PurposesImpliedConsent", booleans, 24},
	{"VendorExpressConsent", vendorList, 0},
	{"VendorImpliedConsent", vendorList, 0},
	{"PubRestrictions", restrictionList, 0},
}

var caRest = []tcPart{
	{typePublisher, "YAAAAAAAAAA", []tcField{
		{"PubPurposesSegmentType", integer, 3},
		{"PubPurposesExpressConsent", booleans, 24},
		{"PubPurposesImpliedConsent", booleans, 24},
		{"NumCustomPurposes", integer, 6},
		{"CustomPurposesExpressConsent", custom, 0},
		{"CustomPurposesImpliedConsent", custom, 0},
	}},
	{typeDisclosed, "IAAA", []tcField{{"DisclosedVendorsSegmentType", integer, 3}, {"DisclosedVendors", vendorList, 0}}},
}

var euCore = []tcField{
	{"Version", integer, 6},
	{"Created", date, 36},
	{"LastUpdated", date, 36},
	{"CmpId", integer, 12},
	{"CmpVersion", integer, 12},
	{"ConsentScreen", integer, 6},
	{"ConsentLanguage", language, 12},
	{"VendorListVersion", integer, 12},
	{"PolicyVersion", integer, 6},
	{"IsServiceSpecific", boolean, 1},
	{"UseNonStandardStacks", boolean, 1},
	{"SpecialFeatureOptins", booleans, 12},
	{"PurposeConsents", booleans, 24},
	{"PurposeLegitimateInterests", booleans, 24},
	{"PurposeOneTreatment", boolean, 1},
	{"PublisherCountryCode", language, 12},
	{"VendorConsents", vendorList, 0},
	{"VendorLegitimateInterests", vendorList, 0},
	{"PublisherRestrictions", restrictionList, 0},
}

var euRest = []tcPart{
	{typePublisher, "YAAAAAAAAAA", []tcField{
		{"PublisherPurposesSegmentType", integer, 3},
		{"PublisherConsents", booleans, 24},
		{"PublisherLegitimateInterests", booleans, 24},
		{"NumCustomPurposes", integer, 6},
		{"PublisherCustomConsents", custom, 0},
		{"PublisherCustomLegitimateInterests", custom, 0},
	}},
	{typeAllowed, "QAAA", []tcField{{"VendorsAllowedSegmentType", integer, 3}, {"VendorsAllowed", vendorList, 0}}},
	{typeDisclosed, "IAAA", []tcField{{"VendorsDisclosedSegmentType", integer, 3}, {"VendorsDisclosed", vendorList, 0}}},
}

// maxRestricted bounds the vendors of all restrictions together: a string of 8 KiB could
// name a hundred million.
const maxRestricted = 1 << 16

// appendTC appends the fields of a section that is shaped like a TC string.
func (s *String) appendTC(dst []byte, sec *Section, core []tcField, rest []tcPart) ([]byte, error) {
	at := int(sec.start)
	r, _ := s.open(at, sec)
	w := tcWriter{dst: dst, r: &r, form: vendors{r: &r, ids: &s.ids}}
	w.write(core, sec.id == tcfCA, typeCore)
	if err := failure(&r, at); err != nil {
		return dst, err
	}
	for _, part := range rest {
		r, at = s.find(sec, part)
		w.dst = append(w.dst, ',')
		w.write(part.fields, sec.id == tcfCA, part.kind)
		if err := failure(&r, at); err != nil {
			return dst, err
		}
	}
	return w.dst, nil
}

// find opens the sub-section of a type, or its default.
func (s *String) find(sec *Section, part tcPart) (r bitstring.Reader, at int) {
	_, next := s.open(int(sec.start), sec)
	for next <= int(sec.end) {
		at = next
		r, next = s.open(at, sec)
		if peek := r.From(0); peek.Int(typeBits) == part.kind || r.Err() != nil {
			return r, at
		}
	}
	return bitstring.Decode(&s.bits, part.absent), 0
}

// tcWriter writes what its reader reads.
type tcWriter struct {
	dst  []byte
	r    *bitstring.Reader
	form vendors
	last int // integer
}

func (w *tcWriter) write(fields []tcField, canada bool, kind int) {
	for i, f := range fields {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.dst = appendName(w.dst, f.name)
		switch f.form {
		case integer:
			w.last = w.r.Int(f.width)
			w.dst = strconv.AppendInt(w.dst, int64(w.last), 10)
		case date:
			at := time.UnixMilli(100 * int64(w.r.Uint(f.width))).UTC()
			w.dst = at.AppendFormat(w.dst, `"2006-01-02T15:04:05.000Z"`)
		case language:
			w.language()
		case boolean:
			w.dst = strconv.AppendBool(w.dst, w.r.Bool())
		case booleans:
			w.flags(f.width)
		case custom:
			w.flags(w.last)
		case vendorList:
			if canada {
				w.form.fibonacci, _, _ = formOf(w.r, kind) // Parse found no error
				canada = false
			}
			*w.form.ids = ids{}
			w.form.list()
			w.vendors()
		case restrictionList:
			w.restrictions()
		}
	}
}

// language writes two letters. Of those that are none, the codes reach from [ to DEL,
// and 63 is a space, which is left out at either end.
func (w *tcWriter) language() {
	w.dst = append(w.dst, '"')
	for range 2 {
		switch c := w.r.Int(6); c {
		case 63:
		case '\\' - 'A':
			w.dst = append(w.dst, '\\', '\\')
		default:
			w.dst = append(w.dst, 'A'+byte(c))
		}
	}
	w.dst = append(w.dst, '"')
}

func (w *tcWriter) flags(n int) {
	w.dst = append(w.dst, '[')
	for i := range n {
		if i > 0 {
			w.dst = append(w.dst, ',')
		}
		w.dst = strconv.AppendBool(w.dst, w.r.Bool())
	}
	w.dst = append(w.dst, ']')
}

// vendors writes the set of vendors, ascending, and returns how many there are.
func (w *tcWriter) vendors() (n int) {
	w.dst = append(w.dst, '[')
	for i, word := range w.form.ids {
		for ; word != 0; word &= word - 1 {
			if n > 0 {
				w.dst = append(w.dst, ',')
			}
			n++
			w.dst = strconv.AppendInt(w.dst, int64(i*64+bits.TrailingZeros64(word)), 10)
		}
	}
	w.dst = append(w.dst, ']')
	return n
}

func (w *tcWriter) restrictions() {
	w.dst = append(w.dst, '[')
	count, total := 0, 0
	w.form.restrictions(func(purpose, kind int) {
		if count > 0 {
			w.dst = append(w.dst, ',')
		}
		count++
		w.dst = strconv.AppendInt(append(w.dst, `{"key":`...), int64(purpose), 10)
		w.dst = strconv.AppendInt(append(w.dst, `,"type":`...), int64(kind), 10)
		w.dst = append(w.dst, `,"ids":`...)
		total += w.vendors()
		w.dst = append(w.dst, '}')
		if total > maxRestricted {
			w.r.Fail("more than "+strconv.Itoa(maxRestricted)+" restricted vendors", w.r.At())
		}
	})
	w.dst = append(w.dst, ']')
}
