package externalaccount

import (
	"io"
	"net/http"
	"strings"
	"testing"
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
