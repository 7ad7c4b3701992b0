package doctor

// keepDiagnoses are those of where a token is kept, and of the functions that keep it
// fresh.
var keepDiagnoses = [...]diagnosis{
	// The secret.
	{
		cause: "kms-denied", ofRole: true, checks: []string{checkRead}, codes: []string{"AccessDeniedException"}, text: textKMS,
		means: "the role may have the secret, but not the KMS key that it is encrypted with",
		fix: fixKMS + `
# The key's own policy has to let the account's roles, too:
aws kms get-key-policy --region {REGION} --key-id {KMS_KEY} --policy-name default --output text`,
	},
	{
		cause: "kms-key", checks: []string{checkRead, checkWrite}, codes: []string{"DecryptionFailure", "EncryptionFailure"},
		means: "KMS cannot use the secret's key: it is disabled, or about to be deleted",
		fix: `aws kms describe-key --region {REGION} --key-id {KMS_KEY} --query KeyMetadata.KeyState
# If it is PendingDeletion, cancel that first: aws kms cancel-key-deletion
aws kms enable-key --region {REGION} --key-id {KMS_KEY}`,
	},
	{
		cause: "read-denied", ofRole: true, checks: []string{checkRead}, codes: []string{"AccessDeniedException"},
		means: "the role may not read the secret; Secrets Manager says the same of a secret in another account",
		fix:   fixSecretPolicy,
	},
	{
		cause: "secret-deleted", checks: []string{checkRead, checkWrite}, codes: []string{"InvalidRequestException"},
		means: "the secret is scheduled for deletion",
		fix:   "aws secretsmanager restore-secret --region {REGION} --secret-id {SECRET}",
	},
	{
		cause: "secret-elsewhere", checks: []string{checkRead}, codes: []string{"secret-elsewhere"},
		means: "Secrets Manager's secrets are one region's, and the document is read in another",
		fix: `# Deploy the stack there, or keep the secret here.
sam build --parameter-overrides OVERRIDES
sam deploy --region {OTHER_REGION} --parameter-overrides OVERRIDES
# For a person: export AWS_REGION={OTHER_REGION}`,
	},
	{
		cause: "secret-missing", checks: []string{checkRead}, codes: []string{"secret-missing"},
		means: "nobody has made the secret, or somebody has deleted it, and the functions may not make one",
		fix: `# Or write "create_secrets": true into the document.
aws secretsmanager create-secret --region {REGION} --name {SECRET}`,
	},
	{
		cause: "secret-empty", checks: []string{checkRead}, codes: []string{"secret-empty"},
		means: "the secret is there and nothing was ever put into it: no run of the function has succeeded yet",
		fix: `# One run now, which says what is wrong:
` + fixInvoke,
	},
	{
		cause: "aws-refuses-key", checks: []string{checkRead}, codes: []string{"UnrecognizedClientException", "InvalidSignatureException", "IncompleteSignatureException", "MissingAuthenticationTokenException"},
		means: "Secrets Manager does not accept the credentials, for this region",
		fix: `# With the same credentials:
aws secretsmanager describe-secret --region {REGION} --secret-id {SECRET}`,
	},
	{
		cause: "read-fails", checks: []string{checkRead},
		means: "Secrets Manager does not hand out the secret for a reason that this table does not know",
		fix:   "aws secretsmanager describe-secret --region {REGION} --secret-id {SECRET}",
	},
	{
		cause: "kms-write-denied", ofRole: true, checks: []string{checkWrite}, codes: []string{"AccessDeniedException"}, text: textKMS,
		means: "the role may put values, but not encrypt them with the secret's KMS key",
		fix:   fixKMS,
	},
	{
		cause: "write-denied", ofRole: true, checks: []string{checkWrite}, codes: []string{"AccessDeniedException"},
		means: "the role may read the secret and not write it, so its token expires",
		fix:   fixSecretPolicy,
	},
	{
		cause: "too-many-versions", checks: []string{checkWrite}, codes: []string{"LimitExceededException"},
		means: "the secret has as many versions of the last 24 hours as Secrets Manager keeps: something writes it more than once in 10 minutes",
		fix: `# Stop the other writer, and wait a day. When it writes:
aws secretsmanager list-secret-version-ids --region {REGION} --secret-id {SECRET} --include-deprecated --query 'Versions[].CreatedDate'`,
	},
	{
		cause: "write-fails", checks: []string{checkWrite},
		means: "Secrets Manager takes no value for a reason that this table does not know",
		fix:   fixSimulate,
	},

	// The token in it.
	{
		cause: "paused", checks: []string{checkFresh}, codes: []string{"paused"},
		means: "a person has stopped the target: its secret holds no token, and both functions leave it alone",
		fix: `# When what it was paused for is over:
wifmint resume --secret {SECRET}`,
	},
	{
		cause: "malformed", checks: []string{checkFresh}, codes: []string{"malformed"},
		means: "what is in the secret is no stored token: somebody has written something else, or it was resumed and no run has followed; the next run of the function replaces it",
		fix: `# Who wrote it:
aws cloudtrail lookup-events --region {REGION} --lookup-attributes AttributeKey=ResourceName,AttributeValue='{SECRET_ARN}'
# One run now, which replaces it:
` + fixInvoke,
	},
	{
		cause: "other-identity", checks: []string{checkFresh}, codes: []string{"other-identity"},
		means: "the document was changed and no run has followed, or the function has another document than this one, or two targets share the secret",
		fix: `# One run now, which replaces it:
` + fixInvoke + `
# If it stays, the function has another document than this one, and has to be deployed with it.
` + fixDeploy,
	},
	{
		cause: "times-impossible", checks: []string{checkFresh}, codes: []string{"incredible"},
		means: "no token of Google's has such times: the clock of whoever wrote it was wrong; the next run replaces it",
		fix: `# One run now, which replaces it:
` + fixInvoke,
	},
	{
		cause: "expired", checks: []string{checkFresh}, codes: []string{"expired"},
		means: "the function has not succeeded for longer than a token lives: what fails above says why, or its schedule and its log do",
		fix: `wifmint doctor --function {FUNCTION}
# One run now, which says what is wrong:
` + fixInvoke,
	},
	{
		cause: "overdue", checks: []string{checkFresh}, codes: []string{"overdue"},
		means: "the token is still good, but at least three ticks have not replaced it: what fails above says why, or the function's schedule and its log do",
		fix: `wifmint doctor --function {FUNCTION}
# One run now, which says what is wrong:
` + fixInvoke,
	},

	// A deployed function, from outside.
	{
		cause: "function-unknown", checks: []string{checkFunction}, codes: []string{"ResourceNotFoundException"},
		means: "there is no function {FUNCTION} in {REGION}",
		fix: `aws lambda list-functions --region {REGION} --query 'Functions[].FunctionName'
# Of a stack: aws cloudformation describe-stacks --region {REGION} --stack-name wifmint --query 'Stacks[0].Outputs'`,
	},
	{
		cause: "function-denied", checks: []string{checkFunction}, codes: []string{"AccessDeniedException"},
		means: "whoever asks may not invoke the function",
		fix: `# Ask as somebody who has lambda:InvokeFunction on {FUNCTION}.
export AWS_PROFILE=PROFILE`,
	},
	{
		cause: "function-config", checks: []string{checkFunction}, codes: []string{"ConfigError"},
		means: "the function cannot start with its config document",
		fix: `# Which it is:
aws lambda get-function-configuration --region {REGION} --function-name {FUNCTION} --query Environment.Variables.WIFMINT_CONFIG --output text
# Correct it, and deploy again:
wifmint validate FILE
` + fixDeploy,
	},
	{
		cause: "function-old", checks: []string{checkFunction}, codes: []string{"EventError"},
		means: "the function does not know the event: it is of an older release, or is none of wifmint's",
		fix:   fixDeploy,
	},
	{
		cause: "function-fails", checks: []string{checkFunction},
		means: "the function could not be asked",
		fix: `aws lambda get-function --region {REGION} --function-name {FUNCTION} --query 'Configuration.[State,StateReason,LastUpdateStatus]'
` + fixLogs,
	},
	{
		cause: "schedule-disabled", checks: []string{checkSchedule}, codes: []string{"schedule-disabled"},
		means: "somebody has switched the function's schedule off: nothing is minted any more, and the tokens expire",
		fix: `# The same schedule as it is, with its State ENABLED, is for aws scheduler update-schedule.
aws scheduler get-schedule --region {REGION} --group-name {SCHEDULE_GROUP} --name {SCHEDULE}`,
	},
	{
		cause: "schedule-missing", checks: []string{checkSchedule}, codes: []string{"schedule-missing"},
		means: "no schedule of EventBridge Scheduler's invokes the function",
		fix: `# The stack has one.
` + fixDeploy + `
# If an EventBridge rule is in its place: aws events list-rule-names-by-target --region {REGION} --target-arn {FUNCTION_ARN}`,
	},
	{
		cause: "errors-logged", checks: []string{checkLog}, codes: []string{"errors-logged"},
		means: "runs have failed, and none since has gone well; with a LogLevel over INFO the log does not tell of those that did",
		fix:   fixLogs,
	},
	{
		cause: "unknown",
		means: "this is none of the causes that the doctor knows",
		fix:   "# Please report what was found: https://github.com/wifmint/wifmint/issues",
	},
}
