package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// mintTimeout bounds a command that talks to AWS and Google.
const mintTimeout = time.Minute

type subjectTokenCommand struct {
	Config string     `required:"" placeholder:"FILE" help:"A credential file, or a config document."`
	At     *time.Time `placeholder:"RFC3339" help:"Sign as of this time instead of now."`
}

func (c *subjectTokenCommand) Run(w *world) error {
	now := time.Now
	if c.At != nil {
		now = func() time.Time { return *c.At }
	}
	ctx, cancel := context.WithTimeout(w.ctx, mintTimeout)
	defer cancel()
	credentials, err := openCredentials(ctx, c.Config, now, w)
	if err != nil {
		return err
	}
	token, err := credentials.SubjectToken(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(w.stdout, token.Reveal())
	return nil
}

type tokenCommand struct {
	Config string   `required:"" placeholder:"FILE" help:"A credential file, or a config document."`
	Scope  []string `placeholder:"S" help:"A scope to ask for; may be repeated. The default is cloud-platform."`
	Show   bool     `help:"Print the token itself instead of its fingerprint."`
}

func (c *tokenCommand) Run(w *world) error {
	ctx, cancel := context.WithTimeout(w.ctx, mintTimeout)
	defer cancel()
	doc, err := readDocument(c.Config, w)
	if err != nil {
		return err
	}
	if len(c.Scope) == 0 {
		c.Scope = []string{keeper.CloudPlatformScope}
	}
	target := keeper.Target{Name: "token", Scopes: c.Scope}
	token := (&keeper.Config{Credentials: doc.credentials}).Identity(target)
	token.MintedAt = time.Now().UTC().Truncate(time.Second)
	minted, err := newCredentials(ctx, doc, time.Now, w).Exchange(ctx, c.Scope)
	if err != nil {
		return err
	}
	token.Value, token.Expiry = minted.AccessToken, minted.Expiry.UTC().Truncate(time.Second)
	text, err := json.Marshal(token) // masked
	if c.Show {
		text, err = token.Encode()
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "%s\n", text)
	return nil
}

func openCredentials(ctx context.Context, file string, now func() time.Time, w *world) (*externalaccount.Credentials, error) {
	doc, err := readDocument(file, w)
	if err != nil {
		return nil, err
	}
	return newCredentials(ctx, doc, now, w), nil
}

// newCredentials makes credentials that also look where a person's AWS keys
// are: profiles and SSO, which the functions never need.
func newCredentials(ctx context.Context, doc *document, now func() time.Time, w *world) *externalaccount.Credentials {
	options := externalaccount.Options{Now: now, Getenv: w.getenv, AllowAnyEndpoint: keeper.UnsafeEndpoints(w.getenv)}
	own := externalaccount.AWSSources(doc.credentials, options)
	if cfg, err := config.LoadDefaultConfig(ctx, config.WithEC2IMDSClientEnableState(imds.ClientDisabled)); err == nil {
		profile := supplier.Provider{Credentials: cfg.Credentials, Region: cfg.Region}
		own = slices.Insert(own, len(own)-1, supplier.AwsSecurityCredentialsSupplier(profile)) // before IMDS, which is slow where there is none
	}
	options.Supplier = own
	return externalaccount.New(doc.credentials, options)
}
