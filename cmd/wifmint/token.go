package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// mintTimeout bounds a command that talks to AWS and Google: a program may take
// two minutes for the subject token, and the calls after it a minute.
const mintTimeout = 3 * time.Minute

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

// Validate is called by kong: what it returns is bad usage.
func (c *tokenCommand) Validate() error {
	for _, scope := range c.Scope {
		if scope == "" || strings.ContainsFunc(scope, func(r rune) bool { return r <= ' ' || r > '~' }) {
			return fmt.Errorf("--scope=%q is not a scope; for several write --scope before each", scope)
		}
	}
	return nil
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
	began := time.Now()
	minted, err := newCredentials(ctx, doc, time.Now, w).Token(ctx, c.Scope)
	if e, ok := errors.AsType[*externalaccount.RefreshError](err); ok && e.Leg == externalaccount.LegConfig {
		return usageError{err}
	}
	if err != nil {
		return err
	}
	target := keeper.Target{Name: "token", ServiceAccount: minted.ServiceAccount, Scopes: c.Scope}
	token := (&keeper.Config{Credentials: doc.credentials}).Identity(target)
	token.Value, token.Expiry, token.MintedAt = minted.Value, minted.Expiry, began
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

// newCredentials makes credentials that, for AWS, also look where a person's keys
// are, which the functions never need to.
func newCredentials(ctx context.Context, doc *document, now func() time.Time, w *world) *externalaccount.Credentials {
	options := externalaccount.Options{Now: now, Getenv: w.getenv, AllowAnyEndpoint: keeper.UnsafeEndpoints(w.getenv)}
	if doc.credentials.AWS == nil {
		return externalaccount.New(doc.credentials, options)
	}
	own := externalaccount.AWSSources(doc.credentials, options)
	options.Supplier = slices.Insert(own, len(own)-1, personal(ctx)) // before IMDS, which is slow where there is none
	return externalaccount.New(doc.credentials, options)
}

// personal is the AWS configuration of whoever is at the terminal: profiles and
// SSO. One that cannot be loaded is a link of the chain like the others, which
// tells why if it comes to that.
func personal(ctx context.Context) supplier.AwsSecurityCredentialsSupplier {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithEC2IMDSClientEnableState(imds.ClientDisabled))
	if err != nil {
		return broken{&supplier.Error{Source: "profile", Reason: "the AWS configuration cannot be loaded; see AWS_PROFILE and ~/.aws", Err: err}}
	}
	return supplier.Provider{Credentials: cfg.Credentials, Region: cfg.Region}
}

// broken is a supplier that always fails.
type broken struct{ err error }

var _ supplier.AwsSecurityCredentialsSupplier = broken{}

func (b broken) AwsSecurityCredentials(context.Context, supplier.SupplierContext) (supplier.AwsSecurityCredentials, error) {
	return supplier.AwsSecurityCredentials{}, b.err
}

func (b broken) AwsRegion(context.Context, supplier.SupplierContext) (string, error) {
	return "", b.err
}
