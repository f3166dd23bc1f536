package consent

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"assent/wire"
)

// Link says that a visitor is a holder of a tracker's own id since a version.
type Link struct {
	Alias   Subject // the tracker's id
	Holder  Subject
	Version Version
}

// Change is what one choice changes on record. It holds the effect of the choice, so
// that whoever folds it into a store needs no policy, and it merges: changes may be
// folded in any order, any number of times.
type Change struct {
	// Records of all whom the choice reaches, each subject once: at least the entries
	// that the choice sets.
	Records []*Record
	Links   []Link
	// Receipt is signed, JSON; About is its subject, nobody when zero.
	ReceiptID string
	Receipt   []byte
	About     Subject
	Narrows   bool // the choice grants nothing
}

// Store keeps the newest state of every subject. Safe for concurrent use.
//
// A failure is an error, never an absence: who cannot be read is answered as
// unreadable, which nothing may rest on.
type Store interface {
	// Get returns a subject's record; nil, nil when nothing is recorded. The
	// caller does not change it.
	Get(s Subject) (*Record, error)
	// Links returns the links of a tracker's own id, sorted by holder.
	Links(alias Subject) ([]Link, error)
	// Receipt returns a receipt's bytes; nil, nil when there is none of this id.
	Receipt(id string) ([]byte, error)
	// Put applies a change as one: all of it is visible or none, and when it returns
	// nil, all of it survives a power cut. Records and links take the place of what is
	// stored for their subjects and aliases: the Registry merged them before.
	Put(ctx context.Context, c *Change) error
	// Ready reports why the store cannot answer; nil when it can.
	Ready() error
	Close() error
}

// compare orders links by alias, then holder.
func (l *Link) compare(m *Link) int {
	return cmp.Or(l.Alias.compare(m.Alias), l.Holder.compare(m.Holder))
}

func (s Subject) compare(t Subject) int {
	return cmp.Or(cmp.Compare(s.Kind, t.Kind), strings.Compare(s.ID, t.ID))
}

// mergeLinks joins what two places know of links: the set of all. Of one link made twice
// the older version counts, so that no denial since then is forgotten. Sorted.
func mergeLinks(a, b []Link) []Link {
	out := slices.Concat(a, b)
	slices.SortFunc(out, func(l, m Link) int { return cmp.Or(l.compare(&m), l.Version.Compare(m.Version)) })
	return slices.CompactFunc(out, func(l, m Link) bool { return l.compare(&m) == 0 })
}

// The binary form of a change, the same wherever changes are kept or sent:
//
//	change  = version:1 narrows:1 records links receipt
//	records = count:uvarint (subject, len:uvarint, record as AppendRecord writes it)*
//	links   = count:uvarint (alias: subject, link)*
//	link    = holder: subject, time:uvarint, node:uvarint
//	receipt = id: len:uvarint bytes, about: subject, len:uvarint bytes
//	subject = kind:1 len:uvarint id; for nobody kind 0, without an id
//
// As of a record, there is one form of each change.
const changeVersion = 1

// maxChange bounds what ParseChange reads, in bytes.
const maxChange = 1 << 20

var errChange = errors.New("not a change of this version")

// AppendChange appends the binary form of a change.
func AppendChange(dst []byte, c *Change) []byte {
	narrows := byte(0)
	if c.Narrows {
		narrows = 1
	}
	dst = append(dst, changeVersion, narrows)
	dst = binary.AppendUvarint(dst, uint64(len(c.Records)))
	var record []byte
	for _, r := range c.Records {
		dst = appendSubject(dst, r.Subject)
		record = AppendRecord(record[:0], r)
		dst = append(binary.AppendUvarint(dst, uint64(len(record))), record...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(c.Links)))
	for i := range c.Links {
		dst = appendSubject(dst, c.Links[i].Alias)
		dst = AppendLink(dst, &c.Links[i])
	}
	dst = appendString(dst, c.ReceiptID)
	dst = appendSubject(dst, c.About)
	return append(binary.AppendUvarint(dst, uint64(len(c.Receipt))), c.Receipt...)
}

// ParseChange reads what AppendChange wrote. It copies.
func ParseChange(src []byte) (*Change, error) {
	if len(src) > maxChange {
		return nil, errChange
	}
	d := decoder{wire.Reader{Rest: src}}
	if d.Byte() != changeVersion {
		return nil, errChange
	}
	c := &Change{Narrows: d.Byte() == 1}
	for n := d.uvarint(maxChange); n > 0 && !d.Bad; n-- {
		s := d.subject()
		r, err := ParseRecord(s, d.bytes(maxRecord))
		if err != nil || s.IsZero() {
			return nil, errChange
		}
		c.Records = append(c.Records, r)
	}
	for n := d.uvarint(maxChange); n > 0 && !d.Bad; n-- {
		c.Links = append(c.Links, d.link(d.subject()))
	}
	c.ReceiptID, c.About, c.Receipt = d.string(maxText), d.subject(), bytes.Clone(d.bytes(maxChange))
	if d.Bad || !c.unique() || !bytes.Equal(AppendChange(make([]byte, 0, len(src)), c), src) {
		return nil, errChange
	}
	return c, nil
}

// unique reports whether every record is of another subject and every link another one
// of two subjects.
func (c *Change) unique() bool {
	records, links := map[Subject]bool{}, map[[2]Subject]bool{}
	for _, r := range c.Records {
		records[r.Subject] = true
	}
	for _, l := range c.Links {
		links[[2]Subject{l.Alias, l.Holder}] = true
		if l.Alias.IsZero() || l.Holder.IsZero() {
			return false
		}
	}
	return len(records) == len(c.Records) && len(links) == len(c.Links)
}

// AppendLink appends holder and version of a link; its alias is not in it.
func AppendLink(dst []byte, l *Link) []byte {
	dst = binary.AppendUvarint(appendSubject(dst, l.Holder), uint64(l.Version.Time))
	return binary.AppendUvarint(dst, uint64(l.Version.Node))
}

// ParseLinks reads what AppendLink wrote, one link after the other, all of this alias.
func ParseLinks(alias Subject, src []byte) (out []Link, err error) {
	d := decoder{wire.Reader{Rest: src}}
	var again []byte
	for len(d.Rest) > 0 && !d.Bad {
		l := d.link(alias)
		again = AppendLink(again, &l)
		out = append(out, l)
	}
	if d.Bad || !bytes.Equal(again, src) {
		return nil, errLinks
	}
	return out, nil
}

var errLinks = errors.New("not links of this version")

func (d *decoder) link(alias Subject) Link {
	l := Link{Alias: alias, Holder: d.subject()}
	l.Version.Time, l.Version.Node = int64(d.uvarint(maxMicros)), uint16(d.uvarint(1<<16-1))
	return l
}
