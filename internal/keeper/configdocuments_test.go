package keeper

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/jsondoc"
)

// accepted documents are taken by parser and schema alike.
var accepted = map[string]string{
	"the sample":              sample,
	"the least":               target(``),
	"a schema for the editor": strings.Replace(sample, "{", `{"$schema": "../schema/config.schema.json",`, 1),
	"null for absent": strings.Replace(target(`, "scopes": null, "service_account": null, "lifetime": null, "delegates": null, "refresh_at": null, "id_token_audience": null`),
		`"targets"`, `"create_secrets": null, "targets"`, 1),
	"the shortest and the longest name": document(`{"name": "0", "secret": "x"}, {"name": "` + strings.Repeat("n", 64) + `", "secret": "` + strings.Repeat("s", 512) + `"}`),
	"a secret by ARN":                   document(`{"name": "a", "secret": "arn:aws-us-gov:secretsmanager:us-gov-east-1:123456789012:secret:wifmint/a-AbCdEf"}`),
	"a name that ends like an ARN":      document(`{"name": "a", "secret": "wifmint/db-secret"}`),
	"one name in two accounts": document(`{"name": "a", "secret": "arn:aws:secretsmanager:eu-west-1:111111111111:secret:x-AbCdEf"},
		{"name": "b", "secret": "arn:aws:secretsmanager:eu-west-1:222222222222:secret:x-AbCdEf"}`),
	"names that differ in case": document(`{"name": "a", "secret": "x"}, {"name": "A", "secret": "X"}`),
	"several scopes":            target(`, "scopes": ["https://mail.google.com/", "openid", "https://www.googleapis.com/auth/drive.readonly"]`),
	"the shortest lifetime":     account(`, "lifetime": "667s"`),
	"the longest lifetime":      account(`, "lifetime": "43200s"`),
	"delegates":                 account(`, "delegates": ["d@p.iam.gserviceaccount.com", "projects/-/serviceAccounts/e@p.iam.gserviceaccount.com"]`),
	"the highest refresh_at":    target(`, "refresh_at": 0.8148`),
	"a low refresh_at":          target(`, "refresh_at": 1e-2`),
	"delegates of an ID token":  target(`, "service_account": "a@p.iam.gserviceaccount.com", "id_token_audience": "32555940559.apps.googleusercontent.com", "delegates": ["d@p.iam.gserviceaccount.com"]`),
	"Compute Engine's account":  account(`, "delegates": ["123-compute@developer.gserviceaccount.com"]`),
	"App Engine's account":      account(`, "delegates": ["project.example.com@appspot.gserviceaccount.com"]`),
	"a scoped project":          account(`, "delegates": ["a@p.example.com.iam.gserviceaccount.com"]`),
	"another universe":          account(`, "delegates": ["a@p.s3ns.iam.gserviceaccount.com"]`),
	"a shorthand":               document(`"reports@p.iam.gserviceaccount.com"`),
	"shorthands beside targets": document(`{"name": "a", "secret": "x"}, "r@p.iam.gserviceaccount.com", {"name": "r", "secret": "r"}, "r@q.iam.gserviceaccount.com"`),
	"the longest shorthand":     document(`"` + strings.Repeat("r", 62) + `@p.iam.gserviceaccount.com"`),
	"Google's own account":      account(`, "delegates": ["service-123@gcp-sa-pubsub.iam.gserviceaccount.com"]`),
}

func TestValidDocumentsAreTakenByParserAndSchema(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for name, doc := range accepted {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseConfig([]byte(doc), ConfigOptions{}); err != nil {
				t.Errorf("the parser says %v", err)
			}
			if err := validate(t, schema, doc); err != nil {
				t.Errorf("the schema says %v", err)
			}
		})
	}
}

// refused documents are refused by the schema too, but for what only the
// parser can see. want are the beginnings of the parser's problems.
var refused = []struct {
	name, doc  string
	parserOnly bool
	want       []string
}{
	{"null", `null`, false, []string{`document: found null; write an object with "credentials" and "targets"`}},
	{"an array", `[]`, false, []string{`document: found an array; write an object in braces`}},
	{"an empty object", `{}`, false, []string{
		`credentials: found nothing; paste the JSON that "gcloud iam`,
		`targets: found nothing; write an array of targets`,
	}},
	{"unknown fields", `{"credentials": ` + credentialsJSON + `, "target": [], "createSecrets": true, "targets": [{"name": "a", "secret": "a", "serviceaccount": "x"}]}`, false, []string{
		`target: found an unknown field; did you mean "targets"?`,
		`createSecrets: found an unknown field; did you mean "create_secrets"?`,
		`targets[0].serviceaccount: found an unknown field; did you mean "service_account"?`,
	}},
	{"wrong types", `{"$schema": 1, "credentials": "x", "create_secrets": "yes", "targets": {}}`, false, []string{
		`$schema: found 1; write a string in double quotes`,
		`credentials: found "x"; write an object in braces`,
		`create_secrets: found "yes"; write true or false`,
		`targets: found an object; write an array in brackets`,
	}},
	{"a key file for credentials", `{"credentials": {"type": "service_account"}, "targets": [{"name": "a", "secret": "a"}]}`, false, []string{
		`credentials.type: found "service_account"; this is a service account's key file`,
	}},
	{"a mistake in the credentials", strings.Replace(target(``), `/providers/aws`, ``, 1), false, []string{`credentials.audience: found a pool; add`}},
	{"a foreign endpoint", strings.Replace(target(``), `"type"`, `"token_url": "https://example.com/token", "type"`, 1), true, []string{`credentials.token_url: found the host "example.com"`}},
	{"no targets", document(``), false, []string{`targets: found an empty array; write at least one target`}},
	{"a duplicate field", target(`, "name": "b"`), true, []string{`targets[0].name: found the field a second time; keep one of them`}},
	{"targets that are none", document(`null, "a", 1`), false, []string{
		`targets[0]: found null; write a target, or remove it`,
		`targets[1]: found "a"; write the email of a service account, such as "reports@PROJECT.iam.gserviceaccount.com", or an object in braces`,
		`targets[2]: found 1; write an object in braces`,
	}},
	{"an empty target", document(`{}`), false, []string{`targets[0].name: found nothing; write a name`, `targets[0].secret: found nothing; write the name of a secret`}},
	{"a name with a space", document(`{"name": "a b", "secret": "x"}`), false, []string{`targets[0].name: found "a b"; write a name of at most 64 letters`}},
	{"a name that starts with a dot", document(`{"name": ".a", "secret": "x"}`), false, []string{`targets[0].name: found ".a"; write`}},
	{"too long a name", document(`{"name": "` + strings.Repeat("n", 65) + `", "secret": "x"}`), false, []string{`targets[0].name: found "nnn`}},
	{"a secret with a space", document(`{"name": "a", "secret": "my secret"}`), false, []string{`targets[0].secret: found "my secret"; write the name of a secret`}},
	{"another service's ARN", document(`{"name": "a", "secret": "arn:aws:ssm:eu-west-1:123456789012:parameter/x"}`), false, []string{`targets[0].secret: found "arn:aws:ssm:`}},
	{"an ARN with a wildcard", document(`{"name": "a", "secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-??????"}`), false, []string{`targets[0].secret: found "arn:aws:secretsmanager`}},
	{"an ARN without an account", document(`{"name": "a", "secret": "arn:aws:secretsmanager:eu-west-1::secret:x"}`), false, []string{`targets[0].secret: found "arn:aws:secretsmanager`}},
	{"duplicate names and secrets", document(`{"name": "a", "secret": "x"}, {"name": "b", "secret": "y"}, {"name": "a", "secret": "y"}`), true, []string{
		`targets[2].name: found the name of targets[0], "a"; write a name of its own`,
		`targets[2].secret: found the secret of targets[1], "y"; write a secret of its own`,
	}},
	{"a secret by name and by ARN", document(`{"name": "a", "secret": "x"}, {"name": "b", "secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf"}`), true, []string{
		`targets[1].secret: found the secret of targets[0], "arn:aws:secretsmanager`,
	}},
	{"a secret by ARN and by name", document(`{"name": "a", "secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"}, {"name": "b", "secret": "x"}`), true, []string{
		`targets[1].secret: found the secret of targets[0], "x"`,
	}},
	{"a secret by two ARNs", document(`{"name": "a", "secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x-AbCdEf"},
		{"name": "b", "secret": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"}`), true, []string{
		`targets[1].secret: found the secret of targets[0], "arn:aws:secretsmanager`,
	}},

	{"an account twice", document(`"r@p.iam.gserviceaccount.com", "s@p.iam.gserviceaccount.com", "r@p.iam.gserviceaccount.com"`), true, []string{
		`targets[2]: found the name of targets[0], "r.p"; remove it, or write an object with a name and a secret of its own`,
	}},
	{"a shorthand that takes a target's name or secret", document(`{"name": "r.p", "secret": "x"}, "r@p.iam.gserviceaccount.com", {"name": "s", "secret": "wifmint/s@p.iam.gserviceaccount.com"}, "s@p.iam.gserviceaccount.com"`), true, []string{
		`targets[1]: found the name of targets[0], "r.p"; remove it, or write`,
		`targets[3]: found the secret of targets[2], "wifmint/s@p.iam.gserviceaccount.com"; remove it, or write`,
	}},
	{"a target that takes a shorthand's name and secret", document(`"r@p.iam.gserviceaccount.com", {"name": "r.p", "secret": "wifmint/r@p.iam.gserviceaccount.com"}`), true, []string{
		`targets[1].name: found the name of targets[0], "r.p"; write a name of its own`,
		`targets[1].secret: found the secret of targets[0], "wifmint/r@p.iam.gserviceaccount.com"; write a secret of its own`,
	}},
	{"shorthands that make no name", document(`"` + strings.Repeat("r", 63) + `@p.iam.gserviceaccount.com", "-r@p.iam.gserviceaccount.com"`), true, []string{
		`targets[0]: found "rrr`,
		`targets[1]: found "-r@p.iam.gserviceaccount.com"; write an object with a name of its own`,
	}},

	{"an account by IAM's member name", target(`, "service_account": "serviceAccount:a@p.iam.gserviceaccount.com", "scopes": ["openid"]`), false, []string{
		`targets[0].service_account: found "serviceAccount:a@p.iam.gserviceaccount.com"; write the email of a service account`,
	}},
	{"a person", target(`, "service_account": "a@example.com", "scopes": ["openid"]`), false, []string{`targets[0].service_account: found "a@example.com"; write the email`}},
	{"an empty account", target(`, "service_account": "", "scopes": ["openid"]`), false, []string{`targets[0].service_account: found ""; write the email`}},
	{"an access token without scopes", target(`, "service_account": "a@p.iam.gserviceaccount.com"`), false, []string{`targets[0].scopes: found nothing; write at least one scope`}},
	{"an access token with no scope", target(`, "service_account": "a@p.iam.gserviceaccount.com", "scopes": []`), false, []string{`targets[0].scopes: found an empty array; write at least one scope`}},
	{"one scope without brackets", target(`, "scopes": "openid"`), false, []string{`targets[0].scopes: found "openid"; write an array in brackets`}},
	{"scopes that are none", target(`, "scopes": ["openid email", "a,b", "", "http://www.googleapis.com/auth/drive", null, 1, "https://"]`), false, []string{
		`targets[0].scopes[0]: found "openid email"; write one scope`,
		`targets[0].scopes[1]: found "a,b"; write one scope`,
		`targets[0].scopes[2]: found ""; write one scope`,
		`targets[0].scopes[3]: found "http://www.googleapis.com/auth/drive"; write one scope`,
		`targets[0].scopes[4]: found null; write one scope`,
		`targets[0].scopes[5]: found 1; write one scope`,
		`targets[0].scopes[6]: found "https://"; write one scope`,
	}},
	{"an ID token of nobody", target(`, "id_token_audience": "https://api.example.run.app"`), false, []string{`targets[0].service_account: found nothing; write the email`}},
	{"an ID token with scopes and a lifetime", account(`, "id_token_audience": "https://api.example.run.app", "lifetime": "3600s"`), false, []string{
		`targets[0].scopes: found an array; remove it: Google gives ID tokens none and one hour`,
		`targets[0].lifetime: found "3600s"; remove it: Google gives ID tokens none and one hour`,
	}},
	{"an audience with a space", target(`, "service_account": "a@p.iam.gserviceaccount.com", "id_token_audience": "a b"`), false, []string{`targets[0].id_token_audience: found "a b"; write the audience`}},
	{"an empty audience", target(`, "service_account": "a@p.iam.gserviceaccount.com", "id_token_audience": ""`), false, []string{`targets[0].id_token_audience: found ""; write the audience`}},
	{"a federated token with a lifetime and delegates", target(`, "lifetime": "3600s", "delegates": []`), false, []string{
		`targets[0].lifetime: found "3600s"; remove it: it goes with a service_account, and this target is federated`,
		`targets[0].delegates: found an array; remove it`,
	}},
	{"delegates that are none", account(`, "delegates": ["serviceAccounts/a@p.iam.gserviceaccount.com", "b"]`), false, []string{
		`targets[0].delegates[0]: found "serviceAccounts/a@p.iam.gserviceaccount.com"; write the email`,
		`targets[0].delegates[1]: found "b"; write the email`,
	}},
	{"a lifetime in hours", account(`, "lifetime": "2h"`), false, []string{`targets[0].lifetime: found "2h"; write a duration in whole seconds such as "3600s", from 600s to 43200s`}},
	{"a lifetime that is a number", account(`, "lifetime": 3600`), false, []string{`targets[0].lifetime: found 3600; write a duration in whole seconds such as "3600s"`}},
	{"a lifetime with a fraction", account(`, "lifetime": "3600.5s"`), false, []string{`targets[0].lifetime: found "3600.5s"; write`}},
	{"a lifetime with two units", account(`, "lifetime": "1h0s"`), false, []string{`targets[0].lifetime: found "1h0s"; write`}},
	{"a lifetime with a leading zero", account(`, "lifetime": "03600s"`), false, []string{`targets[0].lifetime: found "03600s"; write`}},
	{"too short a lifetime", account(`, "lifetime": "599s"`), false, []string{`targets[0].lifetime: found "599s"; write`}},
	{"too long a lifetime", account(`, "lifetime": "43201s"`), false, []string{`targets[0].lifetime: found "43201s"; write`}},
	{"a refresh_at of nothing", target(`, "refresh_at": 0`), false, []string{`targets[0].refresh_at: found 0; write the fraction of the lifetime`}},
	{"a refresh_at of everything", target(`, "refresh_at": 1`), false, []string{`targets[0].refresh_at: found 1; write the fraction`}},
	{"a refresh_at in percent", target(`, "refresh_at": "67%"`), false, []string{`targets[0].refresh_at: found "67%"; write a number, without quotes`}},
	{"a lifetime that cannot be kept", account(`, "lifetime": "666s", "refresh_at": 0.9`), true, []string{
		`targets[0].lifetime: found "666s"; write at least "667s": Secrets Manager takes a new version every 10 minutes, so the token could not be refreshed before it expires`,
	}},
	{"too many writes", target(`, "refresh_at": 0.8149`), true, []string{`targets[0].refresh_at: found 0.8149; write at most 0.8148: Secrets Manager`}},
	{"too many writes for the lifetime", account(`, "lifetime": "1800s", "refresh_at": 0.667`), true, []string{`targets[0].refresh_at: found 0.667; write at most 0.6296, or "lifetime": "2003s": Secrets Manager`}},
	{"too many writes for any lifetime", account(`, "lifetime": "1800s", "refresh_at": 0.99`), true, []string{`targets[0].refresh_at: found 0.99; write at most 0.6296: Secrets Manager`}},
	{"a refresh_at whose lifetime is wrong", account(`, "lifetime": "5h", "refresh_at": 0.9`), false, []string{`targets[0].lifetime: found "5h"; write`}},
}

func TestInvalidDocumentsAreRefusedByParserAndSchema(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, tt := range refused {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config, err := ParseConfig([]byte(tt.doc), ConfigOptions{})
			var problems jsondoc.Problems
			if config != nil || !errors.As(err, &problems) {
				t.Fatalf("ParseConfig = %v, %v", config, err)
			}
			got := strings.Split(err.Error(), "\n")
			if len(got) != len(tt.want) {
				t.Fatalf("the problems are\n%v\nwanted\n%s", err, strings.Join(tt.want, "\n"))
			}
			for i := range got {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("problem %d is\n%s\nwanted\n%s…", i, got[i], tt.want[i])
				}
			}
			if refused := validate(t, schema, tt.doc) != nil; refused == tt.parserOnly {
				t.Errorf("refused by the schema: %v", refused)
			}
		})
	}
}

// FuzzParseConfig also compares with the schema: what the parser takes, the
// schema takes, so that an editor never marks a good document.
func FuzzParseConfig(f *testing.F) {
	for _, doc := range accepted {
		f.Add([]byte(doc))
	}
	for _, tt := range refused {
		f.Add([]byte(tt.doc))
	}
	for _, seed := range hostilejson.Seeds(sample) {
		f.Add([]byte(seed))
	}
	schema := compileSchema(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := ParseConfig(data, ConfigOptions{})
		if err != nil {
			var problems jsondoc.Problems
			if config != nil || !errors.As(err, &problems) || len(problems) == 0 {
				t.Fatalf("ParseConfig = %v, %v", config, err)
			}
			return
		}
		for _, target := range config.Targets {
			if target.Name == "" || target.Secret == "" || target.RefreshAt <= 0 || target.RefreshAt >= 1 ||
				(len(target.Scopes) == 0) == (target.IDTokenAudience == "") {
				t.Fatalf("%+v", target)
			}
		}
		if err := validate(t, schema, string(bytes.TrimPrefix(data, []byte("\ufeff")))); err != nil {
			t.Fatalf("the parser takes what the schema refuses: %v", err)
		}
	})
}
