package signals

import (
	"bytes"
	"time"

	"assent/consent"
)

// readGPC reads a line of the Sec-GPC header: a signal when one of its list members is
// exactly "1" (W3C Global Privacy Control, 3.2: any other value is to be ignored; RFC
// 9110, 5.3: whoever passes lines on may have joined them).
func readGPC(_ *Reader, line, _ []byte, _ time.Time) (a answer, err error) {
	for rest := true; rest; {
		var member []byte
		member, line, rest = bytes.Cut(line, []byte{','})
		if string(bytes.Trim(member, " \t")) == "1" {
			a.Verdict = consent.Verdict{Said: true, OptOut: true}
		}
	}
	return a, nil
}
