package redact

import "strconv"

// Reason says why bytes were refused. The set is closed and the names are
// stable: they are metric labels and the reasons of bad rows.
type Reason uint8

// The reasons, in no order of weight.
const (
	UnexpectedEnd    Reason = iota + 1 // the bytes end inside a value, or there are none
	UnexpectedByte                     // a byte that the grammar does not allow here
	TrailingBytes                      // something follows the one value
	NotAnObject                        // the one value is not an object
	NotAnArray                         // the one value is not an array
	NotAString                         // the one value is not a string
	TooDeep                            // nested deeper than MaxDepth
	TooLarge                           // longer than MaxSize
	BOM                                // begins with a byte order mark (RFC 8259 section 8.1)
	InvalidUTF8                        // a string or key is not UTF-8
	ControlCharacter                   // a raw byte below 0x20 in a string or key, or a raw NUL anywhere
	BadEscape                          // a backslash followed by what no escape has
	LoneSurrogate                      // half of a UTF-16 pair, written as an escape
	BadNumber                          // a number outside the grammar
	BadLiteral                         // begins like true, false or null and is not
	DuplicateKey                       // a path that must be unique occurs twice

	endOfReasons
)

var reasonNames = [endOfReasons]string{
	UnexpectedEnd:    "unexpected_end",
	UnexpectedByte:   "unexpected_byte",
	TrailingBytes:    "trailing_bytes",
	NotAnObject:      "not_an_object",
	NotAnArray:       "not_an_array",
	NotAString:       "not_a_string",
	TooDeep:          "too_deep",
	TooLarge:         "too_large",
	BOM:              "bom",
	InvalidUTF8:      "invalid_utf8",
	ControlCharacter: "control_character",
	BadEscape:        "bad_escape",
	LoneSurrogate:    "lone_surrogate",
	BadNumber:        "bad_number",
	BadLiteral:       "bad_literal",
	DuplicateKey:     "duplicate_key",
}

// String returns the stable name, "unknown" for a value outside the set.
func (r Reason) String() string {
	if r == 0 || r >= endOfReasons {
		return "unknown"
	}
	return reasonNames[r]
}

// Reasons returns every reason there is, for those who must list them.
func Reasons() []Reason {
	all := make([]Reason, 0, endOfReasons-1)
	for r := Reason(1); r < endOfReasons; r++ {
		all = append(all, r)
	}
	return all
}

// SyntaxError is the refusal of some bytes. It holds a place and a reason and
// never any of the bytes, so that it may be logged and counted.
type SyntaxError struct {
	Offset int // bytes from the start of what was passed in
	Reason Reason
}

func (e *SyntaxError) Error() string {
	return "json: " + e.Reason.String() + " at byte " + strconv.Itoa(e.Offset)
}

// Is makes errors.Is(err, ErrDuplicate) hold at any offset.
func (e *SyntaxError) Is(target error) bool {
	return target == ErrDuplicate && e.Reason == DuplicateKey
}

// ErrDuplicate is matched by the error of Find when a path, or an object on
// the way to it, occurs twice: readers disagree about which one counts.
var ErrDuplicate error = &SyntaxError{Reason: DuplicateKey}

// Inside the package a position and an error share one int: positions are not
// negative, errors are. It keeps the scanner in registers, and an error costs
// one allocation, at the border.
const reasonBits = 5

func fail(offset int, r Reason) int { return -1 - (offset<<reasonBits | int(r)) }

func failure(code int) error {
	code = -1 - code
	return &SyntaxError{Offset: code >> reasonBits, Reason: Reason(code & (1<<reasonBits - 1))}
}
