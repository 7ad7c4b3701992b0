package oauth2adapter_test

import (
	"context"
	"net/http"
	"testing"

	"golang.org/x/oauth2"
	google "golang.org/x/oauth2/google/externalaccount"

	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
	"github.com/wifmint/wifmint/pkg/oauth2adapter"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// googles is Google's library for this module, with a supplier of ours.
func googles(t *testing.T, w adaptertest.World, s supplier.AwsSecurityCredentialsSupplier, url string) (*http.Client, func() error) {
	t.Helper()
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, &http.Client{Transport: w})
	source, err := google.NewTokenSource(ctx, google.Config{
		Audience:                       adaptertest.Audience,
		SubjectTokenType:               adaptertest.SubjectTokenType,
		ServiceAccountImpersonationURL: url,
		Scopes:                         []string{adaptertest.Scope},
		AwsSecurityCredentialsSupplier: oauth2adapter.AWSSupplier(s),
	})
	if err != nil {
		t.Fatal(err)
	}
	return transport(w, source), func() error { _, err := source.Token(); return err }
}

func TestGooglesLibraryMintsWithOurSupplier(t *testing.T) {
	t.Parallel()
	client, _ := googles(t, adaptertest.NewWorld(), supplier.Default(adaptertest.Getenv), adaptertest.ImpersonationURL)
	adaptertest.Call(t, client)
}

func TestOurSupplierIsAskedAtEveryExchange(t *testing.T) {
	t.Parallel()
	adaptertest.AsksTheSupplierAtEveryExchange(t, googles)
}

func TestGooglesLibraryFailsWithWhatASupplierLacks(t *testing.T) {
	t.Parallel()
	adaptertest.FailsWithWhatASupplierLacks(t, googles)
}

func TestASupplierIsToldWhatItsKeysAreFor(t *testing.T) {
	t.Parallel()
	adaptertest.TellsTheSupplierWhatItsKeysAreFor(t, googles)
}
