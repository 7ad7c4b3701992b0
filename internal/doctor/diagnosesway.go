package doctor

// wayDiagnoses are those of the way to a token. They are told apart from the top: what
// is more telling stands before what is more general.
//
// Google's texts are those of https://cloud.google.com/iam/docs/troubleshooting-workload-identity-federation
// and of public reports.
var wayDiagnoses = [...]diagnosis{
	// On the way, whoever is asked.
	{
		cause: "region-unknown", checks: []string{checkAWSSTS}, codes: []string{"region-unknown"},
		means: "there is no AWS STS of that name, while that of us-east-1 answers: {REGION} is no region of AWS's",
		fix: `# Set the region that the secrets are in; these are there:
aws ec2 describe-regions --region us-east-1 --query 'Regions[].RegionName'
export AWS_REGION=REGION`,
	},
	{
		cause: "no-dns", codes: []string{codeNameUnknown},
		means: "this network's DNS does not know the host: it has no way to the internet, or its resolver answers for some names only",
		fix: `# Give the function's VPC a NAT gateway, or a private endpoint of the host with a DNS name. To see what is answered:
dig +short sts.googleapis.com`,
	},
	{
		cause: "tls-intercepted", codes: []string{codeCertificate},
		means: "whoever answers there shows a certificate that this machine does not trust: most often a proxy that reads TLS, sometimes CA certificates that are too old or a clock that is years off",
		fix: `# See who it is. Then take these hosts out of the proxy's interception, since what passes is a signed identity,
# or trust its CA: export SSL_CERT_FILE=PROXY_CA.pem
openssl s_client -connect sts.googleapis.com:443 -servername sts.googleapis.com </dev/null | openssl x509 -noout -issuer`,
	},
	{
		cause: "no-answer", codes: []string{codeTimeout, codeUnreachable, "Timeout", "Unreachable"},
		means: "nothing answers there: a firewall, a security group without a way out, or a VPC without a NAT gateway or endpoint",
		fix: `# Let the function's security group out to port 443, and look at HTTPS_PROXY. To try:
curl -sS -o /dev/null -w '%{http_code}\n' https://sts.googleapis.com/v1/token`,
	},
	{
		cause: "function-throttled", checks: []string{checkFunction}, codes: []string{codeQuota},
		means: "Lambda has no room for the function now: its own concurrency or the account's is in use, or too many ask about it",
		fix: `# Ask again in a minute. If it stays, see docs/runbooks/throttles.md. The account's limit, and the function's own:
aws lambda get-account-settings --region {REGION} --query AccountLimit.ConcurrentExecutions
aws lambda get-function-concurrency --region {REGION} --function-name {FUNCTION}`,
	},
	{
		cause: "quota", codes: []string{codeQuota},
		means: "too many calls: Google allows a project 6,000 exchanges and 60,000 impersonations a minute, Secrets Manager an account 50 writes a second",
		fix: `# See who makes them, and spread them, or ask for more in the console under IAM & Admin, Quotas.
gcloud logging read 'protoPayload.serviceName="sts.googleapis.com"' --project={NUMBER} --limit=20`,
	},
	{
		cause: "ailing", codes: []string{codeUnavailable},
		means: "the service fails by itself, and stored tokens go on being good meanwhile",
		fix: `# Wait. Stored tokens stay good meanwhile.
# https://status.cloud.google.com and https://health.aws.amazon.com tell more.`,
	},
	{
		cause: "perimeter", text: textPerimeter,
		means: "a VPC Service Controls perimeter keeps this caller out",
		fix: `# Let {MEMBER} in by an ingress rule. The id in what was found finds the violation:
gcloud logging read 'protoPayload.metadata.vpcServiceControlsUniqueId="ID"' --project={NUMBER}`,
	},

	// The config document.
	{
		cause: "audience-project-id", checks: []string{checkConfig}, codes: []string{"audience-project-id"},
		means: "the audience has the project's id, and Google's STS knows projects by their numbers alone",
		fix: `# Write what this prints in place of {PROJECT_ID} in credentials.audience.
gcloud projects describe {PROJECT_ID} --format='value(projectNumber)'`,
	},
	{
		cause: "audience-pool", checks: []string{checkConfig}, codes: []string{"audience-pool"},
		means: "the audience is a pool, and Google's STS exchanges for a provider in one",
		fix: `# Add /providers/ and one of these to credentials.audience.
gcloud iam workload-identity-pools providers list --project={NUMBER} --location=global --workload-identity-pool={POOL} --format='value(name.basename())'`,
	},
	{
		cause: "config-invalid", checks: []string{checkConfig},
		means: "the functions refuse to start with this document",
		fix: `# Write what is asked for. All problems at once are told by
wifmint validate FILE`,
	},

	// AWS.
	{
		cause: "aws-no-credentials", codes: []string{codeNoCredential},
		means: "there are no AWS credentials here, or only half of them, or they have expired",
		fix: `# A function has them from its role, and none should be in its environment. For a person:
aws sso login`,
	},
	{
		cause: "aws-no-region", checks: []string{checkAWSRegion},
		means: "without a region there is no AWS STS to sign for, and no Secrets Manager",
		fix: `# The one that the secrets are in, such as eu-west-1:
export AWS_REGION=REGION`,
	},
	{
		cause: "clock-off", checks: []string{checkClock},
		means: "AWS refuses signatures that are more than 15 minutes old or early, so Google will say that AWS did; and stored expiries are wrong by as much",
		fix:   fixClock,
	},
	{
		cause: "clock-off", codes: []string{"SignatureDoesNotMatch", "InvalidSignatureException", "invalid_grant"}, text: textTooOld,
		means: "AWS refuses signatures that are more than some minutes old, and this one was",
		fix:   fixClock,
	},
	{
		cause: "clock-off", codes: []string{"SignatureDoesNotMatch", "InvalidSignatureException", "invalid_grant"}, text: textTooEarly,
		means: "AWS refuses signatures that are more than some minutes early, and this one was",
		fix:   fixClock,
	},
	{
		cause: "aws-assume-role", codes: []string{codeAssumeRole},
		means: "the document's aws_role_arn cannot be assumed: that role does not trust this identity, or this identity may not",
		fix: `# Have the role trust this identity, and this identity allowed sts:AssumeRole on it. To try:
aws sts assume-role --role-arn {AWS_ROLE_ARN} --role-session-name wifmint --query AssumedRoleUser`,
	},
	{
		cause: "aws-key-unknown", checks: []string{checkAWSIdentity, checkFunction}, codes: []string{"InvalidClientTokenId", "UnrecognizedClientException"},
		means: "AWS does not know the access key, or it came without its own session token; or {REGION} is a region that the account has to enable first",
		fix: `# Copy all three variables of one session anew, and try them:
aws sts get-caller-identity --region {REGION}
# A region that the account has to enable first:
aws account get-region-opt-status --region-name {REGION}`,
	},
	{
		cause: "aws-expired", checks: []string{checkAWSIdentity, checkRead, checkFunction}, codes: []string{"ExpiredToken", "ExpiredTokenException"},
		means: "the AWS credentials have expired",
		fix: `# A function gets its own, and none should be in its environment. For a person:
aws sso login`,
	},
	{
		cause: "aws-signature", checks: []string{checkAWSIdentity, checkFunction}, codes: []string{"SignatureDoesNotMatch", "InvalidSignatureException", "IncompleteSignature", "IncompleteSignatureException"},
		means: "the secret access key is not that of the access key, or something on the way changed the request",
		fix: `# Copy AWS_SECRET_ACCESS_KEY anew, without a line break, and try it:
aws sts get-caller-identity --region {REGION}`,
	},
	{
		cause: "aws-refused", checks: []string{checkAWSIdentity},
		means: "AWS STS does not answer as it should, so Google will not get an answer either",
		fix:   "aws sts get-caller-identity --region {REGION} --debug",
	},

	// The exchange.
	{
		cause: NotTheFunction, checks: []string{checkSTS, checkImpersonate, checkRead, checkWrite}, codes: []string{NotTheFunction},
		means: "{ARN} is refused: this is you, not the functions. Where only their roles are let in, as they should be, everyone else is told the same",
		fix: `# Change nothing for it. Ask both functions, which walk with their own roles:
wifmint doctor --function MINTER
wifmint doctor --function ROTATOR
# Their names are in the stack:
aws cloudformation describe-stacks --region {REGION} --stack-name wifmint --query 'Stacks[0].Outputs'`,
	},
	{
		cause: "sts-api-disabled", checks: []string{checkSTS}, text: textAPIDisabled,
		means: "the Security Token Service API is not enabled in the pool's project",
		fix: `gcloud services enable sts.googleapis.com --project={NUMBER}
# It takes minutes to work.`,
	},
	{
		cause: "provider-unknown", checks: []string{checkSTS}, codes: []string{"invalid_target"},
		means: "Google knows no provider {PROVIDER} in the pool {POOL} of project {NUMBER}, or it or the pool is disabled or deleted",
		fix: `# Write the one that is meant into credentials.audience, or enable or undelete it.
gcloud iam workload-identity-pools providers list --project={NUMBER} --location=global --workload-identity-pool={POOL} --show-deleted --format='table(name,state,disabled)'`,
	},
	{
		cause: "audience-form", checks: []string{checkSTS}, codes: []string{"invalid_request"}, text: `alue for "audience"`,
		means: "the audience is not the full resource name of a provider",
		fix: `# Write //iam.googleapis.com/ and what this prints into credentials.audience.
gcloud iam workload-identity-pools providers describe PROVIDER --project=PROJECT --location=global --workload-identity-pool=POOL --format='value(name)'`,
	},
	{
		cause: "provider-kind", checks: []string{checkSTS}, codes: []string{"invalid_request"}, text: "subject token type do not match",
		means: "{PROVIDER} is no AWS provider, and does not take AWS's signed requests",
		fix: `# Make one that does, and write it into credentials.audience.
gcloud iam workload-identity-pools providers create-aws OTHER_PROVIDER --project={NUMBER} --location=global --workload-identity-pool={POOL} --account-id={AWS_ACCOUNT}`,
	},
	{
		cause: "subject-too-long", ofRole: true, checks: []string{checkSTS}, text: "google.subject exceeds",
		means: "the mapping makes a google.subject of more than 127 bytes out of {ARN}",
		fix: `# The mapping as it is:
gcloud iam workload-identity-pools providers describe {PROVIDER} --project={NUMBER} --location=global --workload-identity-pool={POOL} --format='yaml(attributeMapping)'
# Map it to the role without the session, as wifmint setup google does. The whole mapping is replaced: write what
# else is mapped in place of OTHER_MAPPINGS, or take that away. What is bound to principal://…/subject/… is no more.
gcloud iam workload-identity-pools providers update-aws {PROVIDER} --project={NUMBER} --location=global --workload-identity-pool={POOL} --attribute-mapping="google.subject=` + roleExpression + `,attribute.aws_role=` + roleExpression + `,OTHER_MAPPINGS"`,
	},
	{
		cause: "condition-refuses", ofRole: true, checks: []string{checkSTS}, text: "rejected by the attribute condition",
		means: "the provider's attribute condition does not let {ARN} in",
		fix: `# The condition as it is:
gcloud iam workload-identity-pools providers describe {PROVIDER} --project={NUMBER} --location=global --workload-identity-pool={POOL} --format='value(attributeCondition)'
# If wifmint setup google made the provider, run it again, with the names of both functions' roles as they are now.
# Otherwise add this role to whom it lets in, and nobody is shut out:
gcloud iam workload-identity-pools providers update-aws {PROVIDER} --project={NUMBER} --location=global --workload-identity-pool={POOL} --attribute-condition="($(gcloud iam workload-identity-pools providers describe {PROVIDER} --project={NUMBER} --location=global --workload-identity-pool={POOL} --format='value(attributeCondition)')) || attribute.aws_role == '{ROLE}'"`,
	},
	{
		cause: "aws-expired-at-google", checks: []string{checkSTS}, codes: []string{"invalid_grant"}, text: "type ExpiredToken",
		means: "AWS tells Google that the credentials have expired: they did between two hops",
		fix: `# They did between two hops. Ask again with new ones:
aws sso login`,
	},
	{
		cause: "aws-refuses-google", checks: []string{checkSTS}, codes: []string{"invalid_grant"}, text: "invalid AWS response",
		means: "AWS refuses to Google what it accepted from here, or was not asked from here",
		fix: `# In a region that an account has to enable, the session has to come from that region's STS.
export AWS_STS_REGIONAL_ENDPOINTS=regional
aws sts get-caller-identity --region {REGION}`,
	},
	{
		cause: "request-form", checks: []string{checkSTS}, codes: []string{"invalid_grant"}, text: "invalid format",
		means: "Google does not take the signed request for one of GetCallerIdentity for this provider",
		fix: `# Leave regional_cred_verification_url as gcloud writes it:
# https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15`,
	},
	{
		cause: "account-not-trusted", ofRole: true, checks: []string{checkSTS}, codes: []string{"invalid_grant"},
		means: "AWS vouches for {ARN}, and Google does not take it: the provider trusts another AWS account than {AWS_ACCOUNT}",
		fix: `# It trusts:
gcloud iam workload-identity-pools providers describe {PROVIDER} --project={NUMBER} --location=global --workload-identity-pool={POOL} --format='value(aws.accountId)'
# A provider is for one account. For this one, make another, and write it into credentials.audience:
gcloud iam workload-identity-pools providers create-aws OTHER_PROVIDER --project={NUMBER} --location=global --workload-identity-pool={POOL} --account-id={AWS_ACCOUNT}`,
	},
	{
		cause: "mapping-refuses", ofRole: true, checks: []string{checkSTS}, codes: []string{"unauthorized_client"},
		means: "the provider's attribute mapping makes nothing of {ARN} that Google takes",
		fix:   "gcloud iam workload-identity-pools providers describe {PROVIDER} --project={NUMBER} --location=global --workload-identity-pool={POOL} --format='yaml(attributeMapping,attributeCondition)'",
	},
	{
		cause: "client-unknown", checks: []string{checkSTS}, codes: []string{"invalid_client"},
		means: "Google does not accept the OAuth client, which only workforce pools have",
		fix:   "# Take client_id and client_secret out of credentials.",
	},
	{
		cause: "not-google", codes: []string{"http_error", "redirected", "invalid_response"},
		means: "what answers there is not Google: a proxy, a captive portal, or a wrong token_url",
		fix: `# Leave token_url as gcloud writes it, https://sts.googleapis.com/v1/token, and take the host out of the proxy.
export NO_PROXY=.googleapis.com`,
	},
	{
		cause: "sts-refuses", checks: []string{checkSTS},
		means: "Google refuses the exchange for a reason that this table does not know",
		fix:   "gcloud iam workload-identity-pools providers describe {PROVIDER} --project={NUMBER} --location=global --workload-identity-pool={POOL}",
	},

	// Impersonation.
	{
		cause: "iam-api-disabled", checks: []string{checkImpersonate}, text: textAPIDisabled,
		means: "the IAM Service Account Credentials API is not enabled in the project that Google names",
		fix: `gcloud services enable iamcredentials.googleapis.com --project={NUMBER}
# That is the pool's project. If Google names another, enable it there too. It takes minutes to work.`,
	},
	{
		cause: "account-disabled", checks: []string{checkImpersonate}, codes: []string{"account-disabled"},
		means: "the service account is disabled, and nobody can have its tokens",
		fix:   "gcloud iam service-accounts enable {ACCOUNT} --project={ACCOUNT_PROJECT}",
	},
	{
		cause: "account-unknown", checks: []string{checkImpersonate}, codes: []string{"NOT_FOUND"},
		means: "there is no service account {ACCOUNT}; one that was deleted less than 30 days ago can be brought back",
		fix: `# Correct service_account of the target {TARGET}, or make the account. There are:
gcloud iam service-accounts list --project={ACCOUNT_PROJECT}`,
	},
	{
		cause: "delegate-first", ofRole: true, checks: []string{checkImpersonate}, codes: []string{"delegate-first"},
		means: "the federated identity may not act as {LINK}, the first of the delegates, or there is no such account, or it is disabled",
		fix: `gcloud iam service-accounts add-iam-policy-binding projects/-/serviceAccounts/{LINK} --role=roles/iam.serviceAccountTokenCreator --member={MEMBER} --condition=None
# It takes minutes to work.`,
	},
	{
		cause: "delegate-next", checks: []string{checkImpersonate}, codes: []string{"delegate-next"},
		means: "{LINK_MEMBER}, a delegate that is reached, may not act as {LINK}, or there is no such account, or it is disabled",
		fix: `gcloud iam service-accounts add-iam-policy-binding projects/-/serviceAccounts/{LINK} --role=roles/iam.serviceAccountTokenCreator --member=serviceAccount:{LINK_MEMBER} --condition=None
# It takes minutes to work.`,
	},
	{
		cause: "binding-missing", ofRole: true, checks: []string{checkImpersonate}, codes: []string{"PERMISSION_DENIED", "FAILED_PRECONDITION"},
		means: "{MEMBER} may not impersonate {ACCOUNT}; Google says the same where there is no such account",
		fix: `# Both functions' roles need it: the rotator impersonates with the minter's token.
gcloud iam service-accounts add-iam-policy-binding projects/-/serviceAccounts/{ACCOUNT} --role=roles/iam.workloadIdentityUser --member={MEMBER} --condition=None
# It takes minutes to work.`,
	},
	{
		cause: "lifetime-too-long", checks: []string{checkImpersonate}, codes: []string{"INVALID_ARGUMENT"}, text: "lifetime",
		means: "{ACCOUNT} may have tokens of an hour, and the target asks for {LIFETIME}",
		fix: `# Write "lifetime": "3600s" for the target {TARGET}, or let the account have more:
gcloud resource-manager org-policies allow constraints/iam.allowServiceAccountCredentialLifetimeExtension {ACCOUNT} --project={ACCOUNT_PROJECT}`,
	},
	{
		cause: "scope-unknown", codes: []string{"INVALID_ARGUMENT", "invalid_scope"},
		means: "Google knows no such scope, or audience",
		fix: `# Correct the target {TARGET}: scopes are written in full, such as https://www.googleapis.com/auth/cloud-platform.
# https://developers.google.com/identity/protocols/oauth2/scopes lists them.`,
	},
	{
		cause: "impersonation-refused", checks: []string{checkImpersonate},
		means: "Google refuses to impersonate for a reason that this table does not know",
		fix:   "gcloud iam service-accounts get-iam-policy {ACCOUNT} --project={ACCOUNT_PROJECT}",
	},
}

// roleExpression is that of internal/setup, whose script would find any other to
// differ; it is written here again since the functions need nothing else of setup.
const roleExpression = "assertion.arn.contains('assumed-role')" +
	" ? assertion.arn.extract('{account_arn}assumed-role/') + 'assumed-role/' + assertion.arn.extract('assumed-role/{role_name}/')" +
	" : assertion.arn"
