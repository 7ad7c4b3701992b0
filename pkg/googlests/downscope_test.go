package googlests_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

const bucket = "//storage.googleapis.com/projects/_/buckets/b"

// viewer is a usual rule.
var viewer = googlests.AccessBoundaryRule{AvailableResource: bucket, AvailablePermissions: []string{"inRole:roles/storage.objectViewer"}}

func downscopeRequest(rules ...googlests.AccessBoundaryRule) googlests.DownscopeRequest {
	return googlests.DownscopeRequest{AccessToken: secret.New("ya29.c.source"), Rules: rules}
}

func TestDownscopeSendsTheBoundary(t *testing.T) {
	t.Parallel()
	const plain = `{"availableResource":"` + bucket + `","availablePermissions":["inRole:roles/storage.objectViewer"]}`
	conditioned := viewer
	conditioned.AvailabilityCondition = googlests.AvailabilityCondition{Expression: `resource.name.startsWith("x") && 1 < 2`, Title: "t"}
	for name, tc := range map[string]struct {
		rules   []googlests.AccessBoundaryRule
		options string
	}{
		"one rule":  {[]googlests.AccessBoundaryRule{viewer}, `{"accessBoundary":{"accessBoundaryRules":[` + plain + `]}}`},
		"two rules": {[]googlests.AccessBoundaryRule{viewer, viewer}, `{"accessBoundary":{"accessBoundaryRules":[` + plain + `,` + plain + `]}}`},
		"a condition": {[]googlests.AccessBoundaryRule{conditioned}, `{"accessBoundary":{"accessBoundaryRules":[` + strings.TrimSuffix(plain, "}") +
			`,"availabilityCondition":{"expression":"resource.name.startsWith(\"x\") && 1 < 2","title":"t"}}]}}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(func(r *http.Request) (*http.Response, error) {
				body, _ := io.ReadAll(r.Body)
				form, err := url.ParseQuery(string(body))
				want := url.Values{
					"grant_type":           {"urn:ietf:params:oauth:grant-type:token-exchange"},
					"requested_token_type": {accessType}, "subject_token_type": {accessType},
					"subject_token": {"ya29.c.source"}, "options": {tc.options},
				}
				if diff := cmp.Diff(want, form); err != nil || diff != "" {
					t.Errorf("form (-want +got): %v\n%s", err, diff)
				}
				return response(200, goodAnswer), nil
			})
			if token, err := c.Downscope(t.Context(), downscopeRequest(tc.rules...)); err != nil || token.AccessToken.Reveal() != "ya29.d.token" {
				t.Errorf("got %v, %v", token, err)
			}
		})
	}
}

// A rule is as Google documents it, so that a document can be read into it.
func TestRulesAreReadFromGooglesJSON(t *testing.T) {
	t.Parallel()
	var got googlests.AccessBoundaryRule
	err := json.Unmarshal([]byte(`{"availableResource":"r","availablePermissions":["p"],"availabilityCondition":{"expression":"e","title":"t","description":"d"}}`), &got)
	want := googlests.AccessBoundaryRule{
		AvailableResource: "r", AvailablePermissions: []string{"p"},
		AvailabilityCondition: googlests.AvailabilityCondition{Expression: "e", Title: "t", Description: "d"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestExpiryOfADownscopedToken(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 2, 4, 6, 0, time.UTC)
	answered, source := now.Add(3599*time.Second), now.Add(20*time.Minute)
	for name, tc := range map[string]struct {
		expiresIn string
		source    time.Time
		want      time.Time
		text      string
	}{
		"told, and the source's unknown": {"3599", time.Time{}, answered, ""},
		"told, and the source's known":   {"3599", source, answered, ""},
		"the source's":                   {"", source, source, ""},
		"the source's, where null is":    {"null", source, source, ""},
		"the source's, with a fraction":  {"", source.Add(time.Second / 2), source, ""},
		"the source's, in another zone":  {"", source.In(time.FixedZone("east", 3600)), source, ""},
		"known to nobody":                {"", time.Time{}, time.Time{}, "no expires_in"},
		"the source's, which is past":    {"", now, time.Time{}, "by SubjectExpiry its token had expired"},
		"the source's, within a second":  {"", now.Add(time.Second / 2), time.Time{}, "by SubjectExpiry its token had expired"},
		"told, and wrong":                {"0", source, time.Time{}, "expires_in is 0"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(answering(200, with("expires_in", tc.expiresIn)))
			c.Now = func() time.Time { return now }
			req := downscopeRequest(viewer)
			req.Expiry = tc.source
			token, err := c.Downscope(t.Context(), req)
			if tc.text != "" {
				if e := asError(t, err); e.Code != "invalid_response" || !strings.Contains(e.Description, tc.text) || !token.AccessToken.IsZero() {
					t.Errorf("got %v, %v, want something about %q", token, err, tc.text)
				}
			} else if err != nil || token.Expiry != tc.want {
				t.Errorf("expiry %v, want %v: %v", token.Expiry, tc.want, err)
			}
		})
	}
}

func TestABoundaryThatGoogleWouldNotTakeIsNotSent(t *testing.T) {
	t.Parallel()
	one := func(change func(*googlests.AccessBoundaryRule)) googlests.DownscopeRequest {
		rule := viewer
		change(&rule)
		return downscopeRequest(viewer, rule)
	}
	for name, tc := range map[string]struct {
		req  googlests.DownscopeRequest
		text string
	}{
		"no token":                    {googlests.DownscopeRequest{Rules: []googlests.AccessBoundaryRule{viewer}}, "AccessToken is empty"},
		"no rules":                    {downscopeRequest(), "there are 0 Rules: write 1 to 10"},
		"eleven rules":                {downscopeRequest(make([]googlests.AccessBoundaryRule, 11)...), "there are 11 Rules"},
		"no resource":                 {one(func(r *googlests.AccessBoundaryRule) { r.AvailableResource = "" }), `Rules[1].AvailableResource is "": write a full resource name`},
		"a bucket's name":             {one(func(r *googlests.AccessBoundaryRule) { r.AvailableResource = "my-bucket" }), "write a full resource name"},
		"a bucket's URL":              {one(func(r *googlests.AccessBoundaryRule) { r.AvailableResource = "gs://my-bucket/" }), "write a full resource name"},
		"a service alone":             {one(func(r *googlests.AccessBoundaryRule) { r.AvailableResource = "//storage.googleapis.com" }), "write a full resource name"},
		"a path alone":                {one(func(r *googlests.AccessBoundaryRule) { r.AvailableResource = "///projects/_/buckets/b" }), "write a full resource name"},
		"no permissions":              {one(func(r *googlests.AccessBoundaryRule) { r.AvailablePermissions = nil }), "Rules[1].AvailablePermissions is empty: write a role"},
		"a role without its prefix":   {one(func(r *googlests.AccessBoundaryRule) { r.AvailablePermissions = []string{"roles/storage.objectViewer"} }), "Rules[1].AvailablePermissions[0]"},
		"a prefix without its role":   {one(func(r *googlests.AccessBoundaryRule) { r.AvailablePermissions = []string{"inRole:x", "inRole:"} }), "AvailablePermissions[1]"},
		"a title without a condition": {one(func(r *googlests.AccessBoundaryRule) { r.AvailabilityCondition.Title = "t" }), "AvailabilityCondition has no Expression"},
		"a condition that is too long": {one(func(r *googlests.AccessBoundaryRule) {
			r.AvailabilityCondition.Expression = strings.Repeat("ä", 2049)
		}), "has 2049 characters: Google takes at most 2048"},
		"options that are too long": {one(func(r *googlests.AccessBoundaryRule) {
			r.AvailableResource += strings.Repeat("b", 4096)
		}), "characters of JSON: Google takes at most 4096"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := client(func(*http.Request) (*http.Response, error) {
				t.Error("something was sent")
				return response(200, goodAnswer), nil
			})
			_, err := c.Downscope(t.Context(), tc.req)
			if e := asError(t, err); e.Code != "invalid_request" || e.Op != "downscoping token" || e.Retryable || !strings.Contains(e.Description, tc.text) {
				t.Errorf("got %v, want something about %q", err, tc.text)
			}
		})
	}
}

func TestOptionsHaveJustAsManyCharactersAsGoogleTakes(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]bool{4096: true, 4097: false} {
		req := request()
		req.Options = map[string]any{"a": strings.Repeat("ä", length-len(`{"a":""}`))}
		if _, err := client(answering(200, goodAnswer)).Exchange(t.Context(), req); (err == nil) != want {
			t.Errorf("%d characters: %v", length, err)
		}
	}
}

func TestDownscopingIsRetriedAndFailsAsAnExchange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		_, err := client(answering(503, `{"error":{"status":"UNAVAILABLE","message":"No ya29.c.source."}}`)).Downscope(t.Context(), downscopeRequest(viewer))
		if got, want := asError(t, err).Error(), "downscoping token at sts.googleapis.com: UNAVAILABLE: No [masked]. (HTTP 503, 4 attempts)"; got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	})
}

func ExampleClient_Downscope() {
	sts := googlests.Client{
		// Leave these two out to call Google.
		HTTPClient: &http.Client{Transport: answering(200, goodAnswer)},
		Now:        func() time.Time { return time.Date(2026, 1, 2, 2, 4, 6, 0, time.UTC) },
	}
	token, err := sts.Downscope(context.Background(), googlests.DownscopeRequest{
		AccessToken: secret.New("a service account's access token"),
		Rules: []googlests.AccessBoundaryRule{{
			AvailableResource:    "//storage.googleapis.com/projects/_/buckets/customers",
			AvailablePermissions: []string{"inRole:roles/storage.objectViewer"},
			AvailabilityCondition: googlests.AvailabilityCondition{
				Expression: `resource.name.startsWith("projects/_/buckets/customers/objects/a/")`,
			},
		}},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.AccessToken, "until", token.Expiry.Format(time.RFC3339))
	// Output: sha256:cf0f1cc5bdf8 until 2026-01-02T03:04:05Z
}
