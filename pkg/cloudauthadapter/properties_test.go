package cloudauthadapter_test

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/cloudauthadapter"
	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
)

func TestRequestsAreBilledToTheQuotaProject(t *testing.T) {
	t.Parallel()
	w := adaptertest.NewWorld()
	credentials := cloudauthadapter.FromCredentials(adaptertest.Credentials(t, w).WithQuotaProject("quota")).Credentials()
	answer, err := newClient(t, w, credentials, "").Get(adaptertest.API)
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
	w := adaptertest.NewWorld()
	credentials := cloudauthadapter.FromCredentials(adaptertest.Credentials(t, w)).Credentials()
	_, err := newClient(t, w, credentials, "example.cloud").Get(adaptertest.API)
	if err == nil || !strings.Contains(err.Error(), "universe") {
		t.Errorf("%v, want a refusal", err)
	}
	if universe, err := cloudauthadapter.FromCredentials(adaptertest.Credentials(t, w).WithUniverseDomain("example.cloud")).Credentials().UniverseDomain(t.Context()); universe != "example.cloud" {
		t.Errorf("universe %q, %v", universe, err)
	}
}

func TestTheProjectIsTheEnvironmentsOrTheCredentials(t *testing.T) {
	w := adaptertest.NewWorld()
	asked := 0
	credentials := cloudauthadapter.FromCredentials(adaptertest.Credentials(t, projects{w, &asked})).Credentials()
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
	adaptertest.World
	asked *int
}

func (p projects) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != "cloudresourcemanager.googleapis.com" {
		return p.World.RoundTrip(r)
	}
	*p.asked++
	body := io.NopCloser(strings.NewReader(`{"projectId": "pool-project"}`))
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, Request: r}, nil
}

func TestCredentialsThatTellNothingLeaveItToTheEnvironment(t *testing.T) {
	for _, name := range []string{"GOOGLE_CLOUD_PROJECT", "GOOGLE_CLOUD_QUOTA_PROJECT"} {
		t.Setenv(name, "from "+name)
	}
	credentials := cloudauthadapter.FromCredentials(adaptertest.Stuck{}).Credentials()
	project, _ := credentials.ProjectID(t.Context())
	quota, _ := credentials.QuotaProjectID(t.Context())
	universe, _ := credentials.UniverseDomain(t.Context())
	if project != "from GOOGLE_CLOUD_PROJECT" || quota != "from GOOGLE_CLOUD_QUOTA_PROJECT" || universe != "googleapis.com" {
		t.Errorf("project %q, quota project %q, universe %q", project, quota, universe)
	}
}

func TestAStoredTokenTellsItsProjectAndItsUniverse(t *testing.T) {
	t.Setenv("GOOGLE_CLOUD_PROJECT", "")
	access, id := adaptertest.NewWorld(), adaptertest.NewWorld()
	access.Holds(t, "token", "")
	id.Holds(t, "token", adaptertest.Service)
	for name, p := range map[string]cloudauthadapter.Provider{
		"an access token": cloudauthadapter.FromSource(access.Source()), "an ID token": cloudauthadapter.IDTokens(id.Source(), adaptertest.Service),
	} {
		credentials := p.Credentials()
		project, err := credentials.ProjectID(t.Context())
		universe, failed := credentials.UniverseDomain(t.Context())
		if project != "stored-project" || universe != "example.cloud" {
			t.Errorf("%s: project %q, %v; universe %q, %v", name, project, err, universe, failed)
		}
	}
}
