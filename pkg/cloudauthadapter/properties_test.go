package cloudauthadapter_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/cloudauthadapter"
)

func TestRequestsAreBilledToTheQuotaProject(t *testing.T) {
	t.Parallel()
	w := newWorld()
	credentials := cloudauthadapter.FromCredentials(w.credentials(t).WithQuotaProject("quota")).Credentials()
	answer, err := w.client(t, credentials, "").Get(api)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if got := answer.Header.Get("Billed"); got != "quota" {
		t.Errorf("billed to %q", got)
	}
}

func TestATokenStaysInItsUniverse(t *testing.T) {
	t.Parallel()
	w := newWorld()
	credentials := cloudauthadapter.FromCredentials(w.credentials(t)).Credentials()
	_, err := w.client(t, credentials, "example.cloud").Get(api)
	if err == nil || !strings.Contains(err.Error(), "universe") {
		t.Errorf("%v, want a refusal", err)
	}
	if universe, err := cloudauthadapter.FromCredentials(w.credentials(t).WithUniverseDomain("example.cloud")).Credentials().UniverseDomain(t.Context()); universe != "example.cloud" {
		t.Errorf("universe %q, %v", universe, err)
	}
}

func TestTheProjectIsTheEnvironmentsOrTheCredentials(t *testing.T) {
	w := newWorld()
	asked := 0
	credentials := cloudauthadapter.FromCredentials(w.credentialsBy(t, projects{w, &asked})).Credentials()
	for _, tt := range []struct{ variable, want string }{{"", "pool-project"}, {"elsewhere", "elsewhere"}} {
		t.Setenv("GOOGLE_CLOUD_PROJECT", tt.variable)
		if project, err := credentials.ProjectID(t.Context()); project != tt.want || err != nil {
			t.Errorf("with the variable %q it is %q, %v", tt.variable, project, err)
		}
	}
	if asked != 1 {
		t.Errorf("Google was asked %d times, want 1", asked)
	}
}

// projects answers for the Cloud Resource Manager.
type projects struct {
	world
	asked *int
}

func (p projects) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "cloudresourcemanager.googleapis.com" {
		return p.world.RoundTrip(r)
	}
	*p.asked++
	body := io.NopCloser(strings.NewReader(`{"projectId": "pool-project"}`))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

func TestCredentialsThatTellNothingLeaveItToTheEnvironment(t *testing.T) {
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"} {
		t.Setenv(name, "from "+name)
	}
	credentials := cloudauthadapter.FromCredentials(stuck{}).Credentials()
	project, _ := credentials.ProjectID(t.Context())
	quota, _ := credentials.QuotaProjectID(t.Context())
	universe, _ := credentials.UniverseDomain(t.Context())
	if project != "from GOOGLE_CLOUD_PROJECT" || quota != "from GOOGLE_CLOUD_QUOTA_PROJECT" || universe != "googleapis.com" {
		t.Errorf("project %q, quota project %q, universe %q", project, quota, universe)
	}
}

func TestAStoredTokenTellsItsProjectAndItsUniverse(t *testing.T) {
	t.Setenv("GOOGLE_CLOUD_PROJECT", "")
	access, id := newWorld(), newWorld()
	access.holds(t, "token", "")
	id.holds(t, "token", service)
	for name, p := range map[string]cloudauthadapter.Provider{
		"an access token": cloudauthadapter.FromSource(access.source()), "an ID token": cloudauthadapter.IDTokens(id.source(), service),
	} {
		credentials := p.Credentials()
		project, err := credentials.ProjectID(t.Context())
		universe, failed := credentials.UniverseDomain(t.Context())
		if project != "stored-project" || universe != "example.cloud" {
			t.Errorf("%s: project %q, %v; universe %q, %v", name, project, err, universe, failed)
		}
	}
}
