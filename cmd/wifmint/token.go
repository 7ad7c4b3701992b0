package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// mintTimeout bounds a command that talks to AWS and Google: a program may take
// two minutes for the subject token, and the calls after it a minute.
const mintTimeout = 3 * time.Minute

// googleUser is the type of a credential file with the login of a Google account.
const googleUser = "authorized_user"

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
	doc, err := readDocument(c.Config, w)
	if err != nil {
		return err
	}
	file, ok := doc.origin().(*externalaccount.File)
	if !ok {
		return usageError{fmt.Errorf("%s is a person's login, which has a refresh token and no subject token; "+
			"see wifmint token, or name a credential file of type external_account", c.Config)}
	}
	token, err := externalaccount.New(file, doc.options(ctx, now, w)).SubjectToken(ctx)
	if err != nil {
		return err
	}
	fmt.Fprintln(w.stdout, token.Reveal())
	return nil
}

type tokenCommand struct {
	Config string   `required:"" placeholder:"FILE" help:"A credential file, or a config document."`
	Scope  []string `placeholder:"S" help:"A scope to ask for; may be repeated. The default is cloud-platform, or what the file says."`
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
	_, isLogin := doc.credentials.(*externalaccount.AuthorizedUserFile)
	if isLogin && len(c.Scope) > 0 {
		return usageError{fmt.Errorf("%s is a person's login, whose tokens have the scopes of the login: leave --scope out, "+
			"or log in with gcloud auth application-default login --scopes=…", c.Config)}
	}
	file := &loginFile{path: c.Config, content: doc.content, stderr: w.stderr}
	options := doc.options(ctx, time.Now, w)
	options.Scopes, options.DefaultScopes = c.Scope, []string{keeper.CloudPlatformScope}
	options.OnRefreshToken = file.keep
	credentials, err := doc.credentials.Credentials(options)
	if err != nil {
		return usageError{err}
	}
	began := time.Now()
	minted, err := credentials.Refresh(ctx)
	if e, ok := errors.AsType[*externalaccount.RefreshError](err); ok && e.Leg == externalaccount.LegConfig {
		err = usageError{err}
	}
	if err != nil {
		return errors.Join(err, file.err)
	}
	token := identity(doc.credentials, credentials, minted.ServiceAccount)
	token.Value, token.Expiry, token.MintedAt = minted.Value, minted.Expiry, began
	return errors.Join(c.print(token, w), file.err)
}

func (c *tokenCommand) print(token tokenstore.Token, w *world) error {
	text, err := json.Marshal(token) // masked
	if c.Show {
		text, err = token.Encode()
	}
	if err == nil {
		fmt.Fprintf(w.stdout, "%s\n", text)
	}
	return err
}

// identity is the stored token of a service account or, if that is empty, of
// whoever the file's credentials are.
func identity(f externalaccount.AnyFile, c externalaccount.AnyCredentials, serviceAccount string) tokenstore.Token {
	target := keeper.Target{Name: "token", ServiceAccount: serviceAccount, Scopes: c.Scopes()}
	if len(target.Scopes) == 0 { // a login's are at least that, if gcloud made it
		target.Scopes = []string{keeper.CloudPlatformScope}
	}
	vouching := &externalaccount.File{UniverseDomain: c.UniverseDomain()}
	switch f := f.(type) {
	case *externalaccount.File:
		vouching.Audience = f.Audience
	case *externalaccount.AuthorizedUserFile: // which gcloud seldom tells the person of
		vouching.Audience = cmp.Or(f.Audience, f.Account, f.Type)
	}
	token := (&keeper.Config{Credentials: vouching}).Identity(target)
	if f, ok := f.(*externalaccount.AuthorizedUserFile); ok && f.Type == googleUser {
		token.Kind = tokenstore.AccessToken // which no provider has vouched for
	}
	return token
}

// options are those of a command. For AWS they have it look where a person's keys
// are, which the functions never need to, also if it is only behind service
// accounts that there is AWS: whoever impersonates hands its options on.
func (d *document) options(ctx context.Context, now func() time.Time, w *world) externalaccount.Options {
	options := externalaccount.Options{Now: now, Getenv: w.getenv, AllowAnyEndpoint: keeper.UnsafeEndpoints(w.getenv)}
	if file, ok := d.origin().(*externalaccount.File); ok && file.AWS != nil {
		options.Supplier = ownAWS(ctx, externalaccount.AWSSources(file, options))
	}
	return options
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
