package signals

import (
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Values that cannot be read by eye are spelled in cases as <name arguments>, each argument
// name=value or name alone:
//
//	<tc …>       a TC string's core: made, policy, purposes, li, and global for one that is
//	             not service specific
//	<disclosed>  its segment of disclosed vendors, of nobody
//	<publisher …> its publisher TC segment: purposes, li
//	<header …>   a GPP header that lists section ids
//	<usnat …>    a GPP section 7 of version 1, field by field; fields left out are 0, of the
//	             contract's MspaCoveredTransaction 2
//	<gpc N>      its GPC sub-section
//	<canada …>   a GPP section 5 without vendors: express, implied, language
//	<brand …>    its publisher purposes sub-section: express, implied
//	<base64 …>   the rest, in the standard alphabet with padding
//	<times N …>  the rest, N times
//	<byte N>     one byte
var spelled = regexp.MustCompile(`<(tc|disclosed|publisher|header|usnat|gpc|canada|brand|base64|times|byte)(?: ([^<>]*))?>`)

// spell makes the value that a case writes.
func spell(text string) string {
	return spelled.ReplaceAllStringFunc(text, func(s string) string {
		m := spelled.FindStringSubmatch(s)
		a := arguments{}
		for _, word := range strings.Fields(m[2]) {
			name, value, _ := strings.Cut(word, "=")
			a[name] = value
		}
		count, rest, _ := strings.Cut(m[2], " ")
		switch m[1] {
		case "tc":
			return a.tc()
		case "disclosed":
			return ".IAAA" // type 1, MaxVendorId 0, a field
		case "publisher":
			return "." + digits(3, 3) + a.bits("purposes") + a.bits("li") + digits(6, 0) + end
		case "header":
			return header(strings.Fields(m[2])) + end
		case "usnat":
			return a.usnat()
		case "gpc":
			return "." + digits(2, 1) + digits(1, number(count)) + end
		case "canada":
			return a.canada()
		case "brand":
			return "." + digits(3, 3) + a.bits("express") + a.bits("implied") + digits(6, 0) + end
		case "base64":
			return base64.StdEncoding.EncodeToString([]byte(m[2]))
		case "times":
			return strings.Repeat(rest, number(count))
		default:
			return string([]byte{byte(number(count))})
		}
	})
}

// bitsOf is what arguments spell before sextets turns it to characters: runs of the digits
// ⓪ and ①, each up to end.
const (
	end        = "|"
	digit0     = "⓪"
	digit1     = "①"
	characters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
)

var runs = regexp.MustCompile(`[⓪①]+\|`)

// value is spell with its bits as characters.
func value(text string) []byte {
	return []byte(runs.ReplaceAllStringFunc(spell(text), func(run string) string {
		run = strings.NewReplacer(digit0, "0", digit1, "1", end, "").Replace(run)
		run += strings.Repeat("0", (6-len(run)%6)%6)
		var out strings.Builder
		for i := 0; i < len(run); i += 6 {
			n, _ := strconv.ParseUint(run[i:i+6], 2, 8)
			out.WriteByte(characters[n])
		}
		return out.String()
	}))
}

// digits writes a number in so many bits.
func digits(width, n int) string {
	return strings.NewReplacer("0", digit0, "1", digit1).Replace(fmt.Sprintf("%0*b", width, n))
}

func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return n
}

type arguments map[string]string

// or is a number that an argument gives, or else another one.
func (a arguments) or(name string, n int) int {
	if v, ok := a[name]; ok {
		return number(v)
	}
	return n
}

// bits are 24, of which those that an argument lists are 1.
func (a arguments) bits(name string) (out string) {
	ids := strings.Split(a[name], ",")
	for id := range 24 {
		if slices.Contains(ids, strconv.Itoa(id+1)) {
			out += digit1
		} else {
			out += digit0
		}
	}
	return out
}

// made is the day of a string, in deciseconds.
func (a arguments) made() string {
	day := a["made"]
	if day == "" {
		day = "2026-11-01"
	}
	t, err := time.Parse(time.DateOnly, day)
	if err != nil {
		panic(err)
	}
	return digits(36, int(t.UnixMilli()/100))
}

// tc writes a core segment (TC string format 2, "The core string"), with no vendors.
func (a arguments) tc() string {
	_, global := a["global"]
	specific := 1
	if global {
		specific = 0
	}
	return digits(6, 2) + a.made() + a.made() + digits(12, 7) + digits(12, 1) + digits(6, 1) + digits(6, 4) + digits(6, 13) + digits(12, 9) +
		digits(6, a.or("policy", 5)) + digits(1, specific) + digits(1, 0) + digits(12, 0) + a.bits("purposes") + a.bits("li") +
		digits(1, 0) + digits(6, 5) + digits(6, 17) + digits(17, 0) + digits(17, 0) + digits(12, 0) + end
}

// header writes ids of sections, each as an entry of its own, of the Fibonacci code of the
// difference to the one before.
func header(ids []string) string {
	out, last := digits(6, 3)+digits(6, 1)+digits(12, len(ids)), 0
	for _, text := range ids {
		id := number(text)
		out += digits(1, 0) + fibonacci(id-last)
		last = id
	}
	return out
}

func fibonacci(n int) (out string) {
	places := []int{1, 2}
	for places[len(places)-1] <= n {
		places = append(places, places[len(places)-1]+places[len(places)-2])
	}
	for i := len(places) - 1; i >= 0; i-- {
		digit := digit0
		if places[i] <= n {
			digit, n = digit1, n-places[i]
		}
		if out != "" || digit == digit1 {
			out = digit + out
		}
	}
	return out + digit1
}

// usnatFields are those of version 1 in their order; of lists all answers are alike.
var usnatFields = []struct {
	name string
	n    int
}{
	{"SharingNotice", 1},
	{"SaleOptOutNotice", 1},
	{"SharingOptOutNotice", 1},
	{"TargetedAdvertisingOptOutNotice", 1},
	{"SensitiveDataProcessingOptOutNotice", 1},
	{"SensitiveDataLimitUseNotice", 1},
	{"SaleOptOut", 1},
	{"SharingOptOut", 1},
	{"TargetedAdvertisingOptOut", 1},
	{"SensitiveDataProcessing", 12},
	{"KnownChildSensitiveDataConsents", 2},
	{"PersonalDataConsents", 1},
	{"MspaCoveredTransaction", 1},
	{"MspaOptOutOptionMode", 1},
	{"MspaServiceProviderMode", 1},
}

func (a arguments) usnat() string {
	out := digits(6, a.or("Version", 1))
	for _, f := range usnatFields {
		other := 0
		if f.name == "MspaCoveredTransaction" {
			other = 2
		}
		out += strings.Repeat(digits(2, a.or(f.name, other)), f.n)
	}
	return out + end
}

// canada writes the core sub-section of section 5, without vendors.
func (a arguments) canada() string {
	return digits(6, a.or("Version", 1)) + a.made() + a.made() + digits(12, 7) + digits(12, 1) + digits(6, 1) + digits(6, a.or("language", 4)) + digits(6, 13) +
		digits(12, 9) + digits(6, 2) + digits(1, 0) + digits(12, 0) + a.bits("express") + a.bits("implied") + digits(17, 0) + digits(17, 0) + digits(12, 0) + end
}
