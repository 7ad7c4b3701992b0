package externalaccount

import (
	"errors"
	"maps"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

func TestAnExchangeYieldsATokenOfTheFederatedIdentity(t *testing.T) {
	t.Parallel()
	w := newWire()
	before := time.Now()
	token, err := w.credentials(t, nil, Options{}).Exchange(t.Context(), []string{bigquery, platform})
	if err != nil {
		t.Fatal(err)
	}
	issued, good := w.LookupToken(token.AccessToken.Reveal())
	if !good || issued.Kind != fakecloud.FederatedToken || issued.Principal != subjects+lambdaARN || issued.Audience != provider {
		t.Errorf("issued %v for %s, good: %t", issued, issued.Audience, good)
	}
	if !slices.Equal(issued.Scopes, []string{bigquery, platform}) {
		t.Errorf("scopes %q", issued.Scopes)
	}
	if token.Expiry.After(issued.Expires) || token.Expiry.Before(before.Add(59*time.Minute)) {
		t.Errorf("expiry %v, Google's is %v", token.Expiry, issued.Expires)
	}
	if got := w.one(t, "sts.googleapis.com"); got.url != "https://sts.googleapis.com/v1/token" || got.form().Has("options") || got.header.Get("Authorization") != "" {
		t.Errorf("sent %s with %v", got.url, got.header)
	}
}

func TestTheFilesRoleIsAssumed(t *testing.T) {
	t.Parallel()
	const role = `"` + deployARN + `"`
	for _, tt := range []struct {
		name    string
		fields  map[string]string
		env     map[string]string
		sts     string // where the role is assumed
		session string
		region  string // that the subject token is signed for
	}{
		{"the role alone", map[string]string{"aws_role_arn": role}, env,
			"sts.eu-west-1.amazonaws.com", "wifmint", "eu-west-1"},
		{"all three", map[string]string{"aws_role_arn": role, "aws_session_name": `"ci@main"`, "aws_region": `"us-east-1"`}, env,
			"sts.us-east-1.amazonaws.com", "ci@main", "us-east-1"},
		{"at an endpoint of the environment", map[string]string{"aws_role_arn": role}, with("AWS_ENDPOINT_URL", "https://sts-fips.eu-west-1.amazonaws.com"),
			"sts-fips.eu-west-1.amazonaws.com", "wifmint", "eu-west-1"},
		{"at STS's own endpoint of the environment", map[string]string{"aws_role_arn": role},
			with("AWS_ENDPOINT_URL", "https://example.com", "AWS_ENDPOINT_URL_STS", "https://sts-fips.eu-west-1.amazonaws.com"),
			"sts-fips.eu-west-1.amazonaws.com", "wifmint", "eu-west-1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			c := w.credentials(t, tt.fields, Options{Getenv: lookup(tt.env)})
			const assumed = "arn:aws:sts::123456789012:assumed-role/deploy/"
			if issued := w.exchange(t, c); issued.Principal != subjects+assumed+tt.session {
				t.Errorf("the token is of %s", issued.Principal)
			}
			w.one(t, tt.sts)
			calls := w.Calls()
			if first := calls[0]; first.Operation != "AssumeRole" || first.Resource != deployARN || first.Principal != lambdaARN {
				t.Errorf("the first call is %+v", first)
			}
			if got := subjectToken(t, c).URL; !strings.HasPrefix(got, "https://sts."+tt.region+".amazonaws.com?") {
				t.Errorf("signed for %s, want %s", got, tt.region)
			}
			if n := w.Count("aws-sts", "AssumeRole"); n != 1 {
				t.Errorf("assumed %d times", n)
			}
		})
	}
}

func TestTheFilesRegionIsSignedFor(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.credentials(t, map[string]string{"aws_region": `"us-east-1"`}, Options{})
	if got := subjectToken(t, c); !strings.HasPrefix(got.URL, "https://sts.us-east-1.amazonaws.com?") || !strings.Contains(got.header("authorization"), "/us-east-1/sts/") {
		t.Errorf("signed %s: %s", got.URL, got.header("authorization"))
	}
	if issued := w.exchange(t, c); issued.Principal != subjects+lambdaARN {
		t.Errorf("the token is of %s", issued.Principal)
	}
}

func TestTheFilesVerificationURLIsSigned(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.credentials(t, map[string]string{
		"credential_source.regional_cred_verification_url": `"https://sts-fips.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"`,
	}, Options{Getenv: lookup(with("AWS_REGION", "us-west-2"))})
	if got, want := subjectToken(t, c).URL, "https://sts-fips.us-west-2.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"; got != want {
		t.Errorf("signed %s, want %s", got, want)
	}
	w.exchange(t, c)
}

func TestTheFilesClientAuthenticatesByBasic(t *testing.T) {
	t.Parallel()
	w := newWire()
	w.AddProvider(fakecloud.Provider{Audience: provider, AWSAccount: "123456789012", ClientID: "client", ClientSecret: plantedClient})
	w.exchange(t, w.credentials(t, map[string]string{"client_id": `"client"`, "client_secret": `"` + plantedClient + `"`}, Options{}))
	sent := w.one(t, "sts.googleapis.com")
	r := http.Request{Header: sent.header}
	if id, password, ok := r.BasicAuth(); !ok || id != "client" || password != plantedClient {
		t.Errorf("authenticated as %q, basic: %t", id, ok)
	}
	if form := sent.form(); form.Has("client_id") || form.Has("client_secret") {
		t.Errorf("the client is in the form too: %v", slices.Sorted(maps.Keys(form)))
	}
}

func TestTheTokenURLIsTheFilesOrItsUniverses(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name   string
		fields map[string]string
		any    bool
		want   string
	}{
		{"a private endpoint", map[string]string{"token_url": `"https://sts-vpc.p.googleapis.com/v1/token"`}, false, "https://sts-vpc.p.googleapis.com/v1/token"},
		{"a universe", map[string]string{"universe_domain": `"s3nsapis.fr"`}, false, "https://sts.s3nsapis.fr/v1/token"},
		{"a universe's own region", map[string]string{"universe_domain": `"s3nsapis.fr"`, "token_url": `"https://sts.u-france-east1.rep.s3nsapis.fr/v1/token"`}, false,
			"https://sts.u-france-east1.rep.s3nsapis.fr/v1/token"},
		{"loopback, where that is allowed", map[string]string{"token_url": `"http://127.0.0.1:8080/google-sts/v1/token"`}, true, "http://127.0.0.1:8080/google-sts/v1/token"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			w.exchange(t, w.credentials(t, tt.fields, Options{AllowAnyEndpoint: tt.any}))
			if len(w.sent) != 1 || w.sent[0].url != tt.want {
				t.Errorf("sent %v, want one to %s", w.sent, tt.want)
			}
		})
	}
}

// A File that was not parsed is not checked either, until it is used.
func TestAnEndpointIsCheckedAtEveryCall(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.of(&File{Audience: provider, SubjectTokenType: subjecttoken.AWSTokenType, TokenURL: "https://sts.example.com/v1/token", AWS: &AWSSource{}}, Options{})
	_, err := c.Exchange(t.Context(), []string{bigquery})
	if e, ok := errors.AsType[*googlests.Error](err); !ok || e.Code != "invalid_endpoint" || len(w.sent) > 0 {
		t.Errorf("%v after %d messages", err, len(w.sent))
	}
}

func TestASupplierOfOnesOwnReplacesTheFilesSources(t *testing.T) {
	t.Parallel()
	w := newWire()
	var asked []supplier.SupplierContext
	alice := w.userSupplier()
	alice.asked = &asked
	c := w.credentials(t, nil, Options{Supplier: alice})
	if issued := w.exchange(t, c); issued.Principal != subjects+"arn:aws:iam::123456789012:user/alice" {
		t.Errorf("the token is of %s", issued.Principal)
	}
	if want := (supplier.SupplierContext{Audience: provider, SubjectTokenType: subjecttoken.AWSTokenType}); len(asked) != 1 || asked[0] != want {
		t.Errorf("it was asked with %+v", asked)
	}
	if got := subjectToken(t, c).URL; !strings.HasPrefix(got, "https://sts.ap-south-1.amazonaws.com?") {
		t.Errorf("signed for %s", got)
	}
}

func TestTheFilesRoleIsAssumedOnTopOfASupplierOfOnesOwn(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.credentials(t, map[string]string{"aws_role_arn": `"` + deployARN + `"`}, Options{Supplier: w.userSupplier()})
	if issued := w.exchange(t, c); issued.Principal != subjects+"arn:aws:sts::123456789012:assumed-role/deploy/wifmint" {
		t.Errorf("the token is of %s", issued.Principal)
	}
	w.one(t, "sts.ap-south-1.amazonaws.com")
}

func TestTheFilesSourcesEndWithTheMetadataServiceAtItsURLs(t *testing.T) {
	t.Parallel()
	f, err := ParseFile(change(t, map[string]string{
		"credential_source.region_url":               `"http://169.254.169.254/region"`,
		"credential_source.url":                      `"http://169.254.169.254/keys"`,
		"credential_source.imdsv2_session_token_url": `"http://169.254.169.254/token"`,
	}), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	chain := AWSSources(f, Options{Getenv: lookup(nil)})
	imds, ok := chain[len(chain)-1].(supplier.IMDS)
	if !ok || imds.RegionURL != "http://169.254.169.254/region" || imds.CredentialsURL != "http://169.254.169.254/keys" || imds.TokenURL != "http://169.254.169.254/token" || imds.AllowAnyEndpoint {
		t.Errorf("the last link is %+v", chain[len(chain)-1])
	}
	if onLambda := AWSSources(f, Options{Getenv: lookup(env)}); len(onLambda) != len(chain)-1 {
		t.Errorf("on Lambda there are %d links", len(onLambda))
	}
}

func TestAWorkforcePoolBillsTheUserProjectUnlessThereIsAClient(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		file File
		want string
	}{
		{"without a client", File{WorkforcePoolUserProject: "98765"}, `{"userProject":"98765"}`},
		{"with a client, whose project it is", File{WorkforcePoolUserProject: "98765", ClientID: "client", ClientSecret: secret.New(plantedClient)}, ""},
		{"without a project", File{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			w.AddProvider(fakecloud.Provider{Audience: workforce, AWSAccount: "123456789012", ClientID: tt.file.ClientID, ClientSecret: tt.file.ClientSecret.Reveal()})
			f := tt.file // made here, since a parsed file has no workforce pool with AWS
			f.Audience, f.SubjectTokenType, f.AWS = workforce, subjecttoken.AWSTokenType, &AWSSource{}
			w.exchange(t, w.of(&f, Options{}))
			if got := w.one(t, "sts.googleapis.com").form().Get("options"); got != tt.want {
				t.Errorf("options %s, want %s", got, tt.want)
			}
		})
	}
}

func TestGoogleIsToldHowFederationIsUsed(t *testing.T) {
	t.Parallel()
	const (
		impersonating = `"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/` + reports + `:generateAccessToken"`
		lifetime      = `{"token_lifetime_seconds": 2800}`
	)
	library := "gl-go/" + strings.TrimPrefix(runtime.Version(), "go") + " auth/" + Version + " google-byoid-sdk "
	for _, tt := range []struct {
		name   string
		fields map[string]string
		own    bool // supplier
		want   string
	}{
		{"the least", nil, false, "source/aws sa-impersonation/false config-lifetime/false"},
		{"a supplier of one's own", nil, true, "source/programmatic sa-impersonation/false config-lifetime/false"},
		{"impersonation", map[string]string{"service_account_impersonation_url": impersonating}, false, "source/aws sa-impersonation/true config-lifetime/false"},
		{"a lifetime", map[string]string{"service_account_impersonation_url": impersonating, "service_account_impersonation": lifetime}, false,
			"source/aws sa-impersonation/true config-lifetime/true"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWire()
			var o Options
			if tt.own {
				o.Supplier = w.userSupplier()
			}
			w.exchange(t, w.credentials(t, tt.fields, o))
			if got := w.one(t, "sts.googleapis.com").header.Get("X-Goog-Api-Client"); got != library+tt.want {
				t.Errorf("x-goog-api-client is %s\nwant %s", got, library+tt.want)
			}
		})
	}
}

func TestTheClockIsTheOptions(t *testing.T) {
	t.Parallel()
	w := newWire()
	at := time.Now().Add(-10 * time.Minute).Truncate(time.Second) // which AWS still takes
	c := w.credentials(t, nil, Options{Now: func() time.Time { return at }})
	if got, want := subjectToken(t, c).header("x-amz-date"), at.UTC().Format("20060102T150405Z"); got != want {
		t.Errorf("signed at %s, want %s", got, want)
	}
	token, err := c.Exchange(t.Context(), []string{bigquery})
	if err != nil || !token.Expiry.Equal(at.Add(time.Hour)) {
		t.Errorf("expiry %v, %v; want an hour after %v", token.Expiry, err, at)
	}
}
