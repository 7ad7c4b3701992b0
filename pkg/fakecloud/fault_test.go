package fakecloud_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

var (
	getA = &secretsmanager.GetSecretValueInput{SecretId: aws.String("a")}
	putA = &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String("new"), ClientRequestToken: token(1)}
)

func TestAFaultStrikesTheCallsItNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name   string
		faults []fakecloud.Fault
		want   string // of calls for a and b in turn: status codes
	}{
		{"none", nil, "200 200 200 200 200 200"},
		{"every call", []fakecloud.Fault{{Status: 500}}, "500 500 500 500 500 500"},
		{"of another service", []fakecloud.Fault{{Service: "aws-sts", Status: 500}}, "200 200 200 200 200 200"},
		{"of another operation", []fakecloud.Fault{{Operation: "PutSecretValue", Status: 500}}, "200 200 200 200 200 200"},
		{"on one resource", []fakecloud.Fault{{Service: "secretsmanager", Operation: "GetSecretValue", Resource: "b", Status: 500}}, "200 500 200 500 200 500"},
		{"a few times", []fakecloud.Fault{{Times: 2, Status: 500}}, "500 500 200 200 200 200"},
		{"after a few", []fakecloud.Fault{{Skip: 1, Times: 2, Status: 500}}, "200 500 500 200 200 200"},
		{"one kind after another", []fakecloud.Fault{{Times: 2, Status: 500}, {Times: 1, Status: 429}}, "500 500 429 200 200 200"},
		{"the first rule first", []fakecloud.Fault{{Resource: "a", Status: 500}, {Times: 2, Status: 429}}, "500 429 500 429 500 200"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := fakecloud.New(fakecloud.Options{})
			c.PutSecret("a", "v")
			c.PutSecret("b", "v")
			for _, f := range test.faults {
				c.Fault(f)
			}
			var got []string
			for _, id := range []string{"a", "b", "a", "b", "a", "b"} {
				got = append(got, statusOf(t, c, "GetSecretValue", `{"SecretId":"`+id+`"}`))
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestAnImprobableFaultStrikesTheSameCallsForTheSameSeed(t *testing.T) {
	t.Parallel()
	strikes := func(seed uint64) (pattern string) {
		c := fakecloud.New(fakecloud.Options{Seed: seed})
		c.Fault(fakecloud.Fault{Probability: 0.25, Status: 500})
		for range 1000 {
			pattern += statusOf(t, c, "ListSecrets", "{}")[:1]
		}
		return pattern
	}
	first := strikes(1)
	if n := strings.Count(first, "5"); n < 200 || n > 300 {
		t.Errorf("%d of 1000 calls struck with a probability of 1/4", n)
	}
	if strikes(1) != first {
		t.Error("the same seed struck other calls")
	}
	if strikes(2) == first {
		t.Error("another seed struck the same calls")
	}
}

// statusOf is the status that a call of Secrets Manager is answered with.
func statusOf(t *testing.T, c *fakecloud.Cloud, operation, body string) string {
	t.Helper()
	answer, err := c.RoundTrip(secretsRequest(t, operation, body))
	if err != nil {
		t.Fatal(err)
	}
	status, _, _ := strings.Cut(answer.Status, " ")
	return status
}

func secretsRequest(t *testing.T, operation, body string) *http.Request {
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://secretsmanager.us-east-1.amazonaws.com/", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	return r
}

func TestARemovedFaultIsOver(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	remove := c.Fault(fakecloud.Fault{Status: 500})
	c.Fault(fakecloud.Fault{Status: 429})
	if got := statusOf(t, c, "ListSecrets", "{}"); got != "500" {
		t.Errorf("with both rules: %s", got)
	}
	remove()
	remove()
	if got := statusOf(t, c, "ListSecrets", "{}"); got != "429" {
		t.Errorf("with the first removed: %s", got)
	}
}

func TestAFaultOfNoServiceIsAMistake(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("it was taken")
		}
	}()
	fakecloud.New(fakecloud.Options{}).Fault(fakecloud.Fault{Service: "secrets-manager"})
}

func TestAFaultAnswersInPlaceOfTheServiceOrAfterIt(t *testing.T) {
	t.Parallel()
	for _, afterEffect := range []bool{false, true} {
		c := fakecloud.New(fakecloud.Options{})
		s := secretsClient(c)
		c.PutSecret("a", "old")
		c.Fault(fakecloud.Fault{
			Operation: "PutSecretValue", Times: 1, Status: http.StatusServiceUnavailable, AfterEffect: afterEffect,
			Header: http.Header{"X-Amzn-Errortype": {"ServiceUnavailable"}}, Body: `{"half":`,
		})
		if _, err := s.PutSecretValue(t.Context(), putA); err == nil {
			t.Fatal("the put succeeded")
		}
		secret, _ := c.Secret("a")
		if current, _ := secret.Labelled("AWSCURRENT"); (current.Value == "new") != afterEffect {
			t.Errorf("AfterEffect %v: the secret holds %q", afterEffect, current.Value)
		}
		if call := c.Calls()[0]; call.Status != 503 || call.Err != "fault: status 503" {
			t.Errorf("on record as %+v", call)
		}
		if _, err := s.PutSecretValue(t.Context(), putA); err != nil {
			t.Errorf("AfterEffect %v: the same put again: %v", afterEffect, err)
		}
	}
}

func TestLatencyIsWaitedForUntilTheClientGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fakecloud.New(fakecloud.Options{})
		s := secretsClient(c)
		c.PutSecret("a", "old")
		c.Fault(fakecloud.Fault{Latency: 3 * time.Second})
		start := time.Now()
		if _, err := s.GetSecretValue(t.Context(), getA); err != nil {
			t.Fatal(err)
		}
		if call := c.Calls()[0]; time.Since(start) != 3*time.Second || call.Duration != 3*time.Second || !call.Time.Equal(start.Add(3*time.Second)) {
			t.Errorf("answered after %s, on record as %+v", time.Since(start), call)
		}

		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		_, err := s.PutSecretValue(ctx, putA)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("with a deadline of one second: %v after %s", err, time.Since(start))
		}
		if secret, _ := c.Secret("a"); len(secret.Versions) != 1 {
			t.Error("the put took effect although its caller gave up during the latency")
		}
	})
}

func TestLatencyAfterTheEffectComesTooLateToStopIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fakecloud.New(fakecloud.Options{})
		s := secretsClient(c)
		c.PutSecret("a", "old")
		c.Fault(fakecloud.Fault{Latency: 3 * time.Second, AfterEffect: true})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.PutSecretValue(ctx, putA); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if secret, _ := c.Secret("a"); len(secret.Versions) != 2 {
			t.Error("the put did not take effect")
		}
		// Creating it twice would be refused.
		if _, err := s.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("b")}); err != nil {
			t.Errorf("a slow call by a patient client: %v", err)
		}
		if call := c.Calls()[1]; call.Err != "" {
			t.Errorf("it was carried out twice: on record as %+v", call)
		}
	})
}

func TestAHangLastsUntilTheClientGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fakecloud.New(fakecloud.Options{})
		c.PutSecret("a", "old")
		c.Fault(fakecloud.Fault{Hang: true, AfterEffect: true})
		var hanging time.Time
		c.OnCall(func(call fakecloud.Call) { hanging = time.Now() })
		start := time.Now()
		s := secretsClient(c, func(o *secretsmanager.Options) {
			o.HTTPClient = &http.Client{Transport: c, Timeout: time.Hour}
		})
		_, err := s.PutSecretValue(t.Context(), putA)
		if err == nil || time.Since(start) != time.Hour {
			t.Errorf("%v after %s, want a failure after the client's hour", err, time.Since(start))
		}
		if !hanging.Equal(start) {
			t.Errorf("OnCall saw the call after %s, want before it hangs", hanging.Sub(start))
		}
		if call := c.Calls()[0]; call.Status != 0 || call.Err != "fault: hang" {
			t.Errorf("on record as %+v", call)
		}
		if secret, _ := c.Secret("a"); len(secret.Versions) != 2 {
			t.Error("the put did not take effect")
		}
	})
}

func TestABrokenConnectionIsSeenAsSuch(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name  string
		fault fakecloud.Fault
		err   error
		body  string
	}{
		{"reset", fakecloud.Fault{Reset: true}, syscall.ECONNRESET, ""},
		{"cut after five bytes", fakecloud.Fault{Status: 200, Body: "0123456789", TruncateBody: 5}, io.ErrUnexpectedEOF, "01234"},
		{"cut before the first byte", fakecloud.Fault{Status: 200, Body: "0123456789", TruncateBody: -1}, io.ErrUnexpectedEOF, ""},
		{"cut where the body ends anyway", fakecloud.Fault{Status: 200, Body: "0123456789", TruncateBody: 10}, nil, "0123456789"},
	} {
		for _, network := range []bool{false, true} {
			c := fakecloud.New(fakecloud.Options{})
			c.Fault(test.fault)
			client, r := &http.Client{Transport: c}, secretsRequest(t, "ListSecrets", "{}")
			if network {
				client, r = overNetwork(t, c, r)
			}
			var body []byte
			answer, err := client.Do(r)
			if err == nil {
				body, err = io.ReadAll(answer.Body)
				if answer.ContentLength != 10 {
					t.Errorf("%s, network %v: Content-Length %d", test.name, network, answer.ContentLength)
				}
			}
			if !errors.Is(err, test.err) || string(body) != test.body {
				t.Errorf("%s, network %v: %v after %q, want %v after %q", test.name, network, err, body, test.err, test.body)
			}
		}
	}
}

func TestASkewedServiceDatesItsAnswersAndJudgesDates(t *testing.T) {
	t.Parallel()
	clock := newClock(morning)
	c := fakecloud.New(fakecloud.Options{Now: clock.now})
	c.Fault(fakecloud.Fault{Service: "secretsmanager", ClockSkew: -20 * time.Minute})
	c.PutSecret("b", "v")
	answer, err := c.RoundTrip(secretsRequest(t, "CreateSecret", `{"Name":"a","SecretString":"v","ClientRequestToken":"`+*token(1)+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	late := morning.Add(-20 * time.Minute)
	if got, want := answer.Header.Get("Date"), late.Format(http.TimeFormat); got != want {
		t.Errorf("Date %s, want %s", got, want)
	}
	secret, _ := c.Secret("a")
	if created := secret.Versions[0].Created; !created.Equal(late) || !c.Calls()[0].Time.Equal(late) {
		t.Errorf("created at %s, on record at %s; want %s", created, c.Calls()[0].Time, late)
	}
	if got := dateOfSTS(t, c); got != morning.Format(http.TimeFormat) {
		t.Errorf("another service's Date is %s", got)
	}
}

// dateOfSTS is the Date that AWS STS answers with.
func dateOfSTS(t *testing.T, c *fakecloud.Cloud) string {
	t.Helper()
	answer, err := get(t.Context(), c, "https://sts.us-east-1.amazonaws.com/")
	if err != nil {
		t.Fatal(err)
	}
	return answer.Header.Get("Date")
}

func TestASDKRetriesAThrottledCall(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fakecloud.New(fakecloud.Options{})
		c.PutSecret("a", "v")
		c.Fault(fakecloud.Fault{Times: 2, Status: 400, Body: `{"__type":"ThrottlingException","message":"Rate exceeded"}`})
		s := secretsClient(c, func(o *secretsmanager.Options) { o.Retryer = retry.NewStandard() })
		if _, err := s.GetSecretValue(t.Context(), getA); err != nil {
			t.Fatal(err)
		}
		var attempts []int
		for _, call := range c.Calls() {
			attempts = append(attempts, call.Attempt)
		}
		if diff := cmp.Diff([]int{1, 2, 3}, attempts); diff != "" {
			t.Errorf("attempts (-want +got):\n%s", diff)
		}
	})
}
