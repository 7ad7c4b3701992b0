package keeper

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"
)

// credentialsJSON is the least that makes a credential file.
const credentialsJSON = `{
	"type": "external_account",
	"audience": "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
	"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
	"credential_source": {"environment_id": "aws1"}
}`

// document is a config document with these targets, without the brackets.
func document(targets string) string {
	return `{"credentials": ` + credentialsJSON + `, "targets": [` + targets + `]}`
}

// target is a document with one target "a", of these fields besides.
func target(fields string) string {
	return document(`{"name": "a", "secret": "wifmint/a"` + fields + `}`)
}

// account is a document with one target that impersonates.
func account(fields string) string {
	return target(`, "service_account": "reports@p.iam.gserviceaccount.com", "scopes": ["openid"]` + fields)
}

const sample = `{
	"credentials": ` + credentialsJSON + `,
	"create_secrets": true,
	"targets": [
		{"name": "federated", "secret": "wifmint/federated", "scopes": ["https://www.googleapis.com/auth/cloud-platform"]},
		{"name": "reports", "secret": "wifmint/reports", "service_account": "reports@p.iam.gserviceaccount.com",
		 "scopes": ["https://www.googleapis.com/auth/bigquery"], "lifetime": "3600s", "delegates": [], "refresh_at": 0.667},
		{"name": "api", "secret": "wifmint/api", "service_account": "caller@p.iam.gserviceaccount.com", "id_token_audience": "https://api.example.run.app"}
	]
}`

func TestTheSampleOfTheContractIsReadWhole(t *testing.T) {
	t.Parallel()
	got, err := ParseConfig([]byte(sample), ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://sts.googleapis.com/v1/token"; got.Credentials.TokenURL != want {
		t.Errorf("TokenURL = %s, want %s", got.Credentials.TokenURL, want)
	}
	want := &Config{
		CreateSecrets: true,
		Targets: []Target{
			{Name: "federated", Secret: "wifmint/federated", Scopes: []string{CloudPlatformScope}, RefreshAt: DefaultRefreshAt},
			{
				Name: "reports", Secret: "wifmint/reports", ServiceAccount: "reports@p.iam.gserviceaccount.com",
				Scopes: []string{"https://www.googleapis.com/auth/bigquery"}, Lifetime: time.Hour, RefreshAt: 0.667,
			},
			{
				Name: "api", Secret: "wifmint/api", ServiceAccount: "caller@p.iam.gserviceaccount.com",
				IDTokenAudience: "https://api.example.run.app", RefreshAt: DefaultRefreshAt,
			},
		},
	}
	if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Config{}, "Credentials")); diff != "" {
		t.Error(diff)
	}
}

func TestTargetsAreBounded(t *testing.T) {
	t.Parallel()
	var targets []string
	for i := range maxTargets + 1 {
		targets = append(targets, fmt.Sprintf(`{"name": "t%d", "secret": "wifmint/t%d"}`, i, i))
	}
	if _, err := ParseConfig([]byte(document(strings.Join(targets[:maxTargets], ","))), ConfigOptions{}); err != nil {
		t.Errorf("%d targets: %v", maxTargets, err)
	}
	_, err := ParseConfig([]byte(document(strings.Join(targets, ","))), ConfigOptions{})
	if want := `targets: found 10001 targets; write at most 10000, and the rest in another document`; err == nil || err.Error() != want {
		t.Errorf("%d targets: %v", maxTargets+1, err)
	}
}

func TestNoDocumentWritesASecretMoreOftenThanSecretsManagerTakes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fields := ""
		lifetime := DefaultLifetime
		if rapid.Bool().Draw(t, "has a lifetime") {
			lifetime = time.Duration(rapid.IntRange(600, 4000).Draw(t, "lifetime")) * time.Second
			fields += fmt.Sprintf(`, "lifetime": "%ds"`, int(lifetime.Seconds()))
		}
		if rapid.Bool().Draw(t, "has a refresh_at") {
			fields += fmt.Sprintf(`, "refresh_at": %v`, rapid.Float64Range(0.01, 0.99).Draw(t, "refresh_at"))
		}
		config, err := ParseConfig([]byte(account(fields)), ConfigOptions{})
		if err != nil {
			return
		}
		target := config.Targets[0]
		if target.RefreshAt <= 0 || target.RefreshAt > DefaultRefreshAt && !strings.Contains(fields, "refresh_at") {
			t.Fatalf("RefreshAt = %v", target.RefreshAt)
		}
		target.Secret = rapid.String().Draw(t, "secret")
		if got := wait(target, lifetime); got < minWriteInterval-time.Millisecond {
			t.Fatalf("%s: the wait is %s", fields, got)
		}
	})
}

func TestWhatAProblemAdvisesIsAccepted(t *testing.T) {
	t.Parallel()
	for seconds := 667; seconds <= 43200; seconds += 97 {
		highest := math.Floor(highestRefreshAt(time.Duration(seconds)*time.Second)*1e4) / 1e4
		fields := fmt.Sprintf(`, "lifetime": "%ds", "refresh_at": %v`, seconds, highest)
		if _, err := ParseConfig([]byte(account(fields)), ConfigOptions{}); err != nil {
			t.Errorf("%s: %v", fields, err)
		}
	}
	for _, at := range []float64{0.01, 0.5, 0.667, 0.9, 0.98} {
		fields := fmt.Sprintf(`, "lifetime": %q, "refresh_at": %v`, shortestLifetime(at), at)
		if _, err := ParseConfig([]byte(account(fields)), ConfigOptions{}); err != nil {
			t.Errorf("%s: %v", fields, err)
		}
	}
}

func TestAnEmailIsShortForATarget(t *testing.T) {
	t.Parallel()
	for email, want := range map[string]string{
		"reports@my-project.iam.gserviceaccount.com":      "reports.my-project",
		"a@p.example.com.iam.gserviceaccount.com":         "a.p.example.com",
		"123-compute@developer.gserviceaccount.com":       "123-compute.developer",
		"project@appspot.gserviceaccount.com":             "project.appspot",
		"service-1@gcp-sa-pubsub.iam.gserviceaccount.com": "service-1.gcp-sa-pubsub",
		"a@p.s3ns.iam.gserviceaccount.com":                "a.p.s3ns",
	} {
		short, err := ParseConfig([]byte(document(`"`+email+`"`)), ConfigOptions{})
		if err != nil {
			t.Errorf("%s: %v", email, err)
			continue
		}
		long, err := ParseConfig([]byte(document(fmt.Sprintf(`{"name": %q, "secret": %q, "service_account": %q, "scopes": [%q]}`,
			want, "wifmint/"+email, email, CloudPlatformScope))), ConfigOptions{})
		if err != nil {
			t.Errorf("%s: %v", email, err)
			continue
		}
		if diff := cmp.Diff(long.Targets, short.Targets); diff != "" {
			t.Errorf("%s (-long +short):\n%s", email, diff)
		}
	}
}

func TestDelegatesAreEmailsHoweverTheyAreWritten(t *testing.T) {
	t.Parallel()
	config, err := ParseConfig([]byte(accepted["delegates"]), ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"d@p.iam.gserviceaccount.com", "e@p.iam.gserviceaccount.com"}
	if diff := cmp.Diff(want, config.Targets[0].Delegates); diff != "" {
		t.Error(diff)
	}
}

func TestTheClientSecretIsInNoProblemOfTheDocument(t *testing.T) {
	t.Parallel()
	const planted = "GOCSPX-planted"
	good := strings.Replace(sample, `"type"`, `"client_id": "c", "client_secret": "`+planted+`", "type"`, 1)
	for _, value := range []string{
		strings.Replace(good, `"client_id": "c",`, ``, 1),
		strings.Replace(good, `"targets": [`, `"targets": [{},`, 1),
		strings.Replace(good, `"external_account"`, `"service_account"`, 1),
		strings.Replace(good, `"credentials"`, `"credential"`, 1),
		`"` + good,
		good[:len(good)-20],
	} {
		_, err := LoadConfig(value, "", ConfigOptions{})
		if err == nil || strings.Contains(err.Error(), planted) {
			t.Errorf("LoadConfig = %v", err)
		}
	}
}

func TestTheFunctionsTakeAWSCredentialFilesOnly(t *testing.T) {
	t.Parallel()
	document := func(source string) []byte {
		return []byte(`{"credentials": {"type": "external_account", "audience": "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/p",
			"subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "credential_source": ` + source + `}, "targets": [{"name": "a", "secret": "s"}]}`)
	}
	for _, source := range []string{`{"file": "/var/run/token"}`, `{"url": "https://example.com/token"}`} {
		_, err := ParseConfig(document(source), ConfigOptions{})
		if err == nil || !strings.Contains(err.Error(), "credentials.credential_source") || !strings.Contains(err.Error(), "--aws") {
			t.Errorf("%s: %v", source, err)
		}
	}
}
