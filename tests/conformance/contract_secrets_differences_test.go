package conformance_test

// What several of the differences have in common.
const (
	lengthsSeen = "AWS answers it with ValidationException: kubernetes-sigs/cluster-api-provider-aws#1531 quotes one"
	noLabelRule = "a version that loses its last label is deprecated: only versions with labels are in VersionIdsToStages"
)

// motoDifferences are those of moto 5.2.5. In each of them pkg/fakecloud does
// what AWS does.
func motoDifferences() []difference {
	return []difference{
		{
			contract: "a creation's token has 32 to 64 characters",
			moto:     map[int]string{1: badParam, 2: badParam},
			seen:     lengthsSeen,
		},
		{
			contract: "a put's token has 32 to 64 characters",
			moto:     map[int]string{2: badParam, 3: badParam},
			seen:     lengthsSeen,
		},
		{
			contract: "rotation is refused with a token that is too short",
			moto:     map[int]string{2: badParam},
			seen:     lengthsSeen,
		},
		{
			contract: "a name has an alphabet and a length",
			moto:     map[int]string{3: "v1", 4: "v1", 5: "v1", 6: "v1"},
			rule:     "Name is 1 to 512 characters, of letters, digits and /_+=.@-",
			page:     "API_CreateSecret",
		},
		{
			contract: "a value has 1 to 65536 bytes",
			moto:     map[int]string{3: "v1", 4: "no version"},
			rule:     "SecretString is 1 to 65536 long",
			page:     "API_CreateSecret",
		},
		{
			contract: "a put has a value, of 65536 bytes at most",
			moto:     map[int]string{3: "v3 AWSCURRENT", 5: "v3 AWSCURRENT 65537 bytes"},
			rule:     "SecretString is 1 to 65536 long",
			page:     "API_PutSecretValue",
		},
		{
			contract: "a value is text or binary and not both",
			moto:     map[int]string{1: "v1"},
			rule:     "either SecretString or SecretBinary has a value, not both",
			page:     "API_CreateSecret",
		},
		{
			contract: "a put moves AWSCURRENT and AWSPREVIOUS follows it",
			moto:     map[int]string{5: "v1= v2=AWSPREVIOUS v3=AWSCURRENT"},
			rule:     noLabelRule,
			page:     "API_DescribeSecret",
		},
		{
			contract: "a label sits on one version",
			moto:     map[int]string{4: "v1=AWSCURRENT v2= v3=mine+other"},
			rule:     noLabelRule,
			page:     "API_DescribeSecret",
		},
		{
			contract: "the next current version takes AWSPENDING from the last",
			moto:     map[int]string{7: "v1= v2=AWSPREVIOUS v3=AWSCURRENT+AWSPENDING"},
			rule:     noLabelRule,
			page:     "API_DescribeSecret",
		},
		{
			contract: "a secret has 20 labels at most",
			moto:     map[int]string{3: "v3 one-more", 4: "v4 21 labels"},
			rule:     "VersionStages has 1 to 20 entries, and a secret 20 labels over all its versions (quotas)",
			page:     "API_PutSecretValue",
		},
		{
			contract: "a partial ARN that ends like a whole one finds nothing",
			moto:     map[int]string{3: "v1 AWSCURRENT one"},
			rule:     "a partial ARN that ends in a hyphen and six characters is taken for a complete one",
			page:     "user guide, troubleshoot, ARN_secretnamehyphen",
		},
		{
			contract: "a batch is a list or a filter, of 20 at most",
			moto:     map[int]string{6: "", 7: "21 results"},
			rule:     "either Filters or SecretIdList is there, and the list has 1 to 20 entries",
			page:     "API_BatchGetSecretValue",
		},
		{
			contract: "a batch tells of a deleted secret and of one without a value",
			moto:     map[int]string{4: notFound},
			rule:     "what cannot be retrieved is told in Errors, for each secret of its own",
			page:     "API_BatchGetSecretValue",
		},
		{
			contract: "AWSCURRENT is never taken away",
			moto:     map[int]string{2: "done", 3: "v1=AWSPREVIOUS"},
			rule:     "AWSCURRENT is moved to another version and never removed",
			page:     "API_UpdateSecretVersionStage",
		},
		{
			contract: "a rollback makes the newer version the previous one",
			moto:     map[int]string{5: "v2 AWSPREVIOUS two"},
			rule:     "without VersionId and VersionStage it is the version with AWSCURRENT that is returned",
			page:     "API_GetSecretValue",
		},
		{
			contract: "a version that stops being current is not pending either",
			moto:     map[int]string{5: "v1=AWSPREVIOUS v2=AWSCURRENT+AWSPENDING v3=AWSCURRENT"},
			rule:     "a put without VersionStages moves AWSCURRENT from the version that has it, and AWSPREVIOUS to that; moto leaves it there when labels were moved before",
			page:     "API_PutSecretValue",
		},
		{
			contract: "a label of one's own is moved by naming where it is",
			moto:     map[int]string{3: "done", 4: "done"},
			rule:     "if the label is attached, RemoveFromVersionId has to be the version that it is on",
			page:     "API_UpdateSecretVersionStage",
		},
		{
			contract: "a label does not go to a version that is not there",
			moto:     map[int]string{2: badParam, 3: badParam, 4: "v1="},
			rule:     "a resource that is not found is a ResourceNotFoundException; what fails changes nothing, while moto has taken AWSCURRENT off",
			page:     "API_UpdateSecretVersionStage",
		},
		{
			contract: "an update takes a token that is no version's",
			moto:     map[int]string{3: "v1"},
			rule:     "a ClientRequestToken that is the id of a version is an error, whatever the value",
			page:     "API_UpdateSecret",
		},
		{
			contract: "a deleted secret is described and not used",
			moto:     map[int]string{5: "v2 AWSCURRENT", 6: "v2", 7: "done", 9: "v2"},
			rule:     "an operation on a secret that is scheduled for deletion is an InvalidRequestException",
			page:     "API_PutSecretValue",
		},
		{
			contract: "a list has pages",
			moto:     map[int]string{5: "3"},
			rule:     "MaxResults is 1 to 100",
			page:     "API_ListSecrets",
		},
		{
			contract: "versions without a label are listed on request",
			moto:     map[int]string{4: "v1= v2=AWSPREVIOUS v3=AWSCURRENT", 6: "an answer that is not Secrets Manager's"},
			rule:     "without IncludeDeprecated versions without labels are left out; a secret that is not there is a ResourceNotFoundException, and moto fails with status 500",
			page:     "API_ListSecretVersionIds",
		},
		{
			contract: "a secret has 50 tags at most",
			moto:     map[int]string{3: "done"},
			rule:     "a secret has at most 50 tags",
			page:     "API_TagResource",
		},
		{
			contract: "rotation needs a function",
			moto:     map[int]string{2: "v2", 3: "v1=AWSPREVIOUS v2=AWSCURRENT"},
			rule:     "a secret is rotated by the function that it is configured with, or that RotationLambdaARN names",
			page:     "API_RotateSecret",
		},
		{
			contract: "rotation begins with an empty pending version",
			moto:     map[int]string{5: notFound, 6: `a "" [] rotation false`},
			rule:     "RotateSecret turns rotation on, and until it ends the current version is the old one; moto reads the empty one",
			page:     "API_RotateSecret",
		},
		{
			contract: "rotation that was not finished keeps the next one out",
			moto:     map[int]string{3: "v3", 4: "v1=AWSCURRENT v2= v3=AWSPENDING"},
			rule:     "if AWSPENDING is there and not on the version of AWSCURRENT, a rotation is taken to be in progress and the next is an error",
			page:     "API_RotateSecret",
		},
		{
			contract: "rotation that was finished lets the next one in",
			moto:     map[int]string{5: badRequest, 6: "v1=AWSPREVIOUS v2=AWSCURRENT+AWSPENDING"},
			rule:     "after a rotation AWSPENDING may be on the version of AWSCURRENT; that is no rotation in progress",
			page:     "API_RotateSecret",
		},
		{
			contract: "rotation rules are days or a schedule, 1 to 1000 days",
			moto:     map[int]string{3: "v2"},
			rule:     "AutomaticallyAfterDays and ScheduleExpression are not set both",
			page:     "API_RotationRulesType",
		},
		{
			contract: "rotation later only tests the configuration, and leaves no pending version",
			moto:     map[int]string{2: "v1", 3: "v1=AWSCURRENT v2=AWSPENDING"},
			rule:     "without RotateImmediately the configuration is tested by testSecret on an AWSPENDING version that is then removed",
			page:     "API_RotateSecret",
		},
	}
}
