package doctor

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/wifmint/wifmint/pkg/subjecttoken"
)

// hosts are what AWS's and Google's STS said to a request without credentials, which
// any answer is good enough for.
type hosts struct{ aws, google glimpse }

// glimpse is one answer.
type glimpse struct {
	host string
	// ahead is how far the host's clock is ahead of ours, to the second.
	ahead time.Duration
	dated bool
	// issuer is who vouches for the host's certificate; empty without TLS.
	issuer string
	err    error
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 20

// reach looks at both hosts before it tells of either: a name that only the one lacks
// is a wrong region, one that both lack is no DNS.
func (p *passage) reach(ctx context.Context) {
	if !p.blocked[checkAWSRegion] {
		p.hosts.aws = p.glimpse(ctx, p.verificationURL())
	}
	p.hosts.google = p.glimpse(ctx, p.Environment.Config.Credentials.TokenURL)
	p.hop(ctx, checkAWSSTS, "", []string{checkAWSRegion}, p.awsSTS)
	p.hop(ctx, checkGoogleSTS, "", nil, p.googleSTS)
}

func (p *passage) glimpse(ctx context.Context, rawURL string) glimpse {
	ctx, cancel := context.WithTimeout(ctx, hopTimeout/2)
	defer cancel()
	u, err := url.Parse(rawURL)
	if err != nil {
		return glimpse{host: "the endpoint", err: err}
	}
	u.RawQuery = ""
	g := glimpse{host: u.Host}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		g.err = err
		return g
	}
	answer, err := p.send(request)
	if err != nil {
		g.err = err
		return g
	}
	if at, err := http.ParseTime(answer.header.Get("Date")); err == nil {
		g.ahead, g.dated = at.Sub(p.now()).Round(time.Second), true
	}
	g.issuer = answer.issuer
	return g
}

// verificationURL is where Google asks AWS who signed, or what the SDK's variables
// put in its place.
func (p *passage) verificationURL() string {
	template := subjecttoken.DefaultVerificationURL
	if source := p.Environment.Config.Credentials.AWS; source != nil {
		template = cmp.Or(source.RegionalCredVerificationURL, template)
	}
	if other := p.otherSTS(); other != "" {
		template = strings.TrimSuffix(other, "/") + "/?Action=GetCallerIdentity&Version=2011-06-15"
	}
	return strings.ReplaceAll(template, "{region}", p.names["REGION"])
}

func (p *passage) otherSTS() string {
	return cmp.Or(p.Getenv("AWS_ENDPOINT_URL_STS"), p.Getenv("AWS_ENDPOINT_URL"))
}

func (p *passage) awsSTS(ctx context.Context) (string, *finding) {
	g := p.hosts.aws
	if g.err == nil {
		return g.describe("Amazon"), nil
	}
	f := observe(withoutURL(g.err))
	f.found = g.host + ": " + f.found
	alone := p.hosts.google.err == nil
	switch {
	case f.code == codeNameUnknown && alone && p.otherSTS() == "" && !slices.Contains(regions[:], p.names["REGION"]) && p.knowsOtherRegion(ctx):
		f.code = "region-unknown"
	case f.code == codeTimeout || f.code == codeUnreachable || f.code == codeNameUnknown && alone:
		// A function in a VPC need not reach it: Google asks AWS, not we.
		f.skip = true
		f.found += "; only the doctor asks AWS STS from here, so it goes on without"
	}
	return "", f
}

// knowsOtherRegion tells a region that is none from a network whose DNS has no AWS STS,
// as a VPC's may, of whichever region.
func (p *passage) knowsOtherRegion(ctx context.Context) bool {
	return p.glimpse(ctx, strings.ReplaceAll(subjecttoken.DefaultVerificationURL, "{region}", "us-east-1")).err == nil
}

func (p *passage) googleSTS(context.Context) (string, *finding) {
	g := p.hosts.google
	if g.err == nil {
		return g.describe("Google"), nil
	}
	f := observe(withoutURL(g.err))
	f.found = g.host + ": " + f.found
	return "", f
}

// describe names the host, and whoever signed its certificate in place of owner: a
// proxy that this machine trusts reads all that passes.
func (g glimpse) describe(owner string) string {
	if g.issuer != "" && !strings.Contains(g.issuer, owner) {
		return fmt.Sprintf("%s answers; its certificate is by %q, not by %s: a proxy that reads what passes may be in between", g.host, g.issuer, owner)
	}
	return g.host + " answers"
}

// maxSkew is how wrong a clock may be. AWS takes a signature for 15 minutes; with 5
// there is still time for a retry, and a token's stored expiry is still of use.
const maxSkew = 5 * time.Minute

func (p *passage) clock(context.Context) (string, *finding) {
	worst := glimpse{}
	for _, g := range []glimpse{p.hosts.aws, p.hosts.google} {
		if g.dated && (!worst.dated || g.ahead.Abs() > worst.ahead.Abs()) {
			worst = g
		}
	}
	switch {
	case !worst.dated:
		return "", &finding{skip: true, found: "not to be known: neither AWS nor Google told the time"}
	case worst.ahead.Abs() <= maxSkew:
		return fmt.Sprintf("within %v of AWS's and Google's", max(worst.ahead.Abs(), time.Second)), nil
	case worst.ahead > 0:
		return "", foundf("clock", "this machine's clock is %v behind that of %s", worst.ahead.Abs(), worst.host)
	}
	return "", foundf("clock", "this machine's clock is %v ahead of that of %s", worst.ahead.Abs(), worst.host)
}

// answer is a whole answer to one of the doctor's own requests.
type answer struct {
	status int
	header http.Header
	// body and errorType, which is a header of AWS's, are without what forget takes
	// out.
	body      []byte
	errorType string
	issuer    string
}

// send sends a request once, follows nothing and keeps no cookie.
func (w Walk) send(r *http.Request) (answer, error) { return send(w.HTTPClient, r) }

func send(client *http.Client, r *http.Request) (answer, error) {
	transport := http.DefaultTransport
	if client != nil && client.Transport != nil {
		transport = client.Transport
	}
	var connected atomic.Bool
	response, err := transport.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		GetConn: func(string) { connected.Store(false) },
		GotConn: func(httptrace.GotConnInfo) { connected.Store(true) },
	})))
	if err != nil {
		return answer{}, unquoted(err, connected.Load())
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return answer{}, unquoted(err, true)
	}
	a := answer{
		status: response.StatusCode, header: response.Header,
		body: []byte(forget(r, plainJSON(body))), errorType: forget(r, response.Header.Get("X-Amzn-Errortype")),
	}
	if response.TLS != nil && len(response.TLS.PeerCertificates) > 0 {
		a.issuer = strings.Join(response.TLS.PeerCertificates[0].Issuer.Organization, ", ")
	}
	return a, nil
}

// unquoted is what a request failed with, unless that may quote what somebody wrote:
// net/http quotes what is no HTTP.
func unquoted(err error, connected bool) error {
	var network net.Error
	if !connected || errors.As(err, &network) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, context.Canceled) {
		return err
	}
	return errors.New("the connection broke, or what answered does not speak HTTP")
}

// plainJSON is JSON without escapes that need not be, behind which forget would not
// find what it looks for. What is no JSON stays as it is.
func plainJSON(text []byte) string {
	var v any
	read := json.NewDecoder(bytes.NewReader(text))
	read.UseNumber()
	if read.Decode(&v) != nil {
		return string(text)
	}
	var plain strings.Builder
	write := json.NewEncoder(&plain)
	write.SetEscapeHTML(false)
	if write.Encode(v) != nil {
		return string(text)
	}
	return plain.String()
}

// forget takes out of an answer what was sent that is secret. AWS repeats none of it
// but in what unsigned leaves out, and what stands between may.
func forget(r *http.Request, answered string) string {
	_, signature, _ := strings.Cut(r.Header.Get("Authorization"), "Signature=")
	for _, sent := range []string{signature, r.Header.Get("X-Amz-Security-Token")} {
		if sent != "" {
			answered = strings.ReplaceAll(answered, sent, "…")
		}
	}
	return answered
}

// withoutURL takes a request's URL off an error: it may have a signature in it.
func withoutURL(err error) error {
	if u, ok := err.(*url.Error); ok {
		return u.Err
	}
	return err
}
