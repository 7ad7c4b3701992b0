package externalaccount

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// Every way not to get a token: which leg, whether to try again, and what of.
func TestARefreshErrorTellsItsLeg(t *testing.T) {
	t.Parallel()
	const impersonating = `"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/` + reports + `:generateAccessToken"`
	timeout := &supplier.Error{Source: "test", Reason: "a timeout", Retryable: true}
	missing := &supplier.Error{Source: "test", Reason: "nothing there"}
	for _, tt := range []struct {
		name      string
		fields    map[string]string
		options   Options
		fault     fakecloud.Fault
		leg       Leg
		retryable bool
		is        func(error) bool // Err
	}{
		{name: "no keys", options: Options{Getenv: lookup(without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))},
			leg: LegAWSCredentials, is: isA[*supplier.ChainError]},
		{name: "no region", options: Options{Getenv: lookup(without("AWS_REGION"))},
			leg: LegAWSCredentials, is: isA[*supplier.ChainError]},
		{name: "a chain whose last link may work later", options: Options{Supplier: supplier.Chain{named{err: missing}, named{err: timeout}}},
			leg: LegAWSCredentials, retryable: true, is: isA[*supplier.ChainError]},
		{name: "a supplier that may work later", options: Options{Supplier: named{err: timeout}},
			leg: LegAWSCredentials, retryable: true, is: func(err error) bool { return errors.Is(err, timeout) && !isA[*supplier.ChainError](err) }},
		{name: "a supplier that has nothing", options: Options{Supplier: named{err: missing}},
			leg: LegAWSCredentials, is: func(err error) bool { return errors.Is(err, missing) }},
		{name: "a role that may not be assumed", fields: map[string]string{"aws_role_arn": `"arn:aws:iam::123456789012:role/other"`},
			leg: LegAWSCredentials, is: isA[*supplier.Error]},
		{name: "AWS STS down", fields: map[string]string{"aws_role_arn": `"` + deployARN + `"`},
			fault: fakecloud.Fault{Service: "aws-sts", Operation: "AssumeRole", Status: 503},
			leg:   LegAWSCredentials, retryable: true, is: isA[*supplier.Error]},

		{name: "an exchange that Google refuses", fields: map[string]string{"audience": `"` + provider + `-unknown"`},
			leg: LegSTS, is: hasCode("invalid_target")},
		{name: "Google STS down", fault: fakecloud.Fault{Service: "google-sts", Status: 503},
			leg: LegSTS, retryable: true, is: isA[*googlests.Error]},
		{name: "Google STS down for an impersonation", fields: map[string]string{"service_account_impersonation_url": impersonating},
			fault: fakecloud.Fault{Service: "google-sts", Status: 503},
			leg:   LegSTS, retryable: true, is: isA[*googlests.Error]},

		{name: "an account that is not there", fields: map[string]string{"service_account_impersonation_url": strings.Replace(impersonating, "reports", "nobody", 1)},
			leg: LegImpersonate, is: isA[*impersonate.Error]},
		{name: "IAM Credentials down", fields: map[string]string{"service_account_impersonation_url": impersonating},
			fault: fakecloud.Fault{Service: "iamcredentials", Status: 503},
			leg:   LegImpersonate, retryable: true, is: isA[*impersonate.Error]},

		{name: "an impersonation of nobody", fields: map[string]string{"service_account_impersonation_url": `"https://iamcredentials.googleapis.com"`},
			options: Options{AllowAnyEndpoint: true},
			leg:     LegConfig, is: func(err error) bool {
				return isA[*ConfigError](err) && strings.Contains(err.Error(), "names no service account")
			}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { // in which retries wait for nothing
				w := newWire()
				if tt.fault.Service != "" {
					w.Fault(tt.fault)
				}
				c := w.credentials(t, tt.fields, tt.options)
				_, err := c.Token(t.Context(), []string{bigquery})
				expectRefreshError(t, err, tt.leg, tt.retryable, tt.is)
			})
		})
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func hasCode(code string) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*googlests.Error](err)
		return ok && e.Code == code
	}
}

func expectRefreshError(t *testing.T, err error, leg Leg, retryable bool, is func(error) bool) {
	t.Helper()
	failed, ok := err.(*RefreshError)
	if !ok {
		t.Fatalf("%v is a %T", err, err)
	}
	if failed.Leg != leg || failed.Retryable != retryable || !is(failed.Err) {
		t.Errorf("leg %s, retryable %t, %T\nwant leg %s, retryable %t: %v", failed.Leg, failed.Retryable, failed.Err, leg, retryable, err)
	}
	if errors.Unwrap(failed) != failed.Err || failed.Error() != failed.Err.Error() {
		t.Errorf("%v does not stand for %v", failed, failed.Err)
	}
	for _, planted := range []string{plantedKey, plantedSession, plantedClient, "Signature="} {
		if strings.Contains(err.Error(), planted) {
			t.Errorf("the error lets out %q: %v", planted, err)
		}
	}
}

// A parsed file has no such URL.
func TestARequestThatCannotBeSignedIsOfTheLegSign(t *testing.T) {
	t.Parallel()
	w := newWire()
	c := w.of(&File{Audience: provider, SubjectTokenType: subjecttoken.AWSTokenType, AWS: &AWSSource{RegionalCredVerificationURL: "sts"}}, Options{})
	_, err := c.Exchange(t.Context(), []string{bigquery})
	expectRefreshError(t, err, LegSign, false, isA[*subjecttoken.Error])
	_, err = c.SubjectToken(t.Context())
	expectRefreshError(t, err, LegSign, false, isA[*subjecttoken.Error])
	if len(w.sent) > 0 {
		t.Errorf("messages %v", w.sent)
	}
}

func TestASubjectTokenFailsForWantOfKeys(t *testing.T) {
	t.Parallel()
	_, err := newWire().credentials(t, nil, Options{Getenv: lookup(without("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"))}).SubjectToken(t.Context())
	expectRefreshError(t, err, LegAWSCredentials, false, isA[*supplier.ChainError])
}

// What AWS sources do not do, other sources will.
func TestTheOtherErrorsOfSubjectTokens(t *testing.T) {
	t.Parallel()
	late := &subjecttoken.Error{Source: "url", Reason: "no answer", Retryable: true}
	expectRefreshError(t, refreshError(late), LegSign, true, func(err error) bool { return errors.Is(err, late) })
	own := errors.New("of no type")
	expectRefreshError(t, refreshError(own), LegSign, false, func(err error) bool { return errors.Is(err, own) })
}
