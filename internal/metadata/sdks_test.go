package metadata

import (
	"net/http"
	"testing"
	"testing/synctest"
)

// What Google's SDKs send, read in their source, and what they make of the answer.
func TestSDKsFindWhatTheyAskFor(t *testing.T) {
	t.Parallel()
	const (
		info   = `{"aliases":["default"],"email":"` + reports + `","scopes":["` + bigquery + `"]}`
		scopes = "https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fbigquery%2Chttps%3A%2F%2Fwww.googleapis.com%2Fauth%2Fcloud-platform"
	)
	for _, c := range []struct {
		sdk, does   string
		request     []string
		status      int
		contentType string
		body        string // only of a success
	}{
		// Whether there is a metadata server at all: any success that has the header.
		{"Python google-auth 2.62.2", "pings GCE_METADATA_IP",
			[]string{"GET / HTTP/1.1", "Host: 127.0.0.1:2774", "metadata-flavor: Google", "x-goog-api-client: gl-python/3.13.0 auth/2.62.2 auth-request-type/mds"}, 200, asText, "computeMetadata/\n"},
		{"Java google-auth-library", "pings GCE_METADATA_HOST",
			[]string{"GET / HTTP/1.1", "Host: 127.0.0.1:2774", "Metadata-Flavor: Google", "Accept: text/html, image/gif, image/jpeg, */*; q=0.2"}, 200, asText, "computeMetadata/\n"},
		{"Node gcp-metadata 8.1.4", "asks for instance, without a slash, in isAvailable",
			[]string{"GET /computeMetadata/v1/instance HTTP/1.1", "Host: 127.0.0.1:2774", "metadata-flavor: Google"}, 200, asText, "service-accounts/\n"},

		// Access tokens.
		{"Go x/oauth2 v0.37.0", "sends scopes escaped",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=" + scopes + " HTTP/1.1", "Host: localhost:2774", "User-Agent: gcloud-golang/0.1", "Metadata-Flavor: Google", "Accept-Encoding: gzip"},
			200, asJSON, tokenJSON("reports")},
		{"Go cloud.google.com/go/auth v0.24.3", "asks for a bound token",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/token?binding-enforcement=on&scopes=" + scopes + "&transport=mtls HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"},
			200, asJSON, tokenJSON("reports")},
		{"Python google-auth 2.62.2", "reads the account first, at every refresh",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/?recursive=true HTTP/1.1", "Host: 127.0.0.1:2774", "metadata-flavor: Google"}, 200, asJSON, info},
		{"Python google-auth 2.62.2", "reads the account by the email it was told",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/" + reports + "/?recursive=true HTTP/1.1", "Host: 127.0.0.1:2774", "metadata-flavor: Google"}, 200, asJSON, info},
		{"Python google-auth 2.62.2", "asks for the scopes it was told",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=https%3A%2F%2Fwww.googleapis.com%2Fauth%2Fbigquery HTTP/1.1", "Host: 127.0.0.1:2774", "metadata-flavor: Google", "x-goog-api-client: gl-python/3.13.0 auth/2.62.2 auth-request-type/at cred-type/mds"},
			200, asJSON, tokenJSON("reports")},
		{"Node google-auth-library 10.9.1", "sends scopes with a comma",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=" + scopes + " HTTP/1.1", "host: localhost:2774", "metadata-flavor: Google", "connection: keep-alive"},
			200, asJSON, tokenJSON("reports")},
		{"Java google-auth-library", "sends scopes half escaped",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=https://www.googleapis.com/auth/bigquery,https://www.googleapis.com/auth/cloud-platform HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"},
			200, asJSON, tokenJSON("reports")},
		{"Rust google-cloud-auth", "sends scopes escaped",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/token?scopes=" + scopes + " HTTP/1.1", "host: localhost:2774", "metadata-flavor: Google"},
			200, asJSON, tokenJSON("reports")},

		// ID tokens, which are all asked of the default account.
		{"Go cloud.google.com/go/auth v0.24.3", "asks for an ID token",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/identity?audience=https%3A%2F%2Fapi.example.run.app&format=full&licenses=TRUE HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"},
			200, asText, "ya29.caller-api"},
		{"Python google-auth 2.62.2", "asks for an ID token",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/identity?audience=https%3A%2F%2Fapi.example.run.app&format=full HTTP/1.1", "Host: localhost:2774", "metadata-flavor: Google"},
			200, asText, "ya29.caller-api"},
		{"Node google-auth-library 10.9.1", "asks for an ID token, the audience unescaped",
			[]string{"GET /computeMetadata/v1/instance/service-accounts/default/identity?format=full&audience=https://api.example.run.app HTTP/1.1", "host: localhost:2774", "metadata-flavor: Google"},
			200, asText, "ya29.caller-api"},

		// What else they want to know. 404 is "not known" to them.
		{"Go compute/metadata v0.10.0", "reads the project", []string{"GET /computeMetadata/v1/project/project-id HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}, 200, asText, "p"},
		{"Go compute/metadata v0.10.0", "reads the universe", []string{"GET /computeMetadata/v1/universe/universe-domain HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}, 200, asText, "googleapis.com"},
		{"Go compute/metadata v0.10.0", "reads the email", []string{"GET /computeMetadata/v1/instance/service-accounts/default/email HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}, 200, asText, reports},
		{"Go compute/metadata v0.10.0", "splits the scopes at newlines", []string{"GET /computeMetadata/v1/instance/service-accounts/default/scopes HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}, 200, asText, bigquery + "\n"},
		{"Go compute/metadata v0.10.0", "reads the zone", []string{"GET /computeMetadata/v1/instance/zone HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}, 404, "", ""},
		{"Go cloud.google.com/go/logging", "reads the cluster's name", []string{"GET /computeMetadata/v1/instance/attributes/cluster-name HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}, 404, "", ""},
		{"gcloud", "reads the project's number", []string{"GET /computeMetadata/v1/project/numeric-project-id HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}, 404, "", ""},
		// It goes on 5 s after an error that is neither 404 nor 5xx.
		{"Go compute/metadata v0.10.0", "subscribes", []string{"GET /computeMetadata/v1/project/project-id?wait_for_change=true&last_etag= HTTP/1.1", "Host: localhost:2774", "Metadata-Flavor: Google"}, 400, "", ""},
		// It does so only with an agent identity's certificate, which a machine of AWS has not.
		{"Python google-auth 2.62.2", "posts a certificate", []string{"POST /computeMetadata/v1/instance/service-accounts/default/token HTTP/1.1", "Host: localhost:2774", "metadata-flavor: Google", "Content-Length: 0"}, 405, "", ""},
	} {
		t.Run(c.sdk+" "+c.does, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				got := send(t, newWorld().serve(t, reportsSecret, runAppSecret), c.request...)
				if c.status == http.StatusOK {
					wantAnswer(t, got, c.status, c.contentType, c.body)
				} else {
					wantRefusal(t, got, c.status, "")
				}
				wantGuarded(t, got)
			})
		})
	}
}
