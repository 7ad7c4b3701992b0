package googlests

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/wifmint/wifmint/pkg/secret"
)

// publicParts are what an error may quote of a subject token. Of a signed AWS
// request that is where it goes, what it asks for, when it was signed, and how its
// headers are called: AWS's refusals, which Google passes on, speak of these, and
// the date is what gives a wrong clock away. Of any other token it is nothing.
func publicParts(subject secret.Text) []string {
	var r struct {
		URL     string                        `json:"url"`
		Headers []struct{ Key, Value string } `json:"headers"`
	}
	text, err := url.QueryUnescape(subject.Reveal())
	if err != nil || json.Unmarshal([]byte(text), &r) != nil {
		return nil
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		return nil
	}
	public := []string{u.Host, "Action=" + u.Query().Get("Action")}
	for _, h := range r.Headers {
		public = append(public, h.Key)
		if name := strings.ToLower(h.Key); name == "host" || name == "x-amz-date" {
			public = append(public, h.Value)
		}
	}
	return public
}
