package externalaccount

import (
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/secret"
)

// minimal is the least that makes a credential file.
const minimal = `{
	"type": "external_account",
	"audience": "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
	"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
	"credential_source": {"environment_id": "aws1"}
}`

// change sets fields of minimal, given as "a.b" paths, to JSON values; ""
// removes one.
func change(t *testing.T, fields map[string]string) []byte {
	t.Helper()
	doc := map[string]any{}
	if err := json.Unmarshal([]byte(minimal), &doc); err != nil {
		t.Fatal(err)
	}
	for path, value := range fields {
		object, key := doc, path
		if parent, child, nested := strings.Cut(path, "."); nested {
			object, key = doc[parent].(map[string]any), child
		}
		if value == "" {
			delete(object, key)
		} else {
			object[key] = json.RawMessage(value)
		}
	}
	data, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// problems are the lines of an error that has to be a jsondoc.Problems.
func problems(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var p jsondoc.Problems
	if !errors.As(err, &p) {
		t.Fatalf("%v is a %T", err, err)
	}
	return strings.Split(p.Error(), "\n")
}

func TestTheFileThatGcloudWritesIsReadWhole(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile("testdata/gcloud-aws.json")
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseFile(data, FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Type:                               "external_account",
		Audience:                           "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		SubjectTokenType:                   "urn:ietf:params:aws:token-type:aws4_request",
		TokenURL:                           "https://sts.googleapis.com/v1/token",
		TokenInfoURL:                       "https://sts.googleapis.com/v1/introspect",
		ServiceAccountImpersonationURL:     "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reports@p.iam.gserviceaccount.com:generateAccessToken",
		ServiceAccountTokenLifetimeSeconds: 2800,
		UniverseDomain:                     "googleapis.com",
		AWS: &AWSSource{
			EnvironmentID:               "aws1",
			RegionalCredVerificationURL: "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
			RegionURL:                   "http://169.254.169.254/latest/meta-data/placement/availability-zone",
			URL:                         "http://169.254.169.254/latest/meta-data/iam/security-credentials",
			IMDSv2SessionTokenURL:       "http://169.254.169.254/latest/api/token",
		},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Error(diff)
	}
}

func TestOptionalFieldsAreRead(t *testing.T) {
	t.Parallel()
	got, err := ParseFile(change(t, map[string]string{
		"client_id":        `"client"`,
		"client_secret":    `"GOCSPX-planted"`,
		"quota_project_id": `"quota"`,
		"aws_region":       `"eu-west-1"`,
		"aws_role_arn":     `"arn:aws-us-gov:iam::123456789012:role/path/to/role"`,
		"aws_session_name": `"session@wifmint"`,
	}), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := &File{
		Type:             "external_account",
		Audience:         "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/aws",
		SubjectTokenType: "urn:ietf:params:aws:token-type:aws4_request",
		TokenURL:         "https://sts.googleapis.com/v1/token",
		UniverseDomain:   "googleapis.com",
		ClientID:         "client",
		ClientSecret:     secret.New("GOCSPX-planted"),
		QuotaProjectID:   "quota",
		AWSRegion:        "eu-west-1",
		AWSRoleARN:       "arn:aws-us-gov:iam::123456789012:role/path/to/role",
		AWSSessionName:   "session@wifmint",
		AWS:              &AWSSource{EnvironmentID: "aws1"},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(secret.Text.Equal)); diff != "" {
		t.Error(diff)
	}
}

func TestValidVariationsAreTaken(t *testing.T) {
	t.Parallel()
	audience := func(s string) map[string]string { return map[string]string{"audience": `"` + s + `"`} }
	verification := func(s string) map[string]string {
		return map[string]string{"credential_source.regional_cred_verification_url": `"` + s + `"`}
	}
	for name, fields := range map[string]map[string]string{
		"long ids":                         audience("//iam.googleapis.com/projects/000000000000/locations/global/workloadIdentityPools/my-pool-32-characters-long-00000/providers/p"),
		"another location":                 audience("//iam.googleapis.com/projects/1/locations/europe-west1/workloadIdentityPools/pool/providers/aws"),
		"null for absent":                  {"client_secret": "null", "service_account_impersonation_url": "null", "service_account_impersonation": "null"},
		"a regional STS":                   {"token_url": `"https://sts.europe-west1.rep.googleapis.com/v1/token"`},
		"mutual TLS":                       {"token_url": `"https://sts.mtls.googleapis.com/v1/token"`},
		"the shortest and longest session": {"aws_role_arn": `"arn:aws:iam::123456789012:role/r"`, "aws_session_name": `"ab"`},
		"another universe, whose names may have the default's host": {"universe_domain": `"s3nsapis.fr"`, "token_url": `"https://sts.s3nsapis.fr/v1/token"`},
		"the region as it is":            verification("https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"),
		"the query in any order":         verification("https://sts.{region}.amazonaws.com/?Version=2011-06-15&Action=GetCallerIdentity"),
		"FIPS":                           verification("https://sts-fips.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"),
		"China":                          verification("https://sts.{region}.amazonaws.com.cn?Action=GetCallerIdentity&Version=2011-06-15"),
		"AWS's global endpoint":          verification("https://sts.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"),
		"metadata over IPv6":             {"credential_source.region_url": `"http://[fd00:ec2::254]/latest/meta-data/placement/region"`},
		"a field of Google's Go library": {"credential_source.cred_verification_url": `"https://sts.amazonaws.com"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if _, err := ParseFile(change(t, fields), FileOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTheTokenURLIsThatOfTheUniverse(t *testing.T) {
	t.Parallel()
	f, err := ParseFile(change(t, map[string]string{
		"universe_domain": `"s3nsapis.fr"`,
		"audience":        `"//iam.s3nsapis.fr/projects/1/locations/global/workloadIdentityPools/pool/providers/aws"`,
	}), FileOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if want := "https://sts.s3nsapis.fr/v1/token"; f.TokenURL != want {
		t.Errorf("TokenURL = %s, want %s", f.TokenURL, want)
	}
}

func TestEachMistakeIsToldWithWhatToWrite(t *testing.T) {
	t.Parallel()
	const role = `"arn:aws:iam::123456789012:role/r"`
	for _, tt := range []struct {
		name   string
		fields map[string]string
		// want are the beginnings of the problems.
		want []string
	}{
		{"no type", map[string]string{"type": ""}, []string{`type: found nothing; write the JSON that "gcloud iam`}},
		{"an unknown type", map[string]string{"type": `"external"`}, []string{`type: found "external"; write the JSON that "gcloud iam`}},
		{"a key file", map[string]string{"type": `"service_account"`, "private_key": `"planted"`}, []string{`type: found "service_account"; this is a service account's key file, and wifmint exists so that nobody needs one: write`}},
		{"an impersonating file", map[string]string{"type": `"impersonated_service_account"`}, []string{`type: found "impersonated_service_account"; this file impersonates`}},
		{"a workforce login", map[string]string{"type": `"external_account_authorized_user"`}, []string{`type: found "external_account_authorized_user"; this is a person's login through a workforce pool`}},
		{"a login", map[string]string{"type": `"authorized_user"`}, []string{`type: found "authorized_user"; this is a person's login by gcloud`}},
		{"an unknown field", map[string]string{"tokenUrl": `"https://sts.googleapis.com"`}, []string{`tokenUrl: found an unknown field; did you mean "token_url"?`}},
		{"everything missing", map[string]string{"audience": "", "subject_token_type": "", "credential_source": ""}, []string{
			`audience: found nothing; write the full resource name of the provider: "//iam`,
			`credential_source: found nothing; write where the subject token comes from: {"environment_id": "aws1"} for AWS, else`,
			`subject_token_type: found nothing; write one of urn:ietf:params:oauth:token-type:jwt, `,
		}},
		{"another cloud's token type", map[string]string{"subject_token_type": `"urn:ietf:params:oauth:token-type:jwt"`},
			[]string{`subject_token_type: found "urn:ietf:params:oauth:token-type:jwt"; write "urn:ietf:params:aws:token-type:aws4_request"`}},

		{"a foreign STS", map[string]string{"token_url": `"https://sts.googleapis.com.example.com/v1/token"`}, []string{`token_url: found the host "sts.googleapis.com.example.com"; want https:// and sts.googleapis.com`}},
		{"an STS of another universe", map[string]string{"token_url": `"https://sts.s3nsapis.fr/v1/token"`}, []string{`token_url: found the host "sts.s3nsapis.fr"; want`}},
		{"plain http", map[string]string{"token_info_url": `"http://sts.googleapis.com/v1/introspect"`}, []string{`token_info_url: found the scheme "http"; want`}},
		{"a universe with a scheme", map[string]string{"universe_domain": `"https://googleapis.com"`, "token_url": `"https://sts.googleapis.com/v1/token"`},
			[]string{`universe_domain: found "https://googleapis.com"; write the domain of the universe's APIs, such as "googleapis.com"`}},
		{"impersonation by another service", map[string]string{"service_account_impersonation_url": `"https://sts.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateAccessToken"`},
			[]string{`service_account_impersonation_url: found the host "sts.googleapis.com"; want https:// and iamcredentials.googleapis.com`}},
		{"impersonation of nobody", map[string]string{"service_account_impersonation_url": `"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@p.iam.gserviceaccount.com:generateIdToken"`},
			[]string{`service_account_impersonation_url: found "https://iamcredentials.googleapis.com/v1/projects/-/servi…"; end it with /v1/projects/-/serviceAccounts/EMAIL:generateAccessToken`}},
		{"too short a lifetime", map[string]string{"service_account_impersonation": `{"token_lifetime_seconds": 599}`},
			[]string{`service_account_impersonation.token_lifetime_seconds: found 599; write a number of seconds from 600 to 43200`}},
		{"too long a lifetime", map[string]string{"service_account_impersonation": `{"token_lifetime_seconds": 43201}`},
			[]string{`service_account_impersonation.token_lifetime_seconds: found 43201; write`}},
		{"a lifetime that is no number", map[string]string{"service_account_impersonation": `{"token_lifetime_seconds": "3600s", "lifetime": 1}`}, []string{
			`service_account_impersonation.token_lifetime_seconds: found "3600s"; write a whole number, without quotes`,
			`service_account_impersonation.lifetime: found an unknown field; remove it`,
		}},
		{"a client's secret alone", map[string]string{"client_secret": `"planted"`}, []string{`client_id: found nothing; write the id of the client that the client_secret is of`}},
		{"a workforce project on a workload pool", map[string]string{"workforce_pool_user_project": `"123"`}, []string{`workforce_pool_user_project: found "123"; remove it`}},

		{"no source", map[string]string{"credential_source": `{}`}, []string{`credential_source: found an object; write where the subject token comes from: {"environment_id": "aws1"} for AWS, else`}},
		{"a source that is a path", map[string]string{"credential_source": `"aws1"`}, []string{`credential_source: found "aws1"; write an object in braces`}},
		{"tomorrow's AWS", map[string]string{"credential_source.environment_id": `"aws2"`}, []string{`credential_source.environment_id: found "aws2"; write "aws1", the one version there is`}},
		{"an unknown field of the source", map[string]string{"credential_source.regional_verification_url": `""`}, []string{`credential_source.regional_verification_url: found an unknown field; remove it`}},
		{"metadata elsewhere", map[string]string{
			"credential_source.region_url":               `"http://metadata.google.internal/"`,
			"credential_source.url":                      `"http://169.254.169.254@example.com/"`,
			"credential_source.imdsv2_session_token_url": `"http://169.254.169.254.example.com/"`,
		}, []string{
			`credential_source.imdsv2_session_token_url: found "http://169.254.169.254.example.com/"; write a URL of EC2's metadata service`,
			`credential_source.region_url: found "http://metadata.google.internal/"; write a URL of EC2's metadata service`,
			`credential_source.url: found a URL with an @, and perhaps a password, in it; write a URL of EC2's metadata service`,
		}},
		{"a region of no grammar", map[string]string{"aws_region": `"Ireland"`}, []string{`aws_region: found "Ireland"; write an AWS region, such as "eu-west-1"`}},
		{"a role by name", map[string]string{"aws_role_arn": `"reports"`}, []string{`aws_role_arn: found "reports"; write the ARN of a role`}},
		{"a user's ARN", map[string]string{"aws_role_arn": `"arn:aws:iam::123456789012:user/u"`}, []string{`aws_role_arn: found "arn:aws:iam::123456789012:user/u"; write the ARN of a role`}},
		{"an assumed role's ARN", map[string]string{"aws_role_arn": `"arn:aws:sts::123456789012:assumed-role/r/s"`}, []string{`aws_role_arn: found "arn:aws:sts::123456789012:assumed-role/r/s"; write the ARN of a role`}},
		{"too short a session", map[string]string{"aws_role_arn": role, "aws_session_name": `"a"`}, []string{`aws_session_name: found "a"; write 2 to 64 letters`}},
		{"a session with a space", map[string]string{"aws_role_arn": role, "aws_session_name": `"a b"`}, []string{`aws_session_name: found "a b"; write 2 to 64 letters`}},
		{"a session without a role", map[string]string{"aws_session_name": `"abc"`}, []string{`aws_role_arn: found nothing; write the ARN of the role that aws_session_name is for`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f, err := ParseFile(change(t, tt.fields), FileOptions{})
			expectProblems(t, tt.want, problems(t, err))
			if f != nil {
				t.Errorf("there is a file all the same: %v", f)
			}
		})
	}
}

// expectProblems compares the beginnings of lines.
func expectProblems(t *testing.T, want, got []string) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("the problems are\n%s\nwanted\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], want[i]) {
			t.Errorf("problem %d is\n%s\nwanted\n%s…", i, got[i], want[i])
		}
	}
}

func TestEachTrapOfTheAudienceHasItsOwnAdvice(t *testing.T) {
	t.Parallel()
	const pool = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool"
	for _, tt := range []struct{ name, audience, want string }{
		{"a project id", "//iam.googleapis.com/projects/my-project/locations/global/workloadIdentityPools/pool/providers/aws",
			`audience: found the project id "my-project"; write the project's number`},
		{"a pool", pool, `audience: found a pool; add "/providers/PROVIDER"`},
		{"an https URL", "https:" + pool + "/providers/aws", `remove what stands before "//": the audience is a name, not a URL`},
		{"no slashes", pool[2:] + "/providers/aws", `start it with "//iam."`},
		{"no host", pool[len("//iam.googleapis.com/"):] + "/providers/aws", `put "//iam.googleapis.com/" in front of it`},
		{"a principal", "principalSet:" + pool + "/*", `principals are for IAM bindings`},
		{"a slash at the end", pool + "/providers/aws/", `remove the slash at its end`},
		{"a space at the end", pool + "/providers/aws ", `remove the space around it`},
		{"a line break at the end", pool + `/providers/aws\n`, `remove the space around it`},
		{"a placeholder", pool + "/providers/$PROVIDER", `each part is letters, digits`},
		{"an empty part", "//iam.googleapis.com/projects//locations/global/workloadIdentityPools/pool/providers/aws", `each part is letters, digits`},
		{"a misspelt collection", "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPool/pool/providers/aws", `write "//iam.googleapis.com/projects/NUMBER`},
		{"another universe", "//iam.s3nsapis.fr/projects/1/locations/global/workloadIdentityPools/pool/providers/aws", `name its universe in universe_domain`},
		{"an empty text", "", `write "//iam.googleapis.com/projects/NUMBER`},
		{"another service", "//sts.googleapis.com/x", `write "//iam.googleapis.com/projects/NUMBER`},
		{"a workforce pool", "//iam.googleapis.com/locations/global/workforcePools/pool/providers/oidc", `found a workforce pool; write a workload identity pool's provider`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseFile(change(t, map[string]string{"audience": `"` + tt.audience + `"`}), FileOptions{AllowAnyEndpoint: true})
			got := problems(t, err)
			if len(got) != 1 || !strings.HasPrefix(got[0], "audience: ") || !strings.Contains(got[0], tt.want) {
				t.Errorf("the problems are %q, wanted one with %q", got, tt.want)
			}
		})
	}
}

func TestAProjectIDAndAMissingProviderAreToldAtOnce(t *testing.T) {
	t.Parallel()
	_, err := ParseFile(change(t, map[string]string{"audience": `"//iam.googleapis.com/projects/my-project/locations/global/workloadIdentityPools/pool"`}), FileOptions{})
	expectProblems(t, []string{`audience: found a pool; add`, `audience: found the project id "my-project"; write`}, problems(t, err))
}

func TestVerificationURLsAreGetCallerIdentityAtAWS(t *testing.T) {
	t.Parallel()
	const query = "?Action=GetCallerIdentity&Version=2011-06-15"
	for _, url := range []string{
		"", "sts", "http://sts.{region}.amazonaws.com" + query, "https://sts.{region}.amazonaws.com",
		"https://sts.{region}.amazonaws.com?Action=AssumeRole&Version=2011-06-15", "https://sts.{region}.amazonaws.com" + query + "&Extra=1",
		"https://sts.{region}.amazonaws.com" + query + "&Action=AssumeRole", "https://sts.{region}.amazonaws.com/path" + query,
		"https://{region}.example.com" + query, "https://sts.{region}.amazonaws.com.example.com" + query, "https://sts.a.{region}.amazonaws.com" + query,
		"https://stsx.{region}.amazonaws.com" + query, "https://user@sts.{region}.amazonaws.com" + query, "https://sts.{region}.amazonaws.com:8443" + query,
		"https://sts.example.amazonaws.com" + query, "https://sts.{zone}.amazonaws.com" + query,
	} {
		_, err := ParseFile(change(t, map[string]string{"credential_source.regional_cred_verification_url": `"` + url + `"`}), FileOptions{})
		got := problems(t, err)
		if len(got) != 1 || !strings.HasSuffix(got[0], `; write "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"`) {
			t.Errorf("%s: %q", url, got)
		}
	}
}

func TestAnyEndpointIsTakenWhenAskedFor(t *testing.T) {
	t.Parallel()
	fields := map[string]string{
		"token_url":                         `"http://127.0.0.1:8080/sts/v1/token"`,
		"token_info_url":                    `"http://localhost/introspect"`,
		"service_account_impersonation_url": `"http://[::1]:8080"`,
		"credential_source.url":             `"http://127.0.0.1:8080/imds"`,
		"credential_source.regional_cred_verification_url": `"http://127.0.0.1:8080/{region}/aws"`,
	}
	if _, err := ParseFile(change(t, fields), FileOptions{AllowAnyEndpoint: true}); err != nil {
		t.Error(err)
	}
	_, err := ParseFile(change(t, fields), FileOptions{})
	for field := range fields {
		if !strings.Contains(err.Error(), field+": ") {
			t.Errorf("without the switch %s has no problem", field)
		}
	}
	for field := range fields {
		for _, url := range []string{`"ftp://127.0.0.1/"`, `"127.0.0.1:8080"`, `"http:///path"`, `""`, `" http://127.0.0.1"`} {
			_, err := ParseFile(change(t, map[string]string{field: url}), FileOptions{AllowAnyEndpoint: true})
			if got := problems(t, err); len(got) != 1 || !strings.HasPrefix(got[0], field+": ") {
				t.Errorf("%s as %s: %q", url, field, got)
			}
		}
	}
}

func TestTheClientSecretIsInNoProblem(t *testing.T) {
	t.Parallel()
	const planted = "4711471147114711"
	for _, doc := range []string{
		string(change(t, map[string]string{"client_secret": planted, "client_id": `"c"`})),
		string(change(t, map[string]string{"client_secret": `"` + planted + `"`})),
		string(change(t, map[string]string{"client_secret": `["` + planted + `"]`, "client_id": `"c"`})),
		string(change(t, map[string]string{"client_secret": `{"` + planted + `": 1}`, "client_id": `"c"`})),
		string(change(t, map[string]string{"client_secrets": `"` + planted + `"`})),
		string(change(t, map[string]string{"type": `"service_account"`, "client_secret": `"` + planted + `"`})),
		`{"client_secret": ` + planted + `}`,
		`{"client_secret": "` + planted + `}`,
		`{"client_secret": "` + planted + `\x"}`,
		`{"client_secret": "` + planted + `" "client_id": "c"}`,
	} {
		_, err := ParseFile([]byte(doc), FileOptions{})
		if err == nil || strings.Contains(err.Error(), planted) {
			t.Errorf("%s: %v", doc, err)
		}
	}
}

func TestProblemsOfALargerDocumentNameTheWholePath(t *testing.T) {
	t.Parallel()
	doc := jsondoc.Parse([]byte(`{"credentials": {"type": "external_account", "credential_source": {"environment_id": "aws2"}}}`))
	ReadFile(doc.Root().Get("credentials"), FileOptions{})
	expectProblems(t, []string{"credentials.audience: ", "credentials.subject_token_type: ", "credentials.credential_source.environment_id: "}, problems(t, doc.Err()))
}
