package fakecloud_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// Whatever it is asked, and whoever asks: the cloud answers, and gives no token to one
// who has proved nothing.
func FuzzNobodyGetsATokenForNothing(f *testing.F) {
	const (
		audience = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p/providers/aws"
		reports  = "reports@p-roject.iam.gserviceaccount.com"
		account  = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/" + reports
		unsigned = "e30.e30.e30"
	)
	exchange := "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange&requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aaccess_token&scope=s&audience=" + url.QueryEscape(audience)
	const jwtType, awsType = "&subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Ajwt", "&subject_token_type=urn%3Aietf%3Aparams%3Aaws%3Atoken-type%3Aaws4_request"
	for at, bodies := range map[string][]string{
		"https://sts.googleapis.com/v1/token": {
			exchange + awsType + "&subject_token=%257B%2522headers%2522%253A" + strings.Repeat("%255B", 5000), exchange + awsType + "&subject_token=%257B%257D", exchange + jwtType + "&subject_token=" + unsigned,
			exchange + jwtType + "&subject_token=a.b", exchange + "&options=%7B%22accessBoundary%22%3A1e999%7D", exchange + exchange, "grant_type=refresh_token&refresh_token=r",
		},
		"https://sts.googleapis.com/v1/introspect":   {"token=ya29.x&token_type_hint=x"},
		"https://sts.googleapis.com/v1/revoke":       {"token=1%2F%2Fx"},
		"https://sts.googleapis.com/v1/oauthtoken":   {"grant_type=refresh_token&refresh_token=&client_id=c&client_secret=s"},
		"https://oauth2.googleapis.com/token":        {"grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + unsigned, "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=..", "grant_type=refresh_token&refresh_token=1%2F%2Fx"},
		"https://oauth2.googleapis.com/tokeninfo?x":  {"access_token=x", "id_token=" + unsigned},
		account + ":generateAccessToken":             {`{"scope":["s"],"lifetime":"3600s"}`, `{"lifetime":"-9223372036854775808s","scope":[""]}`, `{"lifetime":"1e400s","delegates":[null]}`},
		account + ":generateIdToken":                 {`{"audience":"a","includeEmail":true}`, `{"audience":["a"]}`},
		account + ":signBlob":                        {`{"payload":"AA=="}`, `{"payload":"!"}`},
		account + ":signJwt":                         {`{"payload":"{\"exp\":1e400}"}`, `{"payload":"[]"}`},
		"https://sts.eu-west-1.amazonaws.com/":       {"Action=GetCallerIdentity&Version=2011-06-15", "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::1:role/&RoleSessionName=x&DurationSeconds=-1", "Action=GetWebIdentityToken&Audience.member.1=a"},
		"http://169.254.170.2/v1/credentials?x=%zz":  {""},
		"http://169.254.169.254/latest/api/token":    {""},
		"http://169.254.169.254/latest/meta-data/..": {""},
		"http://localhost/google-sts/v1/token":       {exchange},
		"http://localhost//..//":                     {""},
	} {
		for _, body := range append(bodies, "", "{", "\x00", "\xff", "a=%zz", "null", strings.Repeat("[", 20_000), strings.Repeat("a=b&", 20_000), `{"a":`+strings.Repeat("9", 1000)+`}`) {
			f.Add(http.MethodPost, at, "Bearer ya29.nobodys", body)
		}
		f.Add(http.MethodGet, at, "AWS4-HMAC-SHA256 Credential=a/20240102/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0", "")
		f.Add(http.MethodPut, at, "Basic !", "")
	}
	f.Fuzz(func(t *testing.T, method, at, authorization, body string) {
		r, err := http.NewRequestWithContext(t.Context(), method, at, strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("Authorization", authorization)
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if strings.HasPrefix(body, "{") {
			r.Header.Set("Content-Type", "application/json")
		}
		c := fakecloud.New(fakecloud.Options{})
		c.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012"})
		c.AddServiceAccount(fakecloud.ServiceAccount{Email: reports})
		c.AddDelegation(fakecloud.Delegation{ServiceAccount: reports, Domain: "example.com", Scopes: []string{"s"}})
		answer, err := c.RoundTrip(r)
		if err != nil {
			return // a host that there is not
		}
		defer answer.Body.Close()
		if answer.StatusCode < 200 || answer.StatusCode > 599 {
			t.Errorf("status %d", answer.StatusCode)
		}
		if issued := c.IssuedTokens(); len(issued) > 0 {
			t.Errorf("%s %s was given %+v", method, at, issued)
		}
	})
}
