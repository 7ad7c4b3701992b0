package tokenstore

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// The fake checks the signature with code of its own.
func TestClientSignsWithTheGivenCredentials(t *testing.T) {
	t.Parallel()
	cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
	key := fakecloud.AWSKey{AccessKeyID: "ASIAIOSFODNN7EXAMPLE", SecretAccessKey: awsSecretKey, SessionToken: awsSessionToken,
		ARN: "arn:aws:sts::123456789012:assumed-role/minter/session"}
	cloud.AddAWSKey(key)
	cloud.PutSecret("s", encode(t, accessToken()))
	if current := read(t, newStore(cloud), "s"); !current.Usable() {
		t.Errorf("got %+v", current)
	}

	key.SecretAccessKey = "another"
	cloud.AddAWSKey(key)
	_, err := newStore(cloud).Read(t.Context(), "s")
	wantError(t, err, "InvalidSignatureException", false)
}

func TestClientBoundsEveryCall(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fault fakecloud.Fault
		tries int
		// longest is how long it may take, pauses of up to 2 and 4 s included.
		longest time.Duration
	}{
		"a hang":               {fakecloud.Fault{Hang: true}, 3, 36 * time.Second},
		"a fault":              {fakecloud.Fault{Status: 500}, 3, 6 * time.Second},
		"a throttling":         {fakecloud.Fault{Status: 400, Body: `{"__type":"ThrottlingException"}`}, 3, 6 * time.Second},
		"half an answer":       {fakecloud.Fault{TruncateBody: 5}, 3, 6 * time.Second},
		"a refusal":            {fakecloud.Fault{Status: 400, Body: `{"__type":"AccessDeniedException"}`}, 1, 0},
		"a quota of versions":  {fakecloud.Fault{Status: 400, Body: `{"__type":"LimitExceededException"}`}, 1, 0},
		"a value of somebody":  {fakecloud.Fault{Status: 400, Body: `{"__type":"InvalidRequestException"}`}, 1, 0},
		"a redirect elsewhere": {fakecloud.Fault{Status: 302, Header: http.Header{"Location": {"https://secretsmanager.eu-west-1.amazonaws.com/x"}}}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.holding(t, "s", w.minted(1))
				w.cloud.Fault(tc.fault)
				start := time.Now()
				if _, err := newStore(w.cloud).Read(t.Context(), "s"); err == nil {
					t.Error("no error")
				}
				if n := len(w.cloud.Calls()); n != tc.tries {
					t.Errorf("%d tries, want %d", n, tc.tries)
				}
				if took := time.Since(start); took > tc.longest {
					t.Errorf("it took %v, want at most %v", took, tc.longest)
				}
			})
		})
	}
}

// That the standard library does it then, googleapi's tests show.
func TestClientGivesUpAConnectionWithoutAPeerWithinOneTry(t *testing.T) {
	t.Parallel()
	c, transport := httpClient(nil), transport()
	if h := transport.HTTP2; h == nil || h.SendPingTimeout <= 0 || h.PingTimeout <= 0 || h.SendPingTimeout+h.PingTimeout > c.Timeout/2 {
		t.Errorf("a lost HTTP/2 connection is noticed by %+v, a try lasts %v", h, c.Timeout)
	}
	const tick = 5 * time.Minute // of the schedule: what idled since the last one may be lost
	if idle := transport.IdleConnTimeout; idle <= 0 || idle >= tick {
		t.Errorf("connections may idle for %v", idle)
	}
}

func TestClientKeepsTheCallersTimeout(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cloud.Fault(fakecloud.Fault{Hang: true})
		mine := &http.Client{Transport: w.cloud, Timeout: time.Second}
		store := &Store{Client: NewClient(Options{Region: "eu-west-1", HTTPClient: mine, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")})}
		start := time.Now()
		_, err := store.Read(t.Context(), "s")
		wantError(t, err, "Timeout", true)
		if took := time.Since(start); took > 9*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

func TestClientCallsTheBaseEndpointWhateverTheEnvironmentSays(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL", "http://nowhere.example")
	for name, tc := range map[string]struct{ env, base, host string }{
		"an empty variable means the region's endpoint": {"", "", "secretsmanager.eu-west-1.amazonaws.com"},
		"a variable is left to the caller":              {"http://elsewhere.example", "", "secretsmanager.eu-west-1.amazonaws.com"},
		"the base endpoint is called":                   {"http://elsewhere.example", "http://127.0.0.1:1/secretsmanager", "127.0.0.1:1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("AWS_ENDPOINT_URL_SECRETS_MANAGER", tc.env)
			w := newWorld()
			w.holding(t, "s", w.minted(1))
			var host string
			store := &Store{Client: NewClient(Options{
				Region:       "eu-west-1",
				BaseEndpoint: tc.base,
				Credentials:  credentials.NewStaticCredentialsProvider("a", "b", ""),
				HTTPClient: &http.Client{Transport: roundTripFunc(func(r *http.Request) (*http.Response, error) {
					host = r.URL.Host
					return w.cloud.RoundTrip(r)
				})},
			})}
			if current := read(t, store, "s"); !current.Usable() || host != tc.host {
				t.Errorf("called %s, want %s; got %+v", host, tc.host, current)
			}
		})
	}
}

type roundTripFunc func(*http.Request) (*http.Response, error)

func (f roundTripFunc) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
