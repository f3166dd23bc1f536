package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// Retention is how long a recipient may keep a field: calendar months and days.
// The zero value says nothing.
type Retention struct{ Months, Days int }

// maxYears bounds a retention; longer is a mistake of unit.
const maxYears = 100

// ParseRetention reads 30d, 13mo or 1y.
func ParseRetention(s string) (Retention, error) {
	digits := strings.TrimRight(s, "dmoy")
	n, err := strconv.Atoi(digits)
	unit := s[len(digits):]
	limit := map[string]int{"d": 366 * maxYears, "mo": 12 * maxYears, "y": maxYears}[unit]
	if err != nil || n < 1 || n > limit || digits[0] == '+' {
		return Retention{}, fmt.Errorf("%q is no time to keep: write a number and d, mo or y, such as 30d, 13mo, 1y", s)
	}
	switch unit {
	case "d":
		return Retention{Days: n}, nil
	case "mo":
		return Retention{Months: n}, nil
	}
	return Retention{Months: 12 * n}, nil
}

// InDays is the same in whole days, rounded down: a month is a twelfth of a year.
func (r Retention) InDays() uint16 { return uint16(r.Months*365/12 + r.Days) }

// String writes the form ParseRetention reads.
func (r Retention) String() string {
	switch {
	case r == Retention{}:
		return ""
	case r.Days > 0:
		return strconv.Itoa(r.Days) + "d"
	case r.Months%12 == 0:
		return strconv.Itoa(r.Months/12) + "y"
	}
	return strconv.Itoa(r.Months) + "mo"
}

// MarshalText makes a Retention its text in JSON.
func (r Retention) MarshalText() ([]byte, error) { return []byte(r.String()), nil }
