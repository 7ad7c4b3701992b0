package doctor

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// misconfiguration is one thing that is wrong, the check that has to find it, the
// cause that it has to name, and what has to be in the remedy: the real names above all.
type misconfiguration struct {
	name         string
	spoil        func(*world)
	check, cause string
	remedy       []string
}

func googleRefusal(status int, code, message string) string {
	return fmt.Sprintf(`{"error":{"code":%d,"message":%q,"status":%q}}`, status, message, code)
}

const (
	inPool    = "--project=123456 --location=global --workload-identity-pool=pool"
	aNewStart = "aws lambda invoke --region eu-west-1 --function-name wifmint-minter --cli-binary-format raw-in-base64-out --payload '{}'"
)

var askTheFunctions = []string{"wifmint doctor --function MINTER", "wifmint doctor --function ROTATOR"}

var misconfigurations = []misconfiguration{
	// The document.
	{"a pool where the provider belongs", func(w *world) { w.document["AUDIENCE"] = strings.TrimSuffix(audience, "/providers/lambda") },
		checkConfig, "audience-pool", []string{"providers list " + inPool, "Add /providers/"}},
	{"a project's id where its number belongs", func(w *world) { w.document["AUDIENCE"] = strings.Replace(audience, "123456", "demo-project", 1) },
		checkConfig, "audience-project-id", []string{"gcloud projects describe demo-project --format='value(projectNumber)'"}},
	{"a scope that is none", func(w *world) { w.document["SCOPE"] = "big query" },
		checkConfig, "config-invalid", []string{"wifmint validate"}},

	// AWS.
	{"no AWS credentials", func(w *world) { w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = "", "" },
		checkAWSCredentials, "aws-no-credentials", []string{"aws sso login"}},
	{"half a pair of keys", func(w *world) { w.env["AWS_SECRET_ACCESS_KEY"] = "" },
		checkAWSCredentials, "aws-no-credentials", []string{"aws sso login"}},
	{"expired AWS credentials", func(w *world) { w.key.Expires = time.Now().Add(-time.Minute) },
		checkAWSIdentity, "aws-expired", []string{"aws sso login"}},
	{"an access key that AWS does not know", func(w *world) { w.env["AWS_ACCESS_KEY_ID"] = "ASIATYPO" },
		checkAWSIdentity, "aws-key-unknown", []string{"aws sts get-caller-identity --region eu-west-1"}},
	{"a session token that was left behind", func(w *world) { w.env["AWS_SESSION_TOKEN"] = "" },
		checkAWSIdentity, "aws-key-unknown", []string{"all three variables of one session"}},
	{"a secret access key of another key", func(w *world) { w.env["AWS_SECRET_ACCESS_KEY"] = "another" },
		checkAWSIdentity, "aws-signature", []string{"AWS_SECRET_ACCESS_KEY"}},
	{"a role that may not be assumed", func(w *world) {
		w.cloud.AddRole(fakecloud.AWSRole{ARN: "arn:aws:iam::123456789012:role/other", TrustedARNs: []string{"arn:aws:iam::999999999999:root"}})
		w.document["ROLE"] = `"aws_role_arn": "arn:aws:iam::123456789012:role/other",`
	}, checkAWSIdentity, "aws-assume-role", []string{"aws sts assume-role --role-arn arn:aws:iam::123456789012:role/other"}},
	{"no region", func(w *world) { w.env["AWS_REGION"] = "" },
		checkAWSRegion, "aws-no-region", []string{"export AWS_REGION="}},
	{"a region that is written wrong", func(w *world) { w.env["AWS_REGION"] = "eu_west_1" },
		checkAWSRegion, "aws-no-region", []string{"export AWS_REGION="}},
	{"a region that does not exist", func(w *world) {
		w.env["AWS_REGION"] = "eu-west-9"
		w.hosts["sts.eu-west-9.amazonaws.com"] = noSuchHost
	}, checkAWSSTS, "region-unknown", []string{"aws ec2 describe-regions"}},
	{"a clock that is 20 minutes slow", func(w *world) { w.skew = -20 * time.Minute },
		checkClock, "clock-off", []string{"timedatectl set-ntp true"}},
	{"a clock that is 20 minutes fast", func(w *world) { w.skew = 20 * time.Minute },
		checkClock, "clock-off", []string{"timedatectl set-ntp true"}},

	// The network.
	{"no DNS", func(w *world) { w.hosts["*"] = noSuchHost },
		checkAWSSTS, "no-dns", []string{"dig +short sts.googleapis.com"}},
	{"a proxy that reads TLS", func(w *world) {
		w.hosts["sts.googleapis.com"] = broken(&tls.CertificateVerificationError{Err: x509.UnknownAuthorityError{}})
	}, checkGoogleSTS, "tls-intercepted", []string{"openssl s_client -connect sts.googleapis.com:443"}},
	{"a firewall before Google", func(w *world) { w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Hang: true}) },
		checkGoogleSTS, "no-answer", []string{"curl", "https://sts.googleapis.com/v1/token"}},
	{"a proxy's page in Google's place", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Operation: "token", Status: 403, Body: "<html>Blocked</html>"})
	}, checkSTS, "not-google", []string{"NO_PROXY=.googleapis.com"}},

	// The exchange.
	{"an audience of a provider that is not there", func(w *world) { w.document["AUDIENCE"] = strings.Replace(audience, "lambda", "lambada", 1) },
		checkSTS, "provider-unknown", []string{"providers list " + inPool + " --show-deleted"}},
	{"a provider that is disabled", func(w *world) { w.provider.Disabled = true },
		checkSTS, "provider-unknown", []string{"--format='table(name,state,disabled)'"}},
	{"a condition that refuses", func(w *world) {
		w.function = "minter"
		w.provider.AllowedRoleARNs = []string{"arn:aws:iam::123456789012:role/another"}
	}, checkSTS, "condition-refuses", []string{
		"providers describe lambda " + inPool + " --format='value(attributeCondition)'\n",
		"providers update-aws lambda " + inPool + ` --attribute-condition="($(gcloud iam workload-identity-pools providers describe lambda ` + inPool + ` --format='value(attributeCondition)')) || attribute.aws_role == '` + role + `'"`,
	}},
	{"a provider of another AWS account", func(w *world) { w.function, w.provider.AWSAccount = "minter", "999999999999" },
		checkSTS, "account-not-trusted", []string{"providers describe lambda " + inPool, "--account-id=123456789012"}},
	{"a provider for OpenID Connect", func(w *world) { w.provider.Kind = fakecloud.OIDCProvider },
		checkSTS, "provider-kind", []string{"providers create-aws", "--account-id=123456789012"}},
	{"a role and a function with long names", func(w *world) {
		w.key.ARN = "arn:aws:sts::123456789012:assumed-role/" + strings.Repeat("r", 50) + "/" + strings.Repeat("s", 60)
		w.function = "minter"
		w.provider.AllowedRoleARNs = nil
	}, checkSTS, "subject-too-long", []string{
		"providers describe lambda " + inPool + " --format='yaml(attributeMapping)'\n", "providers update-aws lambda " + inPool,
		`--attribute-mapping="google.subject=` + roleExpression + ",attribute.aws_role=" + roleExpression + `,OTHER_MAPPINGS"`,
	}},
	{"the Security Token Service API not enabled", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Operation: "token", Status: 403, Body: googleRefusal(403, "PERMISSION_DENIED",
			"Security Token Service API has not been used in project 123456 before or it is disabled.")})
	}, checkSTS, "sts-api-disabled", []string{"gcloud services enable sts.googleapis.com --project=123456"}},
	{"a perimeter of VPC Service Controls", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Operation: "token", Status: 403, Body: googleRefusal(403, "PERMISSION_DENIED",
			"Request is prohibited by organization's policy. vpcServiceControlsUniqueIdentifier: abc")})
	}, checkSTS, "perimeter", []string{member}},
	{"exchanges over the quota", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Operation: "token", Status: 429, Body: googleRefusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded.")})
	}, checkSTS, "quota", []string{"sts.googleapis.com", "--project=123456"}},
	{"Google ailing", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Operation: "token", Status: 503, Body: "{}"})
	}, checkSTS, "ailing", []string{"https://status.cloud.google.com"}},

	{"credentials that AWS refuses to Google alone", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "aws-sts", Operation: "GetCallerIdentity", Skip: 1, Status: 403,
			Body: "<ErrorResponse><Error><Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message></Error></ErrorResponse>"})
	}, checkSTS, "aws-refuses-google", []string{"AWS_STS_REGIONAL_ENDPOINTS=regional"}},
	{"credentials that expire on the way", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "aws-sts", Operation: "GetCallerIdentity", Skip: 1, Status: 403,
			Body: "<ErrorResponse><Error><Code>ExpiredToken</Code><Message>The security token included in the request is expired</Message></Error></ErrorResponse>"})
	}, checkSTS, "aws-expired-at-google", []string{"aws sso login"}},
	{"AWS STS ailing", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "aws-sts", Operation: "GetCallerIdentity", Status: 503, Body: "x"})
	}, checkAWSIdentity, "ailing", []string{"https://health.aws.amazon.com"}},
	{"an audience that is no provider's name", func(w *world) {
		w.refusedExchange("invalid_request", `Invalid value for "audience". This value should be the full resource name`)
	},
		checkSTS, "audience-form", []string{"//iam.googleapis.com/"}},
	{"a request that is not GetCallerIdentity's", func(w *world) { w.refusedExchange("invalid_grant", "AWS request has invalid format.") },
		checkSTS, "request-form", []string{"https://sts.{region}.amazonaws.com?Action=GetCallerIdentity"}},
	{"a mapping that makes nothing", func(w *world) {
		w.function = "minter"
		w.refusedExchange("unauthorized_client", "The mapping yields no google.subject.")
	},
		checkSTS, "mapping-refuses", []string{"providers describe lambda " + inPool}},
	{"a refusal of Google's STS that nobody knows", func(w *world) { w.refusedExchange("strange", "Strange.") },
		checkSTS, "sts-refuses", []string{"providers describe lambda " + inPool}},
	{"a refusal of AWS STS that nobody knows", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "aws-sts", Operation: "GetCallerIdentity", Status: 403,
			Body: "<ErrorResponse><Error><Code>Strange</Code><Message>Strange.</Message></Error></ErrorResponse>"})
	}, checkAWSIdentity, "aws-refused", []string{"aws sts get-caller-identity --region eu-west-1"}},
	{"a network that fails as none does", func(w *world) { w.hosts["sts.googleapis.com"] = broken(errors.New("strange")) },
		checkGoogleSTS, "unknown", []string{"https://github.com/wifmint/wifmint/issues"}},
	{"an OAuth client that no workload pool has", func(w *world) { w.provider.ClientID = "client" },
		checkSTS, "client-unknown", []string{"client_id"}},

	// Someone who is none of the functions.
	{"a person whom the condition does not let in", func(w *world) { w.provider.AllowedRoleARNs = []string{"arn:aws:iam::123456789012:role/another"} },
		checkSTS, NotTheFunction, askTheFunctions},
	{"a person of another AWS account", func(w *world) { w.provider.AWSAccount = "999999999999" }, checkSTS, NotTheFunction, askTheFunctions},
	{"a person who may not impersonate", func(w *world) { w.account(reports, "serviceAccount:nobody@demo-project.iam.gserviceaccount.com") },
		checkImpersonate, NotTheFunction, askTheFunctions},
	{"a person who may not read", func(w *world) { w.cloud.Deny("GetSecretValue", "wifmint/reports") }, checkRead, NotTheFunction, askTheFunctions},

	// Impersonation.
	{"a binding that is missing", func(w *world) {
		w.function = "rotator"
		w.account(reports, "serviceAccount:nobody@demo-project.iam.gserviceaccount.com")
	}, checkImpersonate, "binding-missing", []string{"add-iam-policy-binding projects/-/serviceAccounts/" + reports + " --role=roles/iam.workloadIdentityUser --member=" + member}},
	{"a service account that is disabled", func(w *world) {
		w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: reports, Callers: []string{member}, Disabled: true})
		w.hosts["iam.googleapis.com"] = reply(200, `{"disabled": true}`)
	}, checkImpersonate, "account-disabled", []string{"gcloud iam service-accounts enable " + reports + " --project=demo-project"}},
	{"a service account that is not there", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Resource: reports, Status: 404, Body: googleRefusal(404, "NOT_FOUND", "Not found; Gaia id not found for email "+reports)})
	}, checkImpersonate, "account-unknown", []string{"gcloud iam service-accounts list --project=demo-project"}},
	{"the IAM Credentials API not enabled", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Status: 403, Body: googleRefusal(403, "PERMISSION_DENIED",
			"IAM Service Account Credentials API has not been used in project 123456 before or it is disabled.")})
	}, checkImpersonate, "iam-api-disabled", []string{"gcloud services enable iamcredentials.googleapis.com --project=123456"}},
	{"a delegate that the identity may not act as", func(w *world) {
		w.function = "rotator"
		w.account(deputy, "serviceAccount:nobody@demo-project.iam.gserviceaccount.com")
	}, checkImpersonate, "delegate-first", []string{"serviceAccounts/" + deputy + " --role=roles/iam.serviceAccountTokenCreator --member=" + member}},
	{"a delegate that may not act as the account", func(w *world) { w.account(api, "serviceAccount:nobody@demo-project.iam.gserviceaccount.com") },
		checkImpersonate, "delegate-next", []string{"serviceAccounts/" + api + " --role=roles/iam.serviceAccountTokenCreator --member=serviceAccount:" + deputy}},
	{"a lifetime over the policy", func(w *world) { w.document["LIFETIME"] = "7200s" },
		checkImpersonate, "lifetime-too-long", []string{"org-policies allow constraints/iam.allowServiceAccountCredentialLifetimeExtension " + reports + " --project=demo-project"}},
	{"delegates too many to be asked about", func(w *world) {
		w.account(api, "serviceAccount:nobody@demo-project.iam.gserviceaccount.com")
		w.cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Resource: deputy, Status: 429, Body: googleRefusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded.")})
	}, checkImpersonate, "impersonation-refused", []string{"get-iam-policy " + api}},
	{"a scope that Google does not know", func(w *world) { w.document["SCOPE"] = "https://example.com/auth/bigquery" },
		checkImpersonate, "scope-unknown", []string{"the target reports"}},
	{"a refusal of Google's IAM that nobody knows", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Resource: reports, Status: 409, Body: googleRefusal(409, "ABORTED", "Strange.")})
	}, checkImpersonate, "impersonation-refused", []string{"get-iam-policy " + reports}},
	{"impersonations over the quota", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Resource: reports, Status: 429, Body: googleRefusal(429, "RESOURCE_EXHAUSTED", "Quota exceeded.")})
	}, checkImpersonate, "quota", []string{"--project=123456"}},

	// The secret.
	{"no permission to read", func(w *world) {
		w.function = "rotator"
		w.cloud.Deny("GetSecretValue", "wifmint/reports")
	}, checkRead, "read-denied", []string{"put-role-policy --role-name minter-role", `"arn:aws:secretsmanager:eu-west-1:123456789012:secret:wifmint/reports-??????"`}},
	{"no permission to put", func(w *world) {
		w.function = "rotator"
		w.cloud.Deny("PutSecretValue", "wifmint/reports")
	}, checkWrite, "write-denied", []string{"put-role-policy --role-name minter-role", "secretsmanager:PutSecretValue", "secret:wifmint/reports-"}},
	{"KMS denied", func(w *world) {
		w.function = "minter"
		w.encrypted("wifmint/encrypted", "arn:aws:kms:eu-west-1:123456789012:key/k1")
	}, checkRead, "kms-denied", []string{"kms:Decrypt", `"arn:aws:kms:eu-west-1:123456789012:key/k1"`, "--role-name minter-role --policy-name wifmint-key-federated "}},
	{"KMS denied for a key that is told by its id", func(w *world) {
		w.function = "minter"
		w.encrypted("wifmint/encrypted", "k1")
	}, checkRead, "kms-denied", []string{`"arn:aws:kms:eu-west-1:123456789012:key/k1"`, "describe-key --region eu-west-1 --key-id k1"}},
	{"KMS denied for a key that is told by an alias", func(w *world) {
		w.function = "minter"
		w.encrypted("wifmint/encrypted", "arn:aws:kms:eu-west-1:123456789012:alias/a")
	}, checkRead, "kms-denied", []string{`"Resource":"KMS_KEY"`, "describe-key --region eu-west-1 --key-id arn:aws:kms:eu-west-1:123456789012:alias/a"}},
	{"a KMS key that is disabled", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "GetSecretValue", Resource: "wifmint/api", Status: 400, Body: `{"__type":"DecryptionFailure","message":"x"}`})
	}, checkRead, "kms-key", []string{"aws kms enable-key"}},
	{"an ARN of another region", func(w *world) {
		w.document["FEDERATED"] = "arn:aws:secretsmanager:us-east-1:123456789012:secret:wifmint/federated-AbCdEf"
	}, checkRead, "secret-elsewhere", []string{"sam deploy --region us-east-1"}},
	{"a secret in another region", func(w *world) {
		w.document["FEDERATED"] = "elsewhere/federated"
		w.missing("elsewhere/federated")
		for _, r := range regions {
			w.hosts["secretsmanager."+r+".amazonaws.com"] = reply(400, `{"__type":"ResourceNotFoundException","message":"Secrets Manager can't find the specified secret."}`)
		}
		w.hosts["secretsmanager.us-west-2.amazonaws.com"] = reply(200, `{"ARN":"arn","Name":"elsewhere/federated"}`)
		delete(w.hosts, "secretsmanager."+region+".amazonaws.com")
	}, checkRead, "secret-elsewhere", []string{"export AWS_REGION=us-west-2"}},
	{"a secret that is deleted", func(w *world) { w.delete("wifmint/reports") },
		checkRead, "secret-deleted", []string{"aws secretsmanager restore-secret --region eu-west-1 --secret-id wifmint/reports"}},
	{"a secret that nobody made", func(w *world) {
		w.document["FEDERATED"] = "nobodys"
		w.missing("nobodys")
		w.onlyHere()
	}, checkRead, "secret-missing", []string{"aws secretsmanager create-secret --region eu-west-1 --name nobodys"}},
	{"a secret without a value", func(w *world) {
		w.document["FEDERATED"] = "empty"
		w.missing("empty")
		w.create("empty")
	}, checkRead, "secret-empty", []string{aNewStart}},
	{"a KMS key that may only be read with", func(w *world) {
		w.function = "minter"
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Status: 400, Body: `{"__type":"AccessDeniedException","message":"Access to KMS is not allowed"}`})
	}, checkWrite, "kms-write-denied", []string{"kms:GenerateDataKey", "--role-name minter-role"}},
	{"credentials that Secrets Manager does not take", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Status: 400, Body: `{"__type":"UnrecognizedClientException","message":"The security token included in the request is invalid."}`})
	}, checkRead, "aws-refuses-key", []string{"aws secretsmanager describe-secret --region eu-west-1 --secret-id wifmint/federated"}},
	{"a refusal to read that nobody knows", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Resource: "wifmint/api", Status: 400, Body: `{"__type":"Strange","message":"x"}`})
	}, checkRead, "read-fails", []string{"describe-secret --region eu-west-1 --secret-id wifmint/api"}},
	{"a refusal to put that nobody knows", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Status: 400, Body: `{"__type":"Strange","message":"x"}`})
	}, checkWrite, "write-fails", []string{"--policy-source-arn arn:aws:iam::123456789012:role/minter-role"}},
	{"versions without end", func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "PutSecretValue", Status: 400, Body: `{"__type":"LimitExceededException","message":"x"}`})
	}, checkWrite, "too-many-versions", []string{"list-secret-version-ids --region eu-west-1 --secret-id wifmint/"}},

	// The token.
	{"stored JSON that is malformed", func(w *world) { w.put("wifmint/reports", `{"hello": "world"}`) },
		checkFresh, "malformed", []string{aNewStart, "aws cloudtrail lookup-events"}},
	{"a token that has expired", func(w *world) { w.aged("reports", 2*time.Hour) },
		checkFresh, "expired", []string{"wifmint doctor --function wifmint-minter"}},
	{"a token that was due long ago", func(w *world) { w.aged("reports", 50*time.Minute) },
		checkFresh, "overdue", []string{"wifmint doctor --function wifmint-minter"}},
	{"a token from a machine whose clock was wrong", func(w *world) { w.aged("reports", -time.Hour) },
		checkFresh, "times-impossible", []string{aNewStart}},
	{"a token of another account", func(w *world) { w.other("reports", "federated") },
		checkFresh, "other-identity", []string{"sam deploy"}},
	{"a target that is paused", func(w *world) { w.pause("wifmint/reports") },
		checkFresh, "paused", []string{"wifmint resume --secret wifmint/reports"}},
}

// examine is what the doctor tells of a world that a case has spoiled.
func (w *world) examine() (checks []Check) {
	config, err := keeper.ParseConfig([]byte(w.text()), keeper.ConfigOptions{})
	if err != nil {
		Refused(err, []byte(w.text()), func(c Check) { checks = append(checks, c) })
		return checks
	}
	w.keep(config, time.Minute)
	for _, do := range w.later {
		do()
	}
	return w.walk(config)
}

func TestEveryMisconfigurationIsNamedWithItsRemedy(t *testing.T) {
	t.Parallel()
	named := 0
	for _, m := range misconfigurations {
		ok := t.Run(m.name, func(t *testing.T) {
			inWorld(t, func(w *world) {
				m.spoil(w)
				m.verify(t, w.examine())
			})
		})
		if ok {
			named++
		}
	}
	t.Logf("%d of %d misconfigurations named, each with its remedy", named, len(misconfigurations))
}

// verify wants every failure to be of the one cause, and the first to be at its check,
// with the remedy.
func (m misconfiguration) verify(t *testing.T, checks []Check) {
	t.Helper()
	failed := slices.DeleteFunc(slices.Clone(checks), func(c Check) bool { return c.Status != Failed })
	if len(failed) == 0 {
		t.Fatalf("nothing failed:\n%s", show(checks))
	}
	for _, c := range failed {
		if c.Cause != m.cause {
			t.Errorf("%s names %q, not %q:\n%s", c.Check, c.Cause, m.cause, show(checks))
		}
	}
	if failed[0].Check != m.check || failed[0].Found == "" || failed[0].Means == "" {
		t.Errorf("the first to fail is not a telling %s:\n%s", m.check, show(checks))
	}
	for _, part := range m.remedy {
		if !strings.Contains(failed[0].Fix, part) {
			t.Errorf("the remedy does not say %q: %s", part, failed[0].Fix)
		}
	}
	for _, c := range checks {
		for _, hidden := range []string{secretKey, sessionToken, storedValue, "ya29.", "Signature="} {
			if strings.Contains(fmt.Sprint(c), hidden) {
				t.Errorf("a secret is told: %+v", c)
			}
		}
	}
}

func show(checks []Check) string {
	var b strings.Builder
	for _, c := range checks {
		fmt.Fprintf(&b, "%-8s %-16s %-10s %-20s %s | %s\n", c.Status, c.Check, c.Target, c.Cause, c.Found, c.Fix)
	}
	return b.String()
}
