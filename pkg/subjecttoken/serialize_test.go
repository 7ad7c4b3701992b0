package subjecttoken

import (
	"encoding/json"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestSerializeIsQuotedJSON(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		want := SignedRequest{Method: rapid.String().Draw(t, "method"), URL: rapid.String().Draw(t, "url")}
		for range rapid.IntRange(0, 4).Draw(t, "headers") {
			want.Headers = append(want.Headers, Header{rapid.String().Draw(t, "key"), rapid.String().Draw(t, "value")})
		}
		token := serialize(want)
		text, err := url.PathUnescape(token.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if asQuery, err := url.QueryUnescape(token.Reveal()); err != nil || asQuery != text {
			t.Fatalf("reads differently as a query: %q, %v", asQuery, err)
		}
		var got SignedRequest
		dec := json.NewDecoder(strings.NewReader(text))
		dec.DisallowUnknownFields()
		if err := dec.Decode(&got); err != nil {
			t.Fatalf("%v in %s", err, text)
		}
		if len(got.Headers) == 0 {
			got.Headers = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("read back (-want +got):\n%s", diff)
		}
	})
}
