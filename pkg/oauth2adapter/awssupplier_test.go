package oauth2adapter_test

import (
	"context"
	"errors"
	"maps"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/oauth2"
	google "golang.org/x/oauth2/google/externalaccount"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/oauth2adapter"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// googles is a token source of Google's library that signs with s, and impersonates
// whom the URL says.
func (w world) googles(t *testing.T, s supplier.AwsSecurityCredentialsSupplier, url string) oauth2.TokenSource {
	t.Helper()
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: w})
	source, err := google.NewTokenSource(ctx, google.Config{
		Audience:                       audience,
		SubjectTokenType:               subjectTokenType,
		ServiceAccountImpersonationURL: url,
		Scopes:                         []string{bigquery},
		AwsSecurityCredentialsSupplier: oauth2adapter.AWSSupplier(s),
	})
	if err != nil {
		t.Fatal(err)
	}
	return source
}

func TestGooglesLibraryMintsWithOurSupplier(t *testing.T) {
	t.Parallel()
	w := newWorld()
	call(t, transport(w, w.googles(t, environment(lambda), impersonateURL)))
}

func TestOurSupplierIsAskedAtEveryExchange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		variables := maps.Clone(lambda)
		client := transport(w, w.googles(t, environment(variables), impersonateURL))
		call(t, client)
		w.RevokeAWSKey(accessKeyID)
		w.AddAWSKey(fakecloud.AWSKey{AccessKeyID: "ASIANEXTEXAMPLE00001", SecretAccessKey: planted + "next", ARN: "arn:aws:sts::123456789012:assumed-role/fn/next"})
		variables["AWS_ACCESS_KEY_ID"], variables["AWS_SECRET_ACCESS_KEY"], variables["AWS_SESSION_TOKEN"] = "ASIANEXTEXAMPLE00001", planted+"next", ""
		time.Sleep(2 * time.Hour)
		call(t, client)
	})
}

// empty has neither keys nor a region, and says so by none of its errors.
type empty struct{}

func (empty) AwsSecurityCredentials(context.Context, supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	return supplier.AwsSecurityCredentials{}, nil
}

func (empty) AwsRegion(context.Context, supplier.SupplierContext) (string, error) { return "", nil }

// regionless has keys only.
type regionless struct{ supplier.Environment }

func (regionless) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return "", nil
}

// Left to itself Google's library panics with some of these, and with others signs
// for a host that is none.
func TestGooglesLibraryFailsWithWhatASupplierLacks(t *testing.T) {
	t.Parallel()
	look := func(name string) string { return lambda[name] }
	for _, tt := range []struct {
		name     string
		supplier supplier.AwsSecurityCredentialsSupplier
		is       func(error) bool
	}{
		{"no supplier", nil, isA[*supplier.Error]},
		{"a nil pointer", (*supplier.AssumeRole)(nil), isA[*supplier.Error]},
		{"a supplier that returns nothing", empty{}, isA[*supplier.Error]},
		{"no region", regionless{supplier.Environment{Getenv: look}}, isA[*supplier.Error]},
		{"an empty environment", environment(map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "fn"}), isA[*supplier.ChainError]},
		{"half a key pair", environment(map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_SECRET_ACCESS_KEY": planted + "key"}), isA[*supplier.ChainError]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld()
			_, err := w.googles(t, tt.supplier, "").Token()
			if !tt.is(err) {
				t.Fatalf("%v, want an error of the supplier's", err)
			}
			if n := w.Count("", ""); n != 0 {
				t.Errorf("%d calls", n)
			}
			keepsSecrets(t, w, err)
		})
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
}

func TestASupplierIsToldWhatItsKeysAreFor(t *testing.T) {
	t.Parallel()
	told := &asked{}
	w := newWorld()
	if _, err := w.googles(t, told, "").Token(); !isA[*supplier.Error](err) {
		t.Errorf("%v", err)
	}
	if want := (supplier.SupplierContext{Audience: audience, SubjectTokenType: subjectTokenType}); told.SupplierContext != want {
		t.Errorf("told %v, want %v", told.SupplierContext, want)
	}
}

// asked remembers what it was told, and has nothing.
type asked struct {
	empty
	supplier.SupplierContext
}

func (a *asked) AwsSecurityCredentials(_ context.Context, sc supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	a.SupplierContext = sc
	return supplier.AwsSecurityCredentials{}, nil
}
