package cloudauthadapter_test

import (
	"net/http"
	"testing"

	google "cloud.google.com/go/auth/credentials/externalaccount"

	"github.com/wifmint/wifmint/pkg/cloudauthadapter"
	"github.com/wifmint/wifmint/pkg/internal/adaptertest"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// googles is Google's library for this module, with a supplier of ours.
func googles(t *testing.T, w adaptertest.World, s supplier.AwsSecurityCredentialsSupplier, url string) (*http.Client, func() error) {
	t.Helper()
	credentials, err := google.NewCredentials(&google.Options{
		Audience:                       adaptertest.Audience,
		SubjectTokenType:               adaptertest.SubjectTokenType,
		ServiceAccountImpersonationURL: url,
		Scopes:                         []string{adaptertest.Scope},
		AwsSecurityCredentialsProvider: cloudauthadapter.AWSSupplier(s),
		Client:                         &http.Client{Transport: w},
	})
	if err != nil {
		t.Fatal(err)
	}
	return newClient(t, w, credentials, ""), func() error { _, err := credentials.Token(t.Context()); return err }
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
