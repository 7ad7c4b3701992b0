package doctor

import (
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// The ways in which the cases spoil a world.

// refusedExchange has Google's STS answer an exchange with an error of OAuth's form.
func (w *world) refusedExchange(code, description string) {
	w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Operation: "token", Status: 400, Body: fmt.Sprintf(`{"error":%q,"error_description":%q}`, code, description)})
}

// account makes an account that nobody but caller may impersonate.
func (w *world) account(email, caller string) {
	w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: email, Callers: []string{caller}})
}

// afterwards are what a case does once the secrets are there.
func (w *world) afterwards(do func()) { w.later = append(w.later, do) }

func (w *world) put(secret, value string) { w.afterwards(func() { w.cloud.PutSecret(secret, value) }) }

// missing has no token put into a secret.
func (w *world) missing(secret string) { w.without = append(w.without, secret) }

func (w *world) aged(target string, age time.Duration) {
	w.afterwards(func() {
		config := w.parsed()
		t := config.Targets[slices.IndexFunc(config.Targets, func(t keeper.Target) bool { return t.Name == target })]
		w.cloud.PutSecret(t.Secret, w.encoded(config, t, age))
	})
}

// other puts a token of one target into another's secret.
func (w *world) other(target, of string) {
	w.afterwards(func() {
		config := w.parsed()
		find := func(name string) keeper.Target {
			return config.Targets[slices.IndexFunc(config.Targets, func(t keeper.Target) bool { return t.Name == name })]
		}
		w.cloud.PutSecret(find(target).Secret, w.encoded(config, find(of), 0))
	})
}

// operator calls Secrets Manager as a person does.
func (w *world) operator() *secretsmanager.Client {
	w.cloud.AddAWSKey(fakecloud.AWSKey{AccessKeyID: "AKIAOPERATOR", SecretAccessKey: "operator", ARN: "arn:aws:iam::123456789012:user/operator"})
	return secretsmanager.New(secretsmanager.Options{
		Region: region, Credentials: credentials.NewStaticCredentialsProvider("AKIAOPERATOR", "operator", ""), HTTPClient: &http.Client{Transport: w.cloud},
	})
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) delete(secret string) {
	w.afterwards(func() {
		_, err := w.operator().DeleteSecret(w.t.Context(), &secretsmanager.DeleteSecretInput{SecretId: &secret})
		w.must(err)
	})
}

func (w *world) create(secret string) {
	w.afterwards(func() {
		_, err := w.operator().CreateSecret(w.t.Context(), &secretsmanager.CreateSecretInput{Name: &secret})
		w.must(err)
	})
}

// encrypted is a federated target's secret whose key the role may not use.
func (w *world) encrypted(secret, key string) {
	w.document["FEDERATED"] = secret
	w.missing(secret)
	w.afterwards(func() {
		config := w.parsed()
		_, err := w.operator().CreateSecret(w.t.Context(), &secretsmanager.CreateSecretInput{
			Name: &secret, KmsKeyId: &key, SecretString: aws.String(w.encoded(config, config.Targets[0], 0)),
		})
		w.must(err)
		w.cloud.DenyKMS(key)
	})
}

func (w *world) pause(secret string) {
	w.afterwards(func() {
		_, err := (&tokenstore.Store{Client: w.operator()}).Pause(w.t.Context(), secret, tokenstore.Pause{Target: "reports", At: time.Now(), Reason: "leaked"})
		w.must(err)
	})
}

// onlyHere has the other regions hold nothing; the fake cloud's regions are one.
func (w *world) onlyHere() {
	for _, r := range regions {
		if r != region {
			w.hosts["secretsmanager."+r+".amazonaws.com"] = reply(400, `{"__type":"ResourceNotFoundException","message":"x"}`)
		}
	}
}
