package conformance_test

// Why one library takes a file that the other does not.
const (
	strictType  = "google-auth looks at a field when it uses it; here a wrong JSON type is refused in the file"
	strictEmpty = "an empty text, or a zero, is no value, and no way to leave a field out"
	strictName  = "a field that nobody reads is a spelling mistake, or a promise that nobody keeps"
	strictTwice = "of a field that is there twice one reader takes the first and another the last"
	strictRange = "Google refuses it at the exchange; here the file is, with the field's name"
	foreignHost = "whoever answers there gets the caller's identity, or decides it: Google's and AWS's hosts, and no others"
	noDefault   = "the default is the same for everyone, so a file may leave it out"
	nullIsUnset = "null is no value; google-auth fails on it with a TypeError or an AttributeError"
)

// decisions are the files of the table. A field that is not named is as in decisionBases.
func decisions() []decision {
	var all []decision
	add := func(of, field string, want verdict, why string, values ...any) {
		for _, v := range values {
			all = append(all, decision{of: of, field: field, value: v, want: want, why: why})
		}
	}
	for of := range decisionBases() {
		add(of, "", both, "", nil)
	}
	addOfAnyFile(add)
	addOfSources(add)
	addOfAWS(add)
	addOfPeople(add)
	return append(all, notQuiteJSON()...)
}

// notQuiteJSON are texts of files.
func notQuiteJSON() []decision {
	const file = `"type":"external_account","audience":"` + workloadAudience + `","subject_token_type":"` + jwtType + `","credential_source":{"file":"/x"}`
	return []decision{
		{file: "{" + file + "}", want: both},
		{file: " \n{" + file + "}\n", want: both},
		{file: " ", want: neither},
		{file: "null", want: neither},
		{file: "[]", want: neither},
		{file: `"` + workloadAudience + `"`, want: neither},
		{file: "{" + file, want: neither},
		{file: "{" + file + ",}", want: neither},
		{file: "{" + file + "} x", want: neither},
		{file: "{" + file + "}{}", want: neither},
		{file: "/* gcloud's */{" + file + "}", want: neither},
		{file: "\ufeff{" + file + "}", want: onlyUs, why: "Windows PowerShell's > writes a byte order mark, and RFC 8259 allows a reader to ignore it"},
		{file: `{"type":"external_account",` + file + "}", want: onlyThem, why: strictTwice},
	}
}

type adder = func(of, field string, want verdict, why string, values ...any)

func addOfAnyFile(add adder) {
	add("file", "type", neither, "", absent, nil, "", 1, "external_account ", "External_Account", "service_account")
	add("file", "audience", neither, "", absent, nil, 1)
	add("file", "audience", onlyThem, strictEmpty, "")
	add("file", "audience", onlyThem, strictRange, "projects/1/locations/global/workloadIdentityPools/a/providers/b",
		"https://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a/providers/b",
		"//iam.googleapis.com/projects/my-project/locations/global/workloadIdentityPools/a/providers/b",
		"//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/a")
	add("file", "subject_token_type", both, "", "urn:ietf:params:oauth:token-type:id_token", "urn:ietf:params:oauth:token-type:saml2")
	add("file", "subject_token_type", neither, "", "urn:ietf:params:aws:token-type:aws4_request")
	add("file", "subject_token_type", onlyThem, strictRange, absent, "", "urn:ietf:params:oauth:token-type:access_token")
	add("file", "subject_token_type", onlyThem, strictType, 1)
	add("file", "token_url", both, "", absent, nil, "https://us-east-1-sts.googleapis.com/v1/token", "https://sts.europe-west1.rep.googleapis.com/v1/token")
	add("file", "token_url", onlyThem, strictEmpty, "")
	add("file", "token_url", onlyThem, strictType, 1)
	add("file", "token_url", onlyThem, foreignHost, "http://sts.googleapis.com/v1/token", "https://sts.example.com/v1/token",
		"https://sts.googleapis.com.example.com/v1/token", "https://user@sts.googleapis.com/v1/token", "https://sts.googleapis.com:8443/v1/token")
	add("file", "token_info_url", both, "", nil, "https://sts.googleapis.com/v1/introspect")
	add("file", "token_info_url", onlyThem, foreignHost, "https://example.com/")
	add("file", "service_account_impersonation_url", both, "", nil, impersonationURL)
	add("file", "service_account_impersonation_url", onlyThem, strictEmpty, "")
	add("file", "service_account_impersonation_url", onlyThem, strictType, 1)
	add("file", "service_account_impersonation_url", onlyThem, strictRange, "https://iamcredentials.googleapis.com/v1/")
	add("file", "service_account_impersonation_url", onlyThem, foreignHost,
		"http://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken",
		"https://example.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken")
	add("file", "service_account_impersonation", both, "", nil, object{}, object{"token_lifetime_seconds": 600}, object{"token_lifetime_seconds": 43200})
	add("file", "service_account_impersonation", neither, "", "3600")
	add("file", "service_account_impersonation", onlyThem, strictRange, object{"token_lifetime_seconds": 599}, object{"token_lifetime_seconds": 43201})
	add("file", "service_account_impersonation", onlyThem, strictType, object{"token_lifetime_seconds": "3600"}, object{"token_lifetime_seconds": 3600.5})
	add("file", "client_id", both, "", "an id")
	add("file", "client_id", onlyThem, strictType, 1)
	add("file", "client_secret", onlyThem, strictName, "a secret without its client_id")
	add("file", "quota_project_id", both, "", "p", "", nil)
	add("file", "quota_project_id", onlyThem, strictType, 1)
	add("file", "workforce_pool_user_project", neither, "", "123456")
	add("workforce", "workforce_pool_user_project", both, "", absent)
	add("workforce", "workforce_pool_user_project", onlyThem, strictType, 1)
	add("file", "universe_domain", both, "", "googleapis.com")
	add("file", "universe_domain", neither, "", 1)
	add("file", "universe_domain", onlyThem, foreignHost, "u.example") // token_url is googleapis.com's
	add("file", "universe_domain", onlyThem, strictRange, "", "https://googleapis.com")
	add("file", "universe_domain", onlyUs, nullIsUnset, nil)
	add("file", "unknown_field", onlyThem, strictName, "x")
	add("file", "trust_boundary", onlyThem, strictName, "x")
}

func addOfSources(add adder) {
	add("file", "credential_source", neither, "", absent, nil, object{}, "file", []any{})
	add("file", "credential_source.file", neither, "", absent, nil, "")
	add("file", "credential_source.file", onlyThem, strictType, 1)
	add("file", "credential_source.url", neither, "", "http://example.com")
	add("file", "credential_source.unknown", onlyThem, strictName, "x")
	add("file", "credential_source.format", both, "", object{}, object{"type": "text"}, object{"type": "json", "subject_token_field_name": "x"})
	add("file", "credential_source.format", neither, "", "text", object{"type": "xml"}, object{"type": "json"})
	add("file", "credential_source.format", onlyThem, strictEmpty, object{"type": ""}, object{"type": "json", "subject_token_field_name": ""})
	add("file", "credential_source.format", onlyUs, nullIsUnset, nil)
	add("url", "credential_source.url", both, "", "https://example.com/token", "http://localhost:8080")
	add("url", "credential_source.url", neither, "", "")
	add("url", "credential_source.url", onlyThem, strictRange, "example.com", "ftp://example.com", "http://user:pass@example.com")
	add("url", "credential_source.url", onlyThem, strictType, 1)
	add("url", "credential_source.headers", both, "", nil, object{})
	add("url", "credential_source.headers", onlyThem, strictType, "x", object{"A": 1})
	add("url", "credential_source.environment_id", neither, "", "azure1", "aws1")
	add("executable", "credential_source.executable", neither, "", nil, object{}, "x")
	add("executable", "credential_source.executable.command", neither, "", absent, "")
	add("executable", "credential_source.executable.command", onlyThem, strictType, 1)
	add("executable", "credential_source.executable.timeout_millis", both, "", absent, nil, 5000, 120000)
	add("executable", "credential_source.executable.timeout_millis", neither, "", 4999, 120001, "5000")
	add("executable", "credential_source.executable.timeout_millis", onlyThem, strictEmpty, 0)
	add("executable", "credential_source.executable.timeout_millis", onlyThem, strictType, 5000.5)
	add("executable", "credential_source.executable.interactive_timeout_millis", both, "", 30000, 1800000)
	add("executable", "credential_source.executable.interactive_timeout_millis", neither, "", 29999, 1800001)
	add("executable", "credential_source.executable.output_file", both, "", absent, "", nil)
	add("executable", "credential_source.file", onlyThem, strictName, "a second source")
	add("certificate", "credential_source.certificate", both, "", object{"certificate_config_location": "/x"},
		object{"use_default_certificate_config": true, "trust_chain_path": "/x"})
	add("certificate", "credential_source.certificate", neither, "", nil, object{}, object{"use_default_certificate_config": false},
		object{"certificate_config_location": "/x", "use_default_certificate_config": true})
	add("certificate", "token_url", both, "", absent)
	add("certificate", "token_url", onlyThem, strictRange, "https://sts.googleapis.com/v1/token")
}

func addOfAWS(add adder) {
	add("aws", "subject_token_type", neither, "", absent, jwtType)
	add("aws", "credential_source", neither, "", absent, object{})
	add("aws", "credential_source.environment_id", neither, "", absent, "", "aws2", "aws", "azure1", "aws1 ", 1)
	add("aws", "credential_source.environment_id", onlyThem, strictRange, "aws01")
	add("aws", "credential_source.regional_cred_verification_url", both, "",
		"https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
		"https://sts-fips.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15")
	add("aws", "credential_source.regional_cred_verification_url", onlyUs, noDefault, absent, nil)
	add("aws", "credential_source.regional_cred_verification_url", onlyThem, strictEmpty, "")
	add("aws", "credential_source.regional_cred_verification_url", onlyThem, strictType, 1)
	add("aws", "credential_source.regional_cred_verification_url", onlyThem, foreignHost, "https://example.com",
		"http://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
		"https://sts.{region}.amazonaws.com.example.com?Action=GetCallerIdentity&Version=2011-06-15")
	add("aws", "credential_source.regional_cred_verification_url", onlyThem, strictRange,
		"https://sts.{region}.amazonaws.com?Action=AssumeRole&Version=2011-06-15")
	add("aws", "credential_source.region_url", both, "", absent, "http://[fd00:ec2::254]/latest/meta-data/placement/region")
	add("aws", "credential_source.region_url", onlyThem, strictEmpty, "")
	add("aws", "credential_source.region_url", onlyThem, strictType, 1)
	for _, field := range []string{"region_url", "url", "imdsv2_session_token_url"} {
		add("aws", "credential_source."+field, onlyThem, foreignHost, "http://example.com/")
	}
	add("aws", "credential_source.url", both, "", absent)
	add("aws", "credential_source.imdsv2_session_token_url", both, "", absent)
	add("aws", "audience", onlyThem, strictRange, workforceAudience)
	add("aws", "aws_role_arn", both, "", "arn:aws:iam::123456789012:role/minter")
}

func addOfPeople(add adder) {
	for _, field := range []string{"refresh_token", "token_url", "client_id", "client_secret"} {
		add("login", field, neither, "", absent, "")
		add("login", field, onlyThem, strictType, 1)
	}
	add("login", "audience", both, "", absent)
	add("login", "revoke_url", both, "", "https://sts.googleapis.com/v1/revoke")
	for _, field := range []string{"token_url", "token_info_url", "revoke_url"} {
		add("login", field, onlyThem, foreignHost, "https://sts.example.com/v1/oauthtoken")
	}
	add("login", "expiry", both, "", "2026-01-02T03:04:05Z", "2026-01-02T03:04:05.678Z")
	add("login", "expiry", neither, "", "tomorrow", 1)
	add("login", "expiry", onlyThem, "a time without a zone is a guess; gcloud writes one with Z", "2026-01-02T03:04:05")
	add("login", "scopes", both, "", []string{cloudPlatform}, []string{}, cloudPlatform)
	add("login", "scopes", onlyThem, strictType, 1)
	add("login", "unknown_field", onlyThem, strictName, "x")
	add("login", "universe_domain", both, "", nil, "googleapis.com")
	add("login", "universe_domain", onlyThem, strictEmpty, "")
	add("login", "universe_domain", onlyThem, foreignHost, "u.example") // token_url is googleapis.com's
	for _, field := range []string{"refresh_token", "client_id", "client_secret"} {
		add("Google login", field, neither, "", absent)
		add("Google login", field, onlyThem, strictEmpty, "")
	}
	add("Google login", "token_uri", both, "", "https://oauth2.googleapis.com/token")
	add("Google login", "token_uri", onlyThem, foreignHost, "https://example.com/token")
	add("Google login", "account", both, "", absent, "a@example.com")
	add("impersonated", "source_credentials", both, "", googleLoginFile())
	add("impersonated", "source_credentials", neither, "", absent, nil, object{}, "x", object{"type": "service_account"})
	add("impersonated", "source_credentials", onlyUs, "credentials of any type may impersonate",
		jwtFile(object{"file": "/var/run/token"}), impersonatedFile(loginFile()))
	add("impersonated", "service_account_impersonation_url", neither, "", absent, "", "https://iamcredentials.googleapis.com/v1/")
	add("impersonated", "service_account_impersonation_url", onlyThem, foreignHost,
		"https://example.com/v1/projects/-/serviceAccounts/a@b.iam.gserviceaccount.com:generateAccessToken")
	add("impersonated", "delegates", both, "", absent, nil, []string{"a@p-roject.iam.gserviceaccount.com"})
	add("impersonated", "delegates", onlyThem, strictType, "a@p-roject.iam.gserviceaccount.com", []int{1})
	add("impersonated", "scopes", both, "", []string{cloudPlatform}, cloudPlatform)
	add("impersonated", "quota_project_id", both, "", "p", "")
	add("impersonated", "quota_project_id", onlyThem, strictType, 1)
	add("impersonated", "service_account_impersonation", both, "", object{"token_lifetime_seconds": 3600})
	add("impersonated", "unknown_field", onlyThem, strictName, "x")
}
