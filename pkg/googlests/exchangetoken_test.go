package googlests_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestExchangeTokenIsAClientsExchange(t *testing.T) {
	t.Parallel()
	called := ""
	transport := server(func(r *http.Request) (*http.Response, error) {
		called = r.URL.String()
		return response(200, goodAnswer), nil
	})
	for tokenURL, want := range map[string]string{"": googlests.DefaultTokenURL, "https://sts.mtls.googleapis.com/v1/token": "https://sts.mtls.googleapis.com/v1/token"} {
		token, err := googlests.ExchangeToken(t.Context(), &http.Client{Transport: transport}, tokenURL, request())
		if err != nil || token.AccessToken.Reveal() != "ya29.d.token" || called != want {
			t.Errorf("called %q, want %q: %v, %v", called, want, token, err)
		}
	}
	called = ""
	_, err := googlests.ExchangeToken(t.Context(), &http.Client{Transport: transport}, "https://sts.evil.com/v1/token", request())
	if e := asError(t, err); e.Code != "invalid_endpoint" || called != "" || !strings.Contains(err.Error(), "sts.evil.com") {
		t.Errorf("another host: %v, called %q", err, called)
	}
}

func ExampleExchangeToken() {
	idToken := secret.New("the ID token of a CI job")
	token, err := googlests.ExchangeToken(context.Background(),
		&http.Client{Transport: answering(200, goodAnswer)}, // nil to call Google
		googlests.DefaultTokenURL,
		googlests.ExchangeRequest{
			Audience:         "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/ci",
			Scopes:           []string{"https://www.googleapis.com/auth/cloud-platform"},
			SubjectTokenType: "urn:ietf:params:oauth:token-type:jwt",
			SubjectToken:     func(context.Context) (secret.Text, error) { return idToken, nil },
		})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(token.TokenType, token.AccessToken)
	// Output: Bearer sha256:cf0f1cc5bdf8
}

// workforce stands for Google STS, where ada has logged in with gcloud.
func workforce() googlests.Client {
	now := func() time.Time { return time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC) }
	cloud := fakecloud.New(fakecloud.Options{Now: now})
	cloud.AddWorkforceUser(fakecloud.WorkforceUser{
		Pool: "staff", Subject: "ada", Rotate: true,
		RefreshToken: "1//from-the-file", ClientID: "client.apps", ClientSecret: "client-secret",
	})
	return googlests.Client{
		ClientAuth: googlests.ClientAuth{ID: "client.apps", Secret: secret.New("client-secret")},
		HTTPClient: &http.Client{Transport: cloud}, // leave these two out to call Google
		Now:        now,
	}
}

func ExampleClient_Refresh() {
	sts := workforce()
	kept := secret.New("1//from-the-file")
	token, err := sts.Refresh(context.Background(), googlests.RefreshRequest{RefreshToken: kept})
	if !token.RefreshToken.IsZero() { // even with an error
		fmt.Println("a new refresh token to keep instead:", !token.RefreshToken.Equal(kept))
		kept = token.RefreshToken
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("good until", token.Expiry.Format(time.RFC3339))
	// Output:
	// a new refresh token to keep instead: true
	// good until 2026-01-02T03:04:05Z
}

func ExampleClient_Revoke() {
	sts := workforce()
	logOut := googlests.RevokeRequest{Token: secret.New("1//from-the-file"), TypeHint: "refresh_token"}
	fmt.Println(sts.Revoke(context.Background(), logOut))
	fmt.Println(sts.Revoke(context.Background(), logOut))
	// Output:
	// <nil>
	// <nil>
}

func ExampleClient_Introspect() {
	sts := workforce()
	token, err := sts.Refresh(context.Background(), googlests.RefreshRequest{RefreshToken: secret.New("1//from-the-file")})
	if err != nil {
		fmt.Println(err)
		return
	}
	who, err := sts.Introspect(context.Background(), googlests.IntrospectRequest{Token: token.AccessToken})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(who.Active, who.Username)
	// Output: true principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ada
}
