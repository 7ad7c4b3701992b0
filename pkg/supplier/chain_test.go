package supplier

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestAChainStopsAtTheFirstThatSucceeds(t *testing.T) {
	t.Parallel()
	var last int
	c := Chain{
		nil,
		custom{err: errors.New("vault is sealed")},
		Environment{Getenv: environ("AWS_ACCESS_KEY_ID", "half a pair is passed over")},
		Chain{custom{}},
		custom{creds: testKeys(), region: "eu-west-1"},
		custom{creds: testKeys(), asked: &last},
	}
	creds, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
	if last != 0 {
		t.Error("a link behind the one that succeeded was asked")
	}
	if region, err := c.AwsRegion(t.Context(), SupplierContext{}); region != "eu-west-1" || err != nil {
		t.Errorf("got %q, %v", region, err)
	}
}

func TestAChainThatFailsReportsEveryLink(t *testing.T) {
	t.Parallel()
	cause := errors.New("vault is sealed")
	c := Chain{
		Environment{Getenv: environ("AWS_ACCESS_KEY_ID", testKeyID)},
		Container{Getenv: environ()},
		IMDS{Getenv: environ("AWS_LAMBDA_FUNCTION_NAME", "f"), HTTPClient: noCalls(t)},
		nil,
		custom{err: cause},
		Chain{Provider{}},
	}
	_, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
	const want = "getting AWS credentials from a chain of 6: " +
		"environment: AWS_ACCESS_KEY_ID is set but AWS_SECRET_ACCESS_KEY is not; set both or none; " +
		"container: neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor AWS_CONTAINER_CREDENTIALS_FULL_URI is set; " +
		"imds: not asked: Lambda has no instance metadata; a function's credentials are in its environment; " +
		"supplier: the supplier is nil; " +
		"supplier: the supplier failed: vault is sealed; " +
		"getting AWS credentials from a chain of 1: provider: Provider.Credentials is nil"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var chain *ChainError
	if !errors.As(err, &chain) || len(chain.Errs) != len(c) || chain.Retryable() {
		t.Errorf("got %#v", err)
	}
	if !errors.Is(err, cause) {
		t.Error("errors.Is does not see the cause in a link")
	}
	wantNoSecret(t, err)
}

func TestAChainReportsEveryLinksRegion(t *testing.T) {
	t.Parallel()
	_, err := Region(t.Context(), Chain{Environment{Getenv: environ()}, custom{region: "nowhere"}}, SupplierContext{})
	var chain *ChainError
	if !errors.As(err, &chain) || len(chain.Errs) != 2 || !strings.Contains(err.Error(), "AWS_REGION") || !strings.Contains(err.Error(), `"nowhere"`) {
		t.Errorf("got %v", err)
	}
}

func TestAnEmptyChainIsAnError(t *testing.T) {
	t.Parallel()
	for _, c := range []Chain{nil, {}} {
		_, err := Credentials(t.Context(), c, SupplierContext{})
		chain, untouched := err.(*ChainError)
		if !untouched || !strings.Contains(err.Error(), "no suppliers") || chain.Retryable() {
			t.Errorf("got %v", err)
		}
	}
}

func TestAChainIsRetryableWhenOneLinkIs(t *testing.T) {
	t.Parallel()
	later := custom{err: &Error{Source: "supplier", Reason: "not yet", Retryable: true}}
	never := custom{err: &Error{Source: "supplier", Reason: "never"}}
	for _, tc := range []struct {
		chain Chain
		want  bool
	}{{Chain{never, later}, true}, {Chain{never, Chain{never, later}}, true}, {Chain{never, Chain{never}}, false}} {
		_, err := tc.chain.AwsSecurityCredentials(t.Context(), SupplierContext{})
		var chain *ChainError
		if !errors.As(err, &chain) || chain.Retryable() != tc.want {
			t.Errorf("want %v: %v", tc.want, err)
		}
	}
}

func TestAChainAsksNobodyOnceItsContextIsDone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var last int
		c := Chain{
			Container{Getenv: environ(fullURIVariable, localURI), HTTPClient: hangs().client()},
			custom{creds: testKeys(), asked: &last},
		}
		_, err := c.AwsSecurityCredentials(ctx, SupplierContext{})
		var chain *ChainError
		if !errors.Is(err, context.DeadlineExceeded) || !errors.As(err, &chain) || !chain.Retryable() || last != 0 {
			t.Errorf("asked %d more: %v", last, err)
		}
	})
}

func TestTheDefaultChainMakesNoCallOnLambda(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		env     []string
		succeed bool
	}{
		"with the function's variables": {[]string{"AWS_LAMBDA_FUNCTION_NAME", "f", "AWS_REGION", "eu-west-1",
			"AWS_ACCESS_KEY_ID", testKeyID, "AWS_SECRET_ACCESS_KEY", plantedKey, "AWS_SESSION_TOKEN", plantedToken}, true},
		"in a function without any": {[]string{"AWS_LAMBDA_FUNCTION_NAME", "f"}, false},
		"in an extension":           {[]string{"AWS_LAMBDA_RUNTIME_API", "127.0.0.1:9001"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := DefaultWith(IMDS{Getenv: environ(tc.env...), HTTPClient: noCalls(t)})
			creds, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
			region, regionErr := c.AwsRegion(t.Context(), SupplierContext{})
			if tc.succeed {
				wantTestKeys(t, creds, err)
			}
			if (err == nil) != tc.succeed || (regionErr == nil) != tc.succeed {
				t.Errorf("got %v; %q, %v", err, region, regionErr)
			}
			if len(c) != 2 {
				t.Errorf("%d links on Lambda, want Environment and Container", len(c))
			}
		})
	}
}

func TestTheDefaultChainOfARestoredSnapshot(t *testing.T) {
	t.Parallel()
	w := says(http.StatusOK, goodAnswer)
	c := DefaultWith(IMDS{HTTPClient: w.client(), Now: testNow, Getenv: environ(
		"AWS_LAMBDA_FUNCTION_NAME", "f", "AWS_REGION", "eu-west-1", fullURIVariable, localURI, tokenVariable, plantedAuth)})
	creds, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
	wantCalls(t, w, "GET "+localURI)
}

func TestTheDefaultChainOnEC2(t *testing.T) {
	t.Parallel()
	w := instance{}.wire(t)
	c := DefaultWith(IMDS{Getenv: environ(), HTTPClient: w.client(), Now: testNow})
	creds, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
	if region, err := c.AwsRegion(t.Context(), SupplierContext{}); region != "us-west-2" || err != nil {
		t.Errorf("got %q, %v", region, err)
	}
}

// On ECS and EKS the instance's role is another identity than the task's: when
// the container endpoint is down nobody must sign with it.
func TestTheDefaultChainInAContainerNeverTakesTheMachinesRole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ec2 := instance{}.wire(t)
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			if r.URL.Host == "169.254.170.2" {
				return respond(r, http.StatusServiceUnavailable, ""), nil
			}
			return ec2.answer(r)
		}}
		c := DefaultWith(IMDS{Getenv: environ(relativeURIVariable, "/v2/x"), HTTPClient: w.client(), Now: testNow})
		_, err := c.AwsSecurityCredentials(t.Context(), SupplierContext{})
		var chain *ChainError
		if !errors.As(err, &chain) || !chain.Retryable() || !strings.Contains(err.Error(), "another identity") {
			t.Errorf("got %v", err)
		}
		// The region is the machine's all the same.
		if region, err := c.AwsRegion(t.Context(), SupplierContext{}); region != "us-west-2" || err != nil {
			t.Errorf("got %q, %v", region, err)
		}
	})
}

func TestDefaultReadsTheEnvironmentItIsGiven(t *testing.T) {
	t.Parallel()
	creds, err := Default(environ("AWS_ACCESS_KEY_ID", testKeyID, "AWS_SECRET_ACCESS_KEY", plantedKey, "AWS_SESSION_TOKEN", plantedToken)).
		AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
}
