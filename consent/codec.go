package consent

import (
	"bytes"
	"encoding/binary"
	"errors"

	"assent/wire"
)

// The binary form of a record's entries, in choice cookies and stores:
//
//	record = version:1 entry*
//	entry  = len:uvarint name, carried<<7|status<<4|method:1, time:uvarint, node:uvarint,
//	         revision:uvarint, notice, receipt, [since, until: grants only]
//	notice, receipt = len:uvarint bytes
//	since, until = varint microseconds after time
//
// Entries are sorted by name and unique. There is one form of each record:
// anything else is refused, so that a value cannot be read in two ways.
const codecVersion = 1

// maxRecord bounds what ParseRecord reads, in bytes.
const maxRecord = 64 << 10

var errRecord = errors.New("not a record of this version")

// AppendRecord appends the entries of a record; its subject is not in it.
func AppendRecord(dst []byte, r *Record) []byte {
	dst = append(dst, codecVersion)
	for i := range r.Entries {
		e := &r.Entries[i]
		dst = appendString(dst, e.Purpose)
		code := byte(e.Status)<<4 | byte(e.Method)
		if e.Carried {
			code |= 1 << 7
		}
		dst = append(dst, code)
		dst = binary.AppendUvarint(dst, uint64(e.Version.Time))
		dst = binary.AppendUvarint(dst, uint64(e.Version.Node))
		dst = binary.AppendUvarint(dst, uint64(e.Revision))
		dst = appendString(dst, e.Notice)
		dst = appendString(dst, e.Receipt)
		if e.Status == Granted {
			dst = binary.AppendVarint(dst, e.Since-e.Version.Time)
			dst = binary.AppendVarint(dst, e.Until-e.Version.Time)
		}
	}
	return dst
}

func appendString(dst []byte, s string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(s))), s...)
}

// ParseRecord reads what AppendRecord wrote, for this subject. It copies.
func ParseRecord(s Subject, src []byte) (*Record, error) {
	if len(src) == 0 || len(src) > maxRecord || src[0] != codecVersion {
		return nil, errRecord
	}
	d := decoder{wire.Reader{Rest: src[1:]}}
	r := &Record{Subject: s}
	for len(d.Rest) > 0 && !d.Bad {
		e := Entry{Purpose: d.string(maxName)}
		code := d.Byte()
		e.Carried, e.Status, e.Method = code>>7 != 0, Status(code>>4&7), Method(code&15)
		e.Version.Time = int64(d.uvarint(maxMicros))
		e.Version.Node = uint16(d.uvarint(1<<16 - 1))
		e.Revision = int(d.uvarint(1<<31 - 1))
		e.Notice, e.Receipt = d.string(maxText), d.string(maxText)
		switch e.Status {
		case Granted:
			e.Since, e.Until = e.Version.Time+d.varint(), e.Version.Time+d.varint()
		case Denied:
			e.Since = e.Version.Time
		default:
			return nil, errRecord
		}
		if n := len(r.Entries); n > 0 && r.Entries[n-1].Purpose >= e.Purpose ||
			!validName(e.Purpose) || int(e.Method) >= len(methodNames) {
			return nil, errRecord
		}
		r.Entries = append(r.Entries, e)
	}
	if d.Bad || !bytes.Equal(AppendRecord(make([]byte, 0, len(src)), r), src) {
		return nil, errRecord
	}
	return r, nil
}

const (
	maxMicros = 1 << 55 // the year 3111: sums of two stay far from overflow
	maxText   = 256
)

// decoder reads fields that are bounded.
type decoder struct{ wire.Reader }

func (d *decoder) uvarint(most uint64) uint64 {
	v := d.Uvarint()
	if v > most {
		d.Fail()
		return 0
	}
	return v
}

func (d *decoder) varint() int64 {
	v := d.Varint()
	if v > maxMicros || v < -maxMicros {
		d.Fail()
		return 0
	}
	return v
}

// bytes is a run of bytes behind its length, in the memory of what is read.
func (d *decoder) bytes(most uint64) []byte { return d.Take(int(d.uvarint(most))) }

func (d *decoder) string(most uint64) string { return string(d.bytes(most)) }

// maxSubject bounds a subject's id: a source, a NUL and an account, or any shorter one.
const maxSubject = 2*maxText + 1

// appendSubject appends kind:1 len:uvarint id; of nobody the kind alone.
func appendSubject(dst []byte, s Subject) []byte {
	if dst = append(dst, byte(s.Kind)); s.IsZero() {
		return dst
	}
	return appendString(dst, s.ID)
}

// subject reads what appendSubject wrote: nobody, or a subject of a known kind whose id
// is not empty.
func (d *decoder) subject() (s Subject) {
	if s.Kind = SubjectKind(d.Byte()); s.IsZero() {
		return s
	}
	if s.ID = d.string(maxSubject); s.ID == "" || s.Kind.String() == "" {
		d.Bad = true
	}
	return s
}
