package externalaccount_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
)

// staff is a fake Google at which somebody has logged in through a workforce
// pool, who may impersonate a service account.
func staff() *http.Client {
	cloud := fakecloud.New(fakecloud.Options{})
	cloud.AddWorkforceUser(fakecloud.WorkforceUser{Pool: "staff", Subject: "ada", RefreshToken: "1//of-the-login", ClientID: "client", ClientSecret: "client-secret", Rotate: true})
	cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: "reports@p.iam.gserviceaccount.com"})
	return &http.Client{Transport: cloud}
}

// login is what gcloud writes when somebody logs in.
const login = `{
	"type": "external_account_authorized_user",
	"audience": "//iam.googleapis.com/locations/global/workforcePools/staff/providers/oidc",
	"client_id": "client",
	"client_secret": "client-secret",
	"refresh_token": "1//of-the-login",
	"token_url": "https://sts.googleapis.com/v1/oauthtoken",
	"token_info_url": "https://sts.googleapis.com/v1/introspect"
}`

// Credentials of whatever the file is.
func ExampleParseAny() {
	file, err := externalaccount.ParseAny([]byte(login), externalaccount.FileOptions{}) // or LoadAny, from a path
	if err != nil {
		fmt.Println(err)
		return
	}
	credentials, err := file.Credentials(externalaccount.Options{
		Scopes:     []string{"https://www.googleapis.com/auth/cloud-platform"},
		HTTPClient: staff(), // leave it out to call Google
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := credentials.CachedToken(context.Background())
	fmt.Printf("%T, a token: %t, %v\n", credentials, !token.Value.IsZero(), err)

	_, err = externalaccount.LoadAny("nowhere.json", externalaccount.FileOptions{})
	if e, ok := errors.AsType[*externalaccount.ConfigError](err); ok {
		fmt.Println(e)
	}
	// Output:
	// *externalaccount.AuthorizedUser, a token: true, <nil>
	// reading the credential file nowhere.json: no such file or directory
}

// Google may put another refresh token in place of the file's, which is then void:
// the file has to be written anew.
func ExampleNewAuthorizedUser() {
	user, err := externalaccount.NewAuthorizedUser(&externalaccount.AuthorizedUserFile{
		ClientID: "client", ClientSecret: secret.New("client-secret"), RefreshToken: secret.New("1//of-the-login"),
		TokenURL: "https://sts.googleapis.com/v1/oauthtoken",
	}, externalaccount.Options{
		OnRefreshToken: func(token secret.Text) {
			fmt.Println("another refresh token, to be kept:", token.Reveal() != "1//of-the-login")
		},
		HTTPClient: staff(), // leave it out to call Google
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := user.CachedToken(context.Background()); err != nil {
		fmt.Println(err)
		return
	}
	file, err := user.Info().Encode() // with its secrets; json.Marshal masks them
	fmt.Println("a new file:", len(file) > 0, err)
	fmt.Println("logged out:", user.Revoke(context.Background()))
	// Output:
	// another refresh token, to be kept: true
	// a new file: true <nil>
	// logged out: <nil>
}

// A service account that somebody may impersonate.
func ExampleNewImpersonated() {
	file, err := externalaccount.ParseAny([]byte(`{
		"type": "impersonated_service_account",
		"service_account_impersonation_url": "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reports@p.iam.gserviceaccount.com:generateAccessToken",
		"source_credentials": `+login+`
	}`), externalaccount.FileOptions{})
	if err != nil {
		fmt.Println(err)
		return
	}
	credentials, err := externalaccount.NewImpersonated(file.(*externalaccount.ImpersonatedFile), externalaccount.Options{
		Scopes:     []string{"https://www.googleapis.com/auth/bigquery"},
		HTTPClient: staff(), // leave it out to call Google
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	token, err := credentials.CachedToken(context.Background())
	fmt.Println(token.ServiceAccount, err)
	// Output: reports@p.iam.gserviceaccount.com <nil>
}
