package conformance_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// contract is a case of the suite: calls of the AWS SDK for Go and what AWS's
// documentation has them answer.
type contract struct {
	name  string
	steps []step
}

// difference is where moto does not do what AWS's documentation says.
type difference struct {
	contract string
	// moto is what moto answers, by the number of the step.
	moto map[int]string
	// rule is what AWS's documentation says, and page where: a page of the API
	// reference, such as "API_CreateSecret", if it is not another. Both are empty
	// where it says nothing; then the suite holds what AWS was seen to do.
	rule, page string
	// seen says where that was, if page is empty.
	seen string
}

// The table holds what AWS says, so pkg/fakecloud has to do all of it, and moto
// but for the listed differences.
func TestSecretsManagerContractOnFakecloud(t *testing.T) {
	t.Parallel()
	for _, c := range secretsContract() {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			cloud := fakecloud.New(fakecloud.Options{})
			cloud.SetRotationFunction(rotationFunction, func(context.Context, fakecloud.RotationEvent) error { return nil })
			v := vault{Client: secretsManagerAt("", cloud), ctx: t.Context()}
			if diff := cmp.Diff(wants(c), v.run(c.steps)); diff != "" {
				t.Errorf("(-AWS's documentation +fakecloud):\n%s", diff)
			}
		})
	}
}

func TestSecretsManagerContractOnMoto(t *testing.T) {
	t.Parallel()
	base := startMoto(t, "127.0.0.1", nil)
	v := vault{Client: secretsManagerAt(base, http.DefaultTransport), ctx: t.Context()}
	listed := map[string]difference{}
	for _, d := range motoDifferences() {
		listed[d.contract] = d
	}
	for _, c := range secretsContract() {
		t.Run(c.name, func(t *testing.T) { // one after the other: moto is one account
			askMoto(t, base, "/moto-api/reset", "")
			if strings.HasPrefix(c.name, "rotation") {
				addIdleFunction(t, base)
			}
			want := wants(c)
			for n, answer := range listed[c.name].moto {
				if want[n-1] == answer {
					t.Errorf("step %d is listed as a difference, but %q is what AWS says", n, answer)
				}
				want[n-1] = answer
			}
			if diff := cmp.Diff(want, v.run(c.steps)); diff != "" {
				t.Errorf("(-AWS's documentation and the listed differences +moto):\n%s", diff)
			}
		})
		delete(listed, c.name)
	}
	if len(listed) > 0 {
		t.Errorf("differences are listed of cases that there are not: %q", slices.Sorted(maps.Keys(listed)))
	}
}

func TestEveryDifferenceOfMotoNamesItsJudge(t *testing.T) {
	t.Parallel()
	for _, d := range motoDifferences() {
		if (d.rule == "") != (d.page == "") || (d.page == "") == (d.seen == "") || len(d.moto) == 0 {
			t.Errorf("%q: give rule and page, or, where AWS's documentation is silent, seen", d.contract)
		}
	}
}

func wants(c contract) (answers []string) {
	for _, s := range c.steps {
		answers = append(answers, s.want)
	}
	return answers
}

// secretsManagerAt is AWS's own client, without retries; an empty base means
// AWS's URL.
func secretsManagerAt(base string, transport http.RoundTripper) *secretsmanager.Client {
	o := secretsmanager.Options{
		Region:      "us-east-1",
		Credentials: credentials.NewStaticCredentialsProvider("AKIAIOSFODNN7EXAMPLE", "not-a-secret", ""),
		HTTPClient:  &http.Client{Transport: transport},
		Retryer:     aws.NopRetryer{},
	}
	if base != "" {
		o.BaseEndpoint = &base
	}
	return secretsmanager.New(o)
}

// addIdleFunction makes the function of the rotation cases known to moto, which
// then answers for it without running anything.
func addIdleFunction(t *testing.T, base string) {
	t.Helper()
	askMoto(t, base, "/moto-api/config", `{"lambda": {"use_docker": false}}`)
	role := askIAM(t, base, "CreateRole", "RoleName", "idle", "AssumeRolePolicyDocument", `{"Version":"2012-10-17","Statement":[]}`)
	code := "UEsFBgAAAAAAAAAAAAAAAAAAAAAAAA==" // base64 of an empty zip archive
	body := fmt.Sprintf(`{"FunctionName":"idle","Runtime":"provided.al2023","Handler":"bootstrap","Role":%q,"Code":{"ZipFile":%q}}`, between(role, "<Arn>", "</Arn>"), code)
	askService(t, base, "lambda", "/2015-03-31/functions", "application/json", body)
}
