package googlests

import (
	"net/url"
	"testing"

	"pgregory.net/rapid"
)

func TestFormEscapesAsTheStandardLibraryDoes(t *testing.T) {
	t.Parallel()
	every := make([]byte, 256)
	for i := range every {
		every[i] = byte(i)
	}
	if got, want := string(appendEscaped(nil, string(every))), url.QueryEscape(string(every)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	rapid.Check(t, func(t *rapid.T) {
		fields := rapid.MapOf(rapid.StringMatching(`[a-z_]{1,9}`), rapid.String()).Draw(t, "fields")
		var f form
		want := url.Values{}
		for name, value := range fields {
			f.add(name, value)
			if value != "" {
				want.Set(name, value)
			}
		}
		got, err := url.ParseQuery(string(f))
		if err != nil || got.Encode() != want.Encode() {
			t.Errorf("got %v, want %v: %v", got, want, err)
		}
	})
}
