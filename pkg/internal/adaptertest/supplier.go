package adaptertest

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// Google is a library of Google's that signs with a supplier of ours, and
// impersonates whom the URL says.
type Google func(t *testing.T, w World, s supplier.AwsSecurityCredentialsSupplier, url string) (client *http.Client, token func() error)

// AsksTheSupplierAtEveryExchange checks that a key that is gone signs no more.
func AsksTheSupplierAtEveryExchange(t *testing.T, google Google) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w := NewWorld()
		variables := function(key)
		client, _ := google(t, w, supplier.Default(func(name string) string { return variables[name] }), ImpersonationURL)
		Call(t, client)
		next := fakecloud.AWSKey{AccessKeyID: "ASIANEXTEXAMPLE00001", SecretAccessKey: planted + "next", ARN: "arn:aws:sts::123456789012:assumed-role/fn/next"}
		w.RevokeAWSKey(key.AccessKeyID)
		w.AddAWSKey(next)
		variables = function(next)
		time.Sleep(2 * time.Hour)
		Call(t, client)
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

// FailsWithWhatASupplierLacks checks that the library gets an error of ours. Left
// to itself it panics with some of these, and with others signs for a host that is
// none.
func FailsWithWhatASupplierLacks(t *testing.T, google Google) {
	t.Helper()
	inFunction := func(secretKey string) supplier.Chain {
		return supplier.Default(func(name string) string {
			return map[string]string{"AWS_LAMBDA_FUNCTION_NAME": "fn", "AWS_SECRET_ACCESS_KEY": secretKey}[name]
		})
	}
	for _, tt := range []struct {
		name     string
		supplier supplier.AwsSecurityCredentialsSupplier
		is       func(error) bool
	}{
		{"no supplier", nil, isA[*supplier.Error]},
		{"a nil pointer", (*supplier.AssumeRole)(nil), isA[*supplier.Error]},
		{"a supplier that returns nothing", empty{}, isA[*supplier.Error]},
		{"no region", regionless{supplier.Environment{Getenv: Getenv}}, isA[*supplier.Error]},
		{"an empty environment", inFunction(""), isA[*supplier.ChainError]},
		{"half a key pair", inFunction(planted + "key"), isA[*supplier.ChainError]},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := NewWorld()
			_, token := google(t, w, tt.supplier, "")
			err := token()
			if !tt.is(err) {
				t.Fatalf("%v, want an error of the supplier's", err)
			}
			if n := w.Count("", ""); n != 0 {
				t.Errorf("%d calls", n)
			}
			w.KeepsSecrets(t, err)
		})
	}
}

func isA[E error](err error) bool {
	_, ok := errors.AsType[E](err)
	return ok
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

// TellsTheSupplierWhatItsKeysAreFor checks that the library's own settings reach
// the supplier.
func TellsTheSupplierWhatItsKeysAreFor(t *testing.T, google Google) {
	t.Helper()
	told := &asked{}
	_, token := google(t, NewWorld(), told, "")
	if err := token(); !isA[*supplier.Error](err) {
		t.Errorf("%v", err)
	}
	if want := (supplier.SupplierContext{Audience: Audience, SubjectTokenType: SubjectTokenType}); told.SupplierContext != want {
		t.Errorf("told %v, want %v", told.SupplierContext, want)
	}
}
