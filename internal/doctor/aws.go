package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// awsCredentials asks one link after the other, as the chain does, so as to tell
// which of them it is.
func (p *passage) awsCredentials(ctx context.Context) (string, *finding) {
	return awsCredentials(ctx, p.AWS)
}

func awsCredentials(ctx context.Context, s supplier.AwsSecurityCredentialsSupplier) (string, *finding) {
	chain, ok := s.(supplier.Chain)
	if !ok {
		chain = supplier.Chain{s}
	}
	var failed error
	var found []string
	for _, link := range chain {
		creds, err := supplier.Credentials(ctx, link, supplier.SupplierContext{})
		if err == nil {
			return fmt.Sprintf("key %s from %s", creds.AccessKeyID, source(ctx, link, creds)), nil
		}
		failed = errors.Join(failed, err)
		found = append(found, err.Error())
		if ctx.Err() != nil {
			break
		}
	}
	if failed == nil {
		failed = &supplier.ChainError{}
		found = []string{failed.Error()}
	}
	f := observe(failed)
	f.code, f.found = codeNoCredential, oneLine(strings.Join(found, "; "))
	return "", f
}

// source names a link and, where it knows, until when its keys are good.
func source(ctx context.Context, link supplier.AwsSecurityCredentialsSupplier, creds supplier.AwsSecurityCredentials) string {
	switch link := link.(type) {
	case supplier.Environment:
		if creds.SessionToken.IsZero() {
			return "the environment, without a session token"
		}
		return "the environment"
	case supplier.Container:
		return "the container endpoint"
	case supplier.IMDS:
		return "the instance metadata"
	case supplier.Provider:
		if c, err := link.Credentials.Retrieve(ctx); err == nil && c.CanExpire {
			return "the AWS configuration, good until " + c.Expires.UTC().Format(time.RFC3339)
		}
		return "the AWS configuration"
	}
	return fmt.Sprintf("a %T", link)
}

func (p *passage) awsRegion(ctx context.Context) (string, *finding) {
	region, from := p.Environment.Config.Credentials.AWSRegion, "aws_region"
	if region == "" {
		var err error
		region, err = supplier.Region(ctx, p.AWS, supplier.SupplierContext{})
		if err != nil {
			return "", foundf("region", "%s", err)
		}
		from = "the environment"
	}
	p.names["REGION"] = region
	return region + " from " + from, nil
}

// awsIdentity sends AWS the very request that Google is going to send it, and so
// learns what Google will.
func (p *passage) awsIdentity(ctx context.Context) (string, *finding) {
	if p.hosts.aws.err != nil {
		return "", &finding{skip: true, found: "not to be known: AWS STS was not reached; Google asks it by itself"}
	}
	token, err := p.verifier().SubjectToken(ctx)
	if err != nil {
		return "", observe(err)
	}
	request, err := signedRequest(ctx, token)
	if err != nil {
		return "", foundf("", "%s", err)
	}
	got, err := p.send(request)
	if err != nil {
		return "", observe(withoutURL(err))
	}
	identity, err := readIdentity(got)
	if err != nil {
		return "", observe(err)
	}
	p.names.addIdentity(identity.ARN, identity.Account)
	return "AWS says that it is " + identity.ARN, nil
}

// verifier are the document's credentials, which sign for AWS STS wherever the SDK's
// variables say that it is.
func (p *passage) verifier() *externalaccount.Credentials {
	if p.otherSTS() == "" {
		return p.Environment.Credentials
	}
	file := *p.Environment.Config.Credentials
	own := *cmp.Or(file.AWS, &externalaccount.AWSSource{})
	own.RegionalCredVerificationURL = p.verificationURL()
	file.AWS = &own
	return externalaccount.New(&file, externalaccount.Options{Supplier: p.AWS, HTTPClient: p.HTTPClient, Getenv: p.Getenv, Now: p.Now})
}

// signedRequest makes a request again of a subject token: URL-quoted JSON.
func signedRequest(ctx context.Context, token secret.Text) (*http.Request, error) {
	var signed struct {
		Method  string
		URL     string
		Headers []subjecttoken.Header
	}
	text, err := url.QueryUnescape(token.Reveal())
	if err != nil || json.Unmarshal([]byte(text), &signed) != nil {
		return nil, errors.New("the subject token is no signed request") // a bug; what it is must not be shown
	}
	r, err := http.NewRequestWithContext(ctx, signed.Method, signed.URL, nil)
	if err != nil {
		return nil, errors.New("the subject token is no signed request")
	}
	for _, h := range signed.Headers {
		r.Header.Set(h.Key, h.Value)
	}
	r.Header.Del("Host") // which is the URL's
	return r, nil
}

type identity struct {
	ARN     string `xml:"Arn"`
	Account string
}

// readIdentity fails with a *refusal.
func readIdentity(a answer) (identity, error) {
	var told struct {
		Identity identity `xml:"GetCallerIdentityResult"`
		Error    struct{ Code, Message string }
	}
	err := xml.Unmarshal(a.body, &told) // whose error may quote the answer
	switch {
	case err == nil && a.status == http.StatusOK && told.Identity.ARN != "":
		return told.Identity, nil
	case err == nil && told.Error.Code != "":
		return identity{}, &refusal{"AWS STS", a.status, told.Error.Code, unsigned(told.Error.Message)}
	}
	return identity{}, &refusal{"AWS STS", a.status, "not-sts", "what AWS STS does not say"}
}
