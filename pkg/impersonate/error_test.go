package impersonate_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestErrorsReadWell(t *testing.T) {
	t.Parallel()
	cloud := newCloud(fakecloud.ServiceAccount{Email: reports, Callers: []string{hop}})
	federated := federate(t, cloud)
	const who = "impersonating reports@p.iam.gserviceaccount.com"
	for name, tc := range map[string]struct {
		google  http.RoundTripper
		account string
		want    string
	}{
		"no permission": {
			cloud, reports,
			who + ": PERMISSION_DENIED: Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist). (HTTP 403)" +
				"; the caller may not do this as this service account, or there is no such account: grant the caller roles/iam.workloadIdentityUser on the account " +
				"(with delegates: on the first of them, and each of them roles/iam.serviceAccountTokenCreator on the next); a new grant takes minutes to work",
		},
		"an account that is not there": {
			cloud, "repots@p.iam.gserviceaccount.com",
			"impersonating repots@p.iam.gserviceaccount.com: NOT_FOUND: Not found; Gaia id not found for email repots@p.iam.gserviceaccount.com (HTTP 404)" +
				"; there is no such service account: check its email, NAME@PROJECT.iam.gserviceaccount.com with the project's id, and that it was not deleted",
		},
		"something that is no account": {
			cloud, "reports",
			`impersonating reports: invalid_request: ServiceAccount is "reports": write the email of a service account, such as name@project.iam.gserviceaccount.com`,
		},
		"a proxy's page, again and again": {
			answering(502, "<html>Bad Gateway</html>"), reports,
			who + ": http_error: a page of HTML or XML instead of JSON (HTTP 502, 4 attempts)",
		},
		"nobody there": {
			server(func(*http.Request) (*http.Response, error) { return nil, errors.New("dial tcp: connection refused") }), reports,
			who + " at iamcredentials.googleapis.com: unreachable: dial tcp: connection refused (4 attempts)",
		},
		"an answer of no use": {
			answering(200, "{}"), reports,
			who + ": invalid_response: the answer has no accessToken (HTTP 200)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				req := accessTokenRequest
				req.ServiceAccount = tc.account
				c := client(tc.google)
				c.Now = func() time.Time { return now }
				_, err := c.AccessToken(t.Context(), federated, req)
				if got := asError(t, err).Error(); got != tc.want {
					t.Errorf("got  %s\nwant %s", got, tc.want)
				}
			})
		})
	}
}

// An account that may not be impersonated fails by itself; those beside it do not.
func TestOneAccountsFailureIsItsOwn(t *testing.T) {
	t.Parallel()
	cloud := newCloud()
	for i := range 20 {
		cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: numbered(i), Disabled: i == 7})
	}
	c, federated := client(cloud), federate(t, cloud)
	for i := range 20 {
		_, err := c.AccessToken(t.Context(), federated, impersonate.AccessTokenRequest{ServiceAccount: numbered(i), Scopes: []string{bigquery}})
		if i != 7 && err != nil {
			t.Error(err)
		}
		if i == 7 {
			if e := asError(t, err); e.Account != numbered(7) || e.Code != "PERMISSION_DENIED" || e.HTTPStatus != 403 || e.Retryable ||
				e.Message != "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist)." {
				t.Errorf("got %+v", e)
			}
		}
	}
}

// Google answers with each secret of the request in turn, as it is and in
// every shape an answer may have.
func TestNoSecretIsInAnyError(t *testing.T) {
	t.Parallel()
	const token = "PLANTED-bearer-0123456789"
	const blob = "UExBTlRFRCBibG9iIG9mIGJ5dGVz" // PLANTED blob of bytes, in base64
	assertion := jwt(`{"sub":"PLANTED"}`)
	answers := []string{
		`{"error":"invalid_grant","error_description":"%s"}`, `{"error":"%s"}`, `{"error":{"status":"%s","message":"%[1]s"}}`, `%s`, `<html>%s`,
		`{"accessToken":"%s"}`, `{"accessToken":"a","expireTime":"%s"}`, `{"token":"%s"}`, `{"keyId":["%s"]}`, `{"keyId":"k","signedBlob":"%s"}`,
		`{"keyId":"k","signedJwt":"%s."}`, `{"access_token":"%s"}`, `{"access_token":["%s"]}`, `{"access_token":"a","token_type":"%s"}`,
	}
	for name, call := range calls {
		for _, answer := range answers {
			for _, status := range []int{200, 302, 400, 500} {
				for _, planted := range []string{token, "Bearer " + token, "PLANTED blob of bytes", blob, "PLANTED-claim-0123456789", assertion} {
					c := client(server(func(r *http.Request) (*http.Response, error) {
						if name == "UserToken" && planted == assertion && strings.HasSuffix(r.URL.Path, ":signJwt") {
							return response(200, `{"keyId":"k","signedJwt":"`+assertion+`"}`), nil
						}
						return response(status, fmt.Sprintf(answer, planted)), nil
					}))
					c.MaxAttempts = 1
					if !sends(name, planted, assertion) && status >= 400 {
						continue
					}
					err := call(t.Context(), c, secret.New(token))
					if name == "SignBlob" && status == 200 && err == nil {
						continue // base64 is a signature as good as any
					}
					asError(t, err)
					for ; err != nil; err = errors.Unwrap(err) {
						for _, hidden := range []string{"PLANTED", blob[:12], strings.Split(assertion, ".")[1]} {
							if text := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(text, hidden) {
								t.Fatalf("%s, status %d, %s: %s", name, status, answer, text)
							}
						}
					}
				}
			}
		}
	}
}

// sends reports whether a call sends the secret: what it does not, Google
// cannot quote.
func sends(call, planted, assertion string) bool {
	switch {
	case strings.Contains(planted, "bearer"):
		return true
	case strings.Contains(planted, "claim"):
		return call == "SignJWT"
	case planted == assertion:
		return call == "UserToken"
	}
	return call == "SignBlob"
}

// A message of Google's names the account even where a secret has its name in it.
func TestTheAccountIsNotMasked(t *testing.T) {
	t.Parallel()
	c := client(answering(400, `{"error":{"status":"INVALID_ARGUMENT","message":"No key of `+reports+`."}}`))
	_, err := c.SignJWT(t.Context(), bearer, impersonate.SignJWTRequest{ServiceAccount: reports, Claims: map[string]any{"iss": reports}})
	if e := asError(t, err); e.Message != "No key of "+reports+"." {
		t.Errorf("got %v", err)
	}
}

func FuzzAccessTokenAnswer(f *testing.F) {
	for _, body := range append(hostilejson.Seeds(`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T03:04:05Z"}`),
		`{"accessToken":"ya29.c.x","expireTime":"2026-01-02T03:04:05.123+01:00"}`,
		`{"accessToken":"","expireTime":"9999-12-31T23:59:59Z"}`, `{"accessToken":1}`, `{"accessToken":`,
	) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		token, err := atNow(answering(200, body)).AccessToken(t.Context(), bearer, accessTokenRequest)
		checkBelief(t, token, err)
	})
}

func FuzzIDTokenAnswer(f *testing.F) {
	for _, claims := range []string{
		`{"aud":"` + service + `","exp":1767323045}`, `{"aud":["` + service + `"],"exp":1767323045.5}`, `{"aud":[],"exp":1e99}`, `{"exp":-1}`, "[]",
	} {
		f.Add(idTokenAnswer(jwt(claims)), claims)
	}
	f.Add(`{"token":"a.b.c"}`, "{")
	claims := `{"aud":"` + service + `","exp":1767323045}`
	for _, seed := range hostilejson.Seeds(claims) {
		f.Add("", seed)
	}
	for _, seed := range hostilejson.Seeds(idTokenAnswer(jwt(claims))) {
		f.Add(seed, "")
	}
	f.Fuzz(func(t *testing.T, body, claims string) {
		for _, answer := range []string{body, idTokenAnswer(jwt(claims))} {
			token, err := atNow(answering(200, answer)).IDToken(t.Context(), bearer, idTokenRequest)
			checkBelief(t, token, err)
			if err == nil && strings.Count(token.Value.Reveal(), ".") != 2 {
				t.Errorf("believed %q", token.Value.Reveal())
			}
		}
	})
}

// checkBelief checks a token that came at now, or the error in its place.
func checkBelief(t *testing.T, token impersonate.Token, err error) {
	t.Helper()
	if err != nil {
		if e := asError(t, err); e.Code != "invalid_response" || e.Retryable || (token != impersonate.Token{}) || len(err.Error()) > 400 {
			t.Errorf("got %v, %v", token, err)
		}
		return
	}
	value := token.Value.Reveal()
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r <= ' ' || r > '~' }) {
		t.Errorf("believed %q", value)
	}
	if !token.Expiry.After(now) || token.Expiry.After(now.Add(13*time.Hour)) || token.Expiry.Location() != time.UTC || token.Expiry.Nanosecond() != 0 {
		t.Errorf("believed expiry %v", token.Expiry)
	}
}
