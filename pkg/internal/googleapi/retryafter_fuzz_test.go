package googleapi

import (
	"net/http"
	"testing"
)

// Whatever an answer asks for, a wait is no less than none, also of what fits no
// Duration.
func FuzzRetryAfter(f *testing.F) {
	for _, value := range []string{
		"", "0", "1", "-1", "+1", " 1", "1.5", "1e9", "0x10", "2147483647", "2147483648", "18446744073709551616", "99999999999999999999999999999999", "\x00", "\xff",
		"Fri, 02 Jan 2026 03:04:05 GMT", "Friday, 02-Jan-26 03:04:05 GMT", "Fri Jan  2 03:04:05 2026", "Sat, 01 Jan 0000 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Fri, 02 Jan 2026 03:04:05 PST",
	} {
		f.Add(value, "Fri, 02 Jan 2026 03:04:00 GMT")
		f.Add(value, value)
	}
	f.Fuzz(func(t *testing.T, value, date string) {
		h := http.Header{"Retry-After": {value}, "Date": {date}}
		if wait := retryAfter(h); wait < 0 {
			t.Errorf("wait %v", wait)
		}
	})
}
