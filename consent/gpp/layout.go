package gpp

// Ids of the sections that are no answers of two bits.
const (
	tcfEU = 2
	tcfCA = 5
	usp   = 6
)

// field is one answer of two bits, or a list of such.
type field uint8

const (
	processingNotice field = iota // the notices say 1 given, 2 not given
	sharingNotice
	saleNotice
	sharedNotice
	adsNotice
	sensitiveNotice
	limitNotice
	iowaNotice
	uspNotice
	sale // the opt-outs say 1 opted out, 2 did not
	sharing
	ads
	uspSale
	sensitive // 1 opted out or no consent, 2 did not or consent
	child     // the consents say 1 no consent, 2 consent
	personal
	additional
	covered // the fields of the MSPA contract: they allow nothing
	optOutMode
	providerMode
	mspaMode
	lspa
)

var fieldNames = [...]string{
	processingNotice: "ProcessingNotice",
	sharingNotice:    "SharingNotice",
	saleNotice:       "SaleOptOutNotice",
	sharedNotice:     "SharingOptOutNotice",
	adsNotice:        "TargetedAdvertisingOptOutNotice",
	sensitiveNotice:  "SensitiveDataProcessingOptOutNotice",
	limitNotice:      "SensitiveDataLimitUseNotice",
	iowaNotice:       "SensitiveDataOptOutNotice",
	uspNotice:        "Notice",
	sale:             "SaleOptOut",
	sharing:          "SharingOptOut",
	ads:              "TargetedAdvertisingOptOut",
	uspSale:          "OptOutSale",
	sensitive:        "SensitiveDataProcessing",
	child:            "KnownChildSensitiveDataConsents",
	personal:         "PersonalDataConsents",
	additional:       "AdditionalDataProcessingConsent",
	covered:          "MspaCoveredTransaction",
	optOutMode:       "MspaOptOutOptionMode",
	providerMode:     "MspaServiceProviderMode",
	mspaMode:         "MspaMode",
	lspa:             "LspaCovered",
}

// entry is a field's place in a section.
type entry struct {
	field
	n     int // answers; more than one are a list
	shown int // of those, the first ones that this version names
}

// one, many and hidden make entries: of one answer, of n, and of n of which fewer are shown.
func one(f field) entry                 { return entry{f, 1, 1} }
func many(f field, n int) entry         { return entry{f, n, n} }
func hidden(f field, n, show int) entry { return entry{f, n, show} }

// extra is what may follow the core sub-section.
type extra uint8

const (
	none     extra = iota
	gpc            // a sub-section type of 2 bits, 1, then the signal
	consents       // the last entry, a list with no type before it
)

// layout is one version of a section: 6 bits of version, then its entries.
type layout struct {
	id      uint16
	version uint8 // the highest one with these entries; of MSPA where headed
	name    string
	extra   extra
	headed  bool // a section header may stand before the core sub-section
	entries []entry

	answers, core, covered int     // answers in all, in the core sub-section, before MspaCoveredTransaction
	long                   *layout // of the same version, with entries that it does not name
}

// mspa ends most sections.
func mspa(before ...entry) []entry {
	return append(before, one(covered), one(optOutMode), one(providerMode))
}

// state begins with a notice, as all states from Virginia to Minnesota do.
func state(notice entry, after ...entry) []entry {
	return mspa(append([]entry{notice, one(saleNotice), one(adsNotice), one(sale), one(ads)}, after...)...)
}

// newState is the shape of 2025, with the contract's fields first.
func newState(after ...entry) []entry {
	return append([]entry{one(covered), one(mspaMode), one(processingNotice), one(saleNotice), one(adsNotice), one(sale), one(ads)}, after...)
}

// national is US National: the numbers of sensitive categories and of ages of children.
func national(categories, ages entry) []entry {
	return mspa(one(sharingNotice), one(saleNotice), one(sharedNotice), one(adsNotice), one(sensitiveNotice), one(limitNotice),
		one(sale), one(sharing), one(ads), categories, ages, one(personal))
}

var more = one(additional)

// layouts are the sections of the United States. Every answer is 0, 1 or 2;
// MspaCoveredTransaction is 1 or 2.
var layouts = []layout{
	{id: usp, version: 1, name: "uspv1", entries: []entry{one(uspNotice), one(uspSale), one(lspa)}},
	{
		id: 7, version: 1, name: "usnat", extra: gpc, entries: national(many(sensitive, 12), many(child, 2)),
		long: &layout{id: 7, version: 1, name: "usnat", extra: gpc, entries: national(hidden(sensitive, 16, 12), hidden(child, 3, 2))},
	},
	{id: 7, version: 2, name: "usnat", extra: gpc, entries: national(many(sensitive, 16), many(child, 3))},
	{id: 8, version: 1, name: "usca", extra: gpc, entries: mspa(one(saleNotice), one(sharedNotice), one(limitNotice), one(sale), one(sharing),
		many(sensitive, 9), many(child, 2), one(personal))},
	{id: 9, version: 1, name: "usva", entries: state(one(sharingNotice), many(sensitive, 8), one(child))},
	{id: 10, version: 1, name: "usco", extra: gpc, entries: state(one(sharingNotice), many(sensitive, 7), one(child))},
	{id: 11, version: 1, name: "usut", entries: mspa(one(sharingNotice), one(saleNotice), one(adsNotice), one(sensitiveNotice), one(sale), one(ads),
		many(sensitive, 8), one(child))},
	{id: 12, version: 1, name: "usct", extra: gpc, entries: state(one(sharingNotice), many(sensitive, 8), many(child, 3))},
	{id: 13, version: 1, name: "usfl", entries: state(one(processingNotice), many(sensitive, 8), many(child, 3), more)},
	{id: 14, version: 1, name: "usmt", extra: gpc, entries: state(one(sharingNotice), many(sensitive, 8), many(child, 3), more)},
	{id: 15, version: 1, name: "usor", extra: gpc, entries: state(one(processingNotice), many(sensitive, 11), many(child, 3), more)},
	{id: 16, version: 1, name: "ustx", extra: gpc, entries: state(one(processingNotice), many(sensitive, 8), one(child), more)},
	{id: 17, version: 1, name: "usde", extra: gpc, entries: state(one(processingNotice), many(sensitive, 9), many(child, 5), more)},
	{id: 18, version: 1, name: "usia", extra: gpc, entries: mspa(one(processingNotice), one(saleNotice), one(adsNotice), one(iowaNotice), one(sale), one(ads),
		many(sensitive, 8), one(child))},
	{id: 19, version: 1, name: "usne", extra: gpc, entries: state(one(processingNotice), many(sensitive, 8), one(child), more)},
	{id: 20, version: 1, name: "usnh", extra: gpc, entries: state(one(processingNotice), many(sensitive, 8), many(child, 3), more)},
	{id: 21, version: 1, name: "usnj", extra: gpc, entries: state(one(processingNotice), many(sensitive, 10), many(child, 5), more)},
	{id: 22, version: 1, name: "ustn", extra: gpc, entries: state(one(processingNotice), many(sensitive, 8), one(child), more)},
	{id: 23, version: 1, name: "usmn", extra: gpc, entries: state(one(processingNotice), many(sensitive, 8), one(child), more)},
	{id: 24, version: 2, name: "usmd", extra: gpc, headed: true, entries: newState(more)},
	{id: 25, version: 2, name: "usin", extra: consents, headed: true, entries: newState(one(child), more, many(sensitive, 8))},
	{id: 26, version: 2, name: "usky", extra: consents, headed: true, entries: newState(one(child), more, many(sensitive, 8))},
	{id: 27, version: 2, name: "usri", extra: consents, headed: true, entries: newState(one(child), more, many(sensitive, 8))},
}

// byID are the layouts of each section, by version.
var byID = func() (t [28][]layout) {
	for i := range layouts {
		l := &layouts[i]
		l.count()
		if l.long != nil {
			l.long.count()
		}
		t[l.id] = append(t[l.id], *l)
	}
	return t
}()

func (l *layout) count() {
	l.covered = -1
	for i, e := range l.entries {
		if e.field == covered {
			l.covered = l.answers
		}
		l.answers += e.n
		if l.extra != consents || i < len(l.entries)-1 {
			l.core = l.answers
		}
	}
}

// layoutOf is the layout of a section's version, nil where the version is not known.
func layoutOf(id uint16, version uint8) *layout {
	of := byID[id]
	for i := range of {
		if version == of[i].version || of[i].headed && version < of[i].version {
			return &of[i]
		}
	}
	return nil
}

// defined reports whether every answer is one that the specifications define.
func (l *layout) defined(answers uint64) bool {
	const high = 0xaaaa_aaaa_aaaa_aaaa
	return answers&(answers<<1)&high == 0 && (l.covered < 0 || answer(answers, l.covered) != 0)
}

// answer is the i-th answer of two bits, the first in the highest ones.
func answer(answers uint64, i int) uint8 { return uint8(answers >> (62 - 2*i) & 3) }
