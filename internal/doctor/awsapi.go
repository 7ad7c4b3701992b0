package doctor

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// awsAPI makes the four calls that a deployed function is looked at with. The AWS
// SDK's clients of their three services would be megabytes, for a dozen fields.
type awsAPI struct {
	supplier supplier.AwsSecurityCredentialsSupplier
	region   string
	client   *http.Client
	getenv   func(string) string
	now      func() time.Time
}

// awsCall is one call. Target is for the services whose operation is in a header.
type awsCall struct {
	service, method, path, target, payload string
	header                                 map[string]string
}

// do returns an answer of status 2xx, or a *refusal.
func (a awsAPI) do(ctx context.Context, c awsCall) (answer, error) {
	creds, err := supplier.Credentials(ctx, a.supplier, supplier.SupplierContext{})
	if err != nil {
		return answer{}, err
	}
	header := map[string]string{"Content-Type": "application/json"}
	if c.target != "" {
		header["Content-Type"], header["X-Amz-Target"] = "application/x-amz-json-1.1", c.target
	}
	for name, value := range c.header {
		header[name] = value
	}
	signer := subjecttoken.RequestSigner{Region: a.region, Service: c.service, Now: a.now}
	signed, err := signer.RequestOptions(ctx, creds, subjecttoken.Request{
		Method: c.method, URL: a.endpoint(c.service) + c.path, Payload: c.payload, Headers: header,
	})
	if err != nil {
		return answer{}, err
	}
	r, err := http.NewRequestWithContext(ctx, signed.Method, signed.URL, strings.NewReader(signed.Payload))
	if err != nil {
		return answer{}, withoutURL(err)
	}
	for _, h := range signed.Headers {
		r.Header.Set(h.Key, h.Value)
	}
	r.Header.Del("Host")
	got, err := send(a.client, r)
	if err != nil {
		return answer{}, withoutURL(err)
	}
	if got.status/100 != 2 {
		return answer{}, refusedBy(c.service, got)
	}
	return got, nil
}

// endpoint is AWS's, or that of the SDK's variables.
func (a awsAPI) endpoint(service string) string {
	const anyService = "AWS_ENDPOINT_URL"
	id := map[string]string{"lambda": "LAMBDA", "scheduler": "SCHEDULER", "logs": "CLOUDWATCH_LOGS"}[service]
	if other := cmp.Or(a.getenv(anyService+"_"+id), a.getenv(anyService)); other != "" {
		return strings.TrimSuffix(other, "/")
	}
	return "https://" + service + "." + a.region + "." + supplier.DNSSuffix(a.region)
}

// refusedBy reads the code where each of AWS's JSON protocols has it.
func refusedBy(service string, a answer) *refusal {
	var told struct {
		Type    string `json:"__type"`
		Code    string `json:"code"`
		Message string `json:"message"`
		Upper   string `json:"Message"`
	}
	_ = json.Unmarshal(a.body, &told) // what cannot be read has no code
	code := cmp.Or(a.errorType, told.Type, told.Code)
	code, _, _ = strings.Cut(code, ":")
	if i := strings.LastIndex(code, "#"); i >= 0 {
		code = code[i+1:]
	}
	return &refusal{"AWS " + service, a.status, code, unsigned(cmp.Or(told.Message, told.Upper))}
}

// unsigned leaves out of a message of AWS's the signed request, with which one about
// a signature goes on.
func unsigned(message string) string {
	for _, quoted := range []string{"The Canonical String", "The String-to-Sign"} {
		message, _, _ = strings.Cut(message, quoted)
	}
	return message
}
