package externalaccount

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"unicode"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

// projects answers for the Cloud Resource Manager API, and leaves the rest to the wire.
type projects struct {
	*wire
	status int
	body   string
	asked  []*http.Request
}

func (p *projects) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Host, "cloudresourcemanager.") {
		return p.wire.RoundTrip(r)
	}
	p.asked = append(p.asked, r)
	return &http.Response{StatusCode: p.status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(p.body)), Request: r}, nil
}

func TestTheProjectIDIsLookedUp(t *testing.T) {
	t.Parallel()
	const staff = "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc"
	token := from(`{"file": "`+writeFile(t, "token", plantedJWT, 0o600)+`"}`, jwt)
	for _, tt := range []struct {
		name             string
		audience, billed string
		scopes           []string
		status           int
		body             string
		want, url, fails string
	}{
		{name: "of a workload", audience: oidc, scopes: []string{platform}, status: 200, body: `{"projectId": "my-project", "projectNumber": "123456"}`,
			want: "my-project", url: "https://cloudresourcemanager.googleapis.com/v1/projects/123456"},
		{name: "of a workforce", audience: staff, billed: "98765", scopes: []string{platform}, status: 200, body: `{"projectId": "billed"}`,
			want: "billed", url: "https://cloudresourcemanager.googleapis.com/v1/projects/98765"},
		{name: "of a workforce without a project", audience: staff, scopes: []string{platform}},
		{name: "without scopes", audience: oidc},
		{name: "without the permission", audience: oidc, scopes: []string{platform}, status: 403, body: `{"error": {"code": 403, "status": "PERMISSION_DENIED", "message": "no"}}`,
			url: "https://cloudresourcemanager.googleapis.com/v1/projects/123456", fails: "looking up the id of project 123456: PERMISSION_DENIED: no (HTTP 403); grant the principal roles/browser"},
		{name: "from an answer of something else", audience: oidc, scopes: []string{platform}, status: 200, body: `{}`,
			url: "https://cloudresourcemanager.googleapis.com/v1/projects/123456", fails: "looking up the id of project 123456: invalid_response: the answer has no projectId"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			w.trustJWT(tt.audience)
			fields := and(map[string]string{}, "audience", `"`+tt.audience+`"`)
			for name, value := range token {
				fields[name] = value
			}
			if tt.billed != "" {
				fields["workforce_pool_user_project"] = `"` + tt.billed + `"`
			}
			f, err := ParseFile(change(t, fields), FileOptions{})
			if err != nil {
				t.Fatal(err)
			}
			google := &projects{wire: w, status: tt.status, body: tt.body}
			c := New(f, Options{Scopes: tt.scopes, Getenv: lookup(nil), HTTPClient: &http.Client{Transport: google}})
			got, err := c.ProjectID(t.Context())
			if got != tt.want || (err == nil) != (tt.fails == "") || err != nil && (!isA[*ProjectError](err) || !strings.HasPrefix(err.Error(), tt.fails)) {
				t.Errorf("%q, %v", got, err)
			}
			switch {
			case tt.url == "" && len(google.asked)+len(w.sent) == 0:
			case len(google.asked) != 1 || google.asked[0].URL.String() != tt.url:
				t.Errorf("asked %v, want %s", google.asked, tt.url)
			case google.asked[0].Header.Get("Authorization") != "Bearer "+c.KeptToken().Value.Reveal():
				t.Error("asked without the token")
			}
		})
	}
}

// Whatever answers for Google: an id that is there, or an error without the token.
func FuzzProjectAnswer(f *testing.F) {
	for _, seed := range hostilejson.Seeds(`{"projectNumber":"123456","projectId":"my-project","lifecycleState":"ACTIVE"}`) {
		f.Add(false, seed)
	}
	for _, seed := range hostilejson.Seeds(`{"error":{"code":403,"status":"PERMISSION_DENIED","message":"TOKEN may not"}}`) {
		f.Add(true, seed)
	}
	f.Add(true, "TOKEN")
	file, err := ParseFile([]byte(minimal), FileOptions{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, refused bool, body string) {
		google := &projects{wire: newWire(), status: http.StatusOK}
		if refused {
			google.status = http.StatusForbidden
		}
		c := New(file, Options{Scopes: []string{platform}, Getenv: lookup(env), HTTPClient: &http.Client{Transport: google}})
		if err := c.Apply(t.Context(), http.Header{}); err != nil {
			t.Fatal(err)
		}
		token := c.KeptToken().Value.Reveal()
		google.body = strings.ReplaceAll(body, "TOKEN", token)
		id, err := c.ProjectID(t.Context())
		if err == nil {
			if id == "" || refused || !json.Valid([]byte(google.body)) {
				t.Errorf("%q is read of %q", id, body)
			}
			return
		}
		failed, ok := errors.AsType[*ProjectError](err)
		if !ok || id != "" || failed.Retryable || failed.Number != "123456" || failed.HTTPStatus != google.status {
			t.Fatalf("%q and %#v", id, err)
		}
		if text := err.Error(); len(text) > 2000 || strings.ContainsFunc(text, unicode.IsControl) || strings.Contains(text, token) {
			t.Errorf("got %q", text)
		}
	})
}
