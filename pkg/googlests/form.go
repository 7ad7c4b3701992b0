package googlests

import "github.com/wifmint/wifmint/pkg/internal/googleapi"

// form is an application/x-www-form-urlencoded body under construction. Unlike
// url.Values it needs no map, no sorting and no copy of every escaped value.
type form []byte

// add appends a field, unless its value is empty.
func (f *form) add(name, value string) {
	if value == "" {
		return
	}
	if len(*f) > 0 {
		*f = append(*f, '&')
	}
	*f = append(*f, name...)
	*f = append(*f, '=')
	*f = appendEscaped(*f, value)
}

// appendEscaped appends what url.QueryEscape returns.
func appendEscaped(b []byte, s string) []byte {
	done := 0
	for i := range len(s) {
		c := s[i]
		if googleapi.Unreserved(c) {
			continue
		}
		b = append(b, s[done:i]...)
		done = i + 1
		if c == ' ' {
			b = append(b, '+')
		} else {
			b = append(b, '%', googleapi.UpperHex[c>>4], googleapi.UpperHex[c&15])
		}
	}
	return append(b, s[done:]...)
}
