package names

// EqualFold reports whether two names are equal when ASCII letters are taken for the
// same in either case: how HTTP compares names of fields and codings (RFC 9110, 5.1,
// 8.4.1). No other character equals another one: the Kelvin sign is no k here.
func EqualFold(b []byte, s string) bool {
	if len(b) != len(s) {
		return false
	}
	for i := range b {
		if lowered(b[i]) != lowered(s[i]) {
			return false
		}
	}
	return true
}

func lowered(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}
