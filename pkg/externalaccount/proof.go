package externalaccount

import (
	"cmp"
	"context"
	"net/http"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
)

// proof is how credentials prove who they are.
type proof struct {
	subjecttoken.Source
	// name is what Google is told of the source.
	name string
}

// newProof is the options' source or supplier, else the file's source.
func newProof(f *File, o Options) proof {
	switch {
	case o.Source != nil:
		return proof{ofOnesOwn(f, o.Source), "programmatic"}
	case o.Supplier != nil:
		return proof{awsSource(f, o), "programmatic"}
	case f.AWS != nil:
		return proof{awsSource(f, o), "aws"}
	case f.TokenFile != nil:
		return proof{subjecttoken.File{Path: f.TokenFile.Path, Format: f.TokenFile.Format}, "file"}
	case f.URL != nil:
		return proof{subjecttoken.URL{URL: f.URL.URL, Headers: f.URL.Headers, Format: f.URL.Format, HTTPClient: o.HTTPClient}, "url"}
	case f.Executable != nil:
		return proof{executable(f, o), "executable"}
	case f.Certificate != nil:
		return proof{&subjecttoken.Certificate{
			ConfigLocation:   f.Certificate.ConfigLocation,
			UseDefaultConfig: f.Certificate.UseDefaultConfig,
			TrustChainPath:   f.Certificate.TrustChainPath,
			Getenv:           o.Getenv,
			Now:              o.Now,
		}, "x509"}
	}
	return proof{none{}, "programmatic"}
}

// ofOnesOwn tells a function what the file knows.
func ofOnesOwn(f *File, source subjecttoken.Source) subjecttoken.Source {
	if supply, ok := source.(subjecttoken.Func); ok {
		supply.Audience = cmp.Or(supply.Audience, f.Audience)
		supply.SubjectTokenType = cmp.Or(supply.SubjectTokenType, f.SubjectTokenType)
		return supply
	}
	return source
}

func awsSource(f *File, o Options) *subjecttoken.AWS {
	return &subjecttoken.AWS{
		Supplier:         awsSupplier(f, o),
		Audience:         f.Audience,
		SubjectTokenType: f.SubjectTokenType,
		VerificationURL:  cmp.Or(f.AWS, &AWSSource{}).RegionalCredVerificationURL,
		Now:              o.Now,
	}
}

func executable(f *File, o Options) *subjecttoken.Executable {
	return &subjecttoken.Executable{
		Command:            f.Executable.Command,
		Timeout:            f.Executable.Timeout,
		OutputFile:         f.Executable.OutputFile,
		Interactive:        o.Interactive,
		InteractiveTimeout: f.Executable.InteractiveTimeout,
		Audience:           f.Audience,
		SubjectTokenType:   f.SubjectTokenType,
		ImpersonatedEmail:  f.ServiceAccount(),
		Getenv:             o.Getenv,
		Now:                o.Now,
	}
}

// none is the source of a file without one.
type none struct{}

func (none) SubjectToken(context.Context) (secret.Text, error) {
	return secret.Text{}, configFailure("making a subject token: the file has no credential_source; give it one, or in Go set Options.Source or Options.Supplier")
}

// forAttempts is what makes the subject token of each attempt at an exchange. A
// signature goes stale while a retry waits, so that of AWS is made anew; what
// others make lasts, and takes longer (a program two minutes) than an attempt may.
func (p proof) forAttempts(ctx context.Context) (func(context.Context) (secret.Text, error), error) {
	if aws, ok := p.Source.(*subjecttoken.AWS); ok {
		return aws.SubjectToken, nil
	}
	token, err := p.SubjectToken(ctx)
	if err != nil {
		return nil, err
	}
	return func(context.Context) (secret.Text, error) { return token, nil }, nil
}

// client is c, or for a certificate one that presents it.
func (p proof) client(c *http.Client) *http.Client {
	certificate, ok := p.Source.(*subjecttoken.Certificate)
	if !ok {
		return c
	}
	var own http.Client
	if c != nil {
		own = *c
	}
	switch base := own.Transport.(type) {
	case nil:
		own.Transport = certificate.Transport(nil)
	case *http.Transport:
		own.Transport = certificate.Transport(base)
	}
	return &own
}
