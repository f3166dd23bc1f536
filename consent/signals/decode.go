package signals

import (
	"fmt"
	"strconv"
	"time"

	"assent/consent/cmp"
	"assent/consent/gpp"
	"assent/consent/tcf"
)

// A Decoder tells what single strings say, without a policy. The zero Decoder is ready;
// one at a time may use it.
type Decoder struct {
	words cmp.Reading
	tcf   tcf.String
	gpp   gpp.String
}

// AppendJSON appends what a line says, how it is judged at an instant and why, as the
// object that docs/signals.md describes, and reports whether it is valid: whether it may
// be used as consent then. The kind of the line is told by its form, or by its name where
// it stands before the value, as in name=value.
func (d *Decoder) AppendJSON(dst, line []byte, now time.Time) (out []byte, valid bool) {
	kind, value, beside := cmp.Detect(line)
	return d.appendKind(dst, kind, value, beside, now)
}

func (d *Decoder) appendKind(dst []byte, kind cmp.Kind, value, beside []byte, now time.Time) (out []byte, valid bool) {
	start, read := len(dst), d.word
	if kind == cmp.GPP && len(value) > 0 && value[0] == 'C' {
		kind = cmp.TCF // many put a TC string where a GPP string belongs
	}
	switch kind {
	case cmp.Unknown:
		read = d.unknown
	case cmp.TCF:
		read = d.tc
	case cmp.GPP:
		read = d.platform
	}
	name := kind.String()
	dst = appendMember(append(dst, '{'), "kind", name)
	dst, valid, err := read(kind, dst, value, beside, now)
	if err != nil {
		dst = appendMember(append(dst[:start], '{'), "kind", name)
		return append(strconv.AppendQuote(append(dst, `,"valid":false,"error":`...), err.Error()), '}'), false
	}
	return append(dst, '}'), valid
}

var errUnknown = &cmp.Error{What: "not a kind of string that is known"}

func (d *Decoder) unknown(_ cmp.Kind, dst, _, _ []byte, _ time.Time) ([]byte, bool, error) {
	return dst, false, errUnknown
}

func (d *Decoder) word(k cmp.Kind, dst, value, beside []byte, now time.Time) ([]byte, bool, error) {
	if err := d.words.Read(k, value, beside); err != nil {
		return dst, false, err
	}
	judged := d.words.Judge(now)
	dst = judged.Reasons.AppendJSON(appendJudged(dst, judged.Valid))
	return d.words.AppendJSON(appendObject(dst, k)), judged.Valid, nil
}

func (d *Decoder) tc(k cmp.Kind, dst, value, _ []byte, now time.Time) ([]byte, bool, error) {
	if err := d.tcf.Parse(value); err != nil {
		return dst, false, err
	}
	judged := d.tcf.Judge(now)
	dst = judged.Reasons.AppendJSON(appendJudged(dst, judged.Valid))
	return d.tcf.AppendJSON(appendObject(dst, k)), judged.Valid, nil
}

// platform reads a GPP string. It is valid when every section decodes and holds defined
// values; of its TC string the reasons are told too.
func (d *Decoder) platform(k cmp.Kind, dst, value, _ []byte, now time.Time) ([]byte, bool, error) {
	if err := gpp.Parse(&d.gpp, value); err != nil {
		return dst, false, err
	}
	valid := d.gpp.Valid()
	dst = append(appendJudged(dst, valid), '[')
	reason := func(section, why string) {
		if dst[len(dst)-1] != '[' {
			dst = append(dst, ',')
		}
		dst = append(append(append(append(dst, '"'), section...), why...), '"')
	}
	if text := d.gpp.TCF(); text != nil {
		if err := d.tcf.Parse(text); err != nil {
			return dst, false, fmt.Errorf("tcfeuv2: %w", err) // its bits count from the section's start
		}
		judged := d.tcf.Judge(now)
		for why := tcf.PolicyTooOld; why <= tcf.UnknownSegment; why++ {
			if judged.Reasons.Has(why) {
				reason("tcfeuv2: ", why.String())
			}
		}
	}
	for i := range d.gpp.Sections() {
		if why := d.gpp.Sections()[i].Reason(); why != "" {
			reason("", why)
		}
	}
	dst, err := gpp.AppendJSON(appendObject(append(dst, ']'), k), &d.gpp)
	return dst, valid, err
}

// appendMember appends a member whose value needs no escapes.
func appendMember(dst []byte, name, value string) []byte {
	dst = append(append(append(dst, '"'), name...), `":"`...)
	return append(append(dst, value...), '"')
}

// appendJudged appends all up to the reasons.
func appendJudged(dst []byte, valid bool) []byte {
	if valid {
		return append(dst, `,"valid":true,"reasons":`...)
	}
	return append(dst, `,"valid":false,"reasons":`...)
}

// appendObject appends the name of the member that holds what was read.
func appendObject(dst []byte, k cmp.Kind) []byte {
	return append(append(append(dst, `,"`...), k.String()...), `":`...)
}
