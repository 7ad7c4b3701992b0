package conformance_test

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

func updating() []contract {
	return []contract{
		{"an update with a value makes the current version", []step{
			{create("a", "one", 1), "v1"},
			{update("a", sm.UpdateSecretInput{SecretString: aws.String("two"), ClientRequestToken: version(2)}), "v2"},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT"},
		}},
		{"an update without a value makes no version", []step{
			{create("a", "one", 1), "v1"},
			{update("a", sm.UpdateSecretInput{Description: aws.String("for tests")}), "no version"},
			{describe("a"), `a "for tests" []`},
			{stages("a"), "v1=AWSCURRENT"},
		}},
		{"an update takes a token that is no version's", []step{
			{create("a", "one", 1), "v1"},
			{update("a", sm.UpdateSecretInput{SecretString: aws.String("two"), ClientRequestToken: version(1)}), exists},
			{update("a", sm.UpdateSecretInput{SecretString: aws.String("one"), ClientRequestToken: version(1)}), exists},
			{read("a"), "v1 AWSCURRENT one"},
		}},
		{"nothing is updated that is not there", []step{
			{update("a", sm.UpdateSecretInput{SecretString: aws.String("one"), ClientRequestToken: version(1)}), notFound},
		}},
	}
}

func deleting() []contract {
	force := sm.DeleteSecretInput{ForceDeleteWithoutRecovery: aws.Bool(true)}
	return []contract{
		{"a deleted secret is kept for 30 days, or for 7 to 30 as asked", []step{
			{create("a", "one", 1), "v1"},
			{create("b", "one", 1), "v1"},
			{remove("a", sm.DeleteSecretInput{}), "gone in 30 days"},
			{remove("b", sm.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(6)}), badParam},
			{remove("b", sm.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(31)}), badParam},
			{remove("b", sm.DeleteSecretInput{RecoveryWindowInDays: aws.Int64(7)}), "gone in 7 days"},
		}},
		{"a deleted secret is described and not used", []step{
			{create("a", "one", 1), "v1"},
			{remove("a", sm.DeleteSecretInput{}), "gone in 30 days"},
			{describe("a"), `a "" [] deleted`},
			{read("a"), badRequest},
			{put("a", "two", 2), badRequest},
			{update("a", sm.UpdateSecretInput{SecretString: aws.String("two"), ClientRequestToken: version(2)}), badRequest},
			{moveLabel("a", "mine", 0, 1), badRequest},
			{remove("a", sm.DeleteSecretInput{}), badRequest},
			{create("a", "two", 2), badRequest},
		}},
		{"a deleted secret can still be deleted by force", []step{
			{create("a", "one", 1), "v1"},
			{remove("a", sm.DeleteSecretInput{}), "gone in 30 days"},
			{remove("a", force), "gone in 0 days"},
			{describe("a"), notFound},
			{create("a", "two", 2), "v2"},
		}},
		{"a restored secret is as it was", []step{
			{create("a", "one", 1), "v1"},
			{remove("a", sm.DeleteSecretInput{}), "gone in 30 days"},
			{restore("a"), "done"},
			{describe("a"), `a "" []`},
			{read("a"), "v1 AWSCURRENT one"},
			{restore("b"), notFound},
		}},
		{"a secret that is deleted by force is gone at once, and is no error the next time", []step{
			{create("a", "one", 1), "v1"},
			{remove("a", force), "gone in 0 days"},
			{read("a"), notFound},
			{remove("a", force), "gone in 0 days"},
			{create("a", "two", 2), "v2"},
			{remove("b", sm.DeleteSecretInput{}), notFound},
		}},
		{"force has no recovery window", []step{
			{create("a", "one", 1), "v1"},
			{remove("a", sm.DeleteSecretInput{ForceDeleteWithoutRecovery: aws.Bool(true), RecoveryWindowInDays: aws.Int64(7)}), badParam},
		}},
	}
}

func listing() []contract {
	described := func(text string) func(*sm.CreateSecretInput) {
		return func(in *sm.CreateSecretInput) { in.Description = &text }
	}
	tagged := func(pairs ...string) func(*sm.CreateSecretInput) {
		return func(in *sm.CreateSecretInput) { in.Tags = tagsOf(pairs...) }
	}
	by := func(key types.FilterNameStringType, values ...string) call {
		return list(sm.ListSecretsInput{Filters: filter(key, values...)})
	}
	return []contract{
		{"a list has what is not deleted, and on request that too", []step{
			{create("a", "one", 1), "v1"},
			{create("b", "", 1), "no version"},
			{create("c", "one", 1), "v1"},
			{remove("c", sm.DeleteSecretInput{}), "gone in 30 days"},
			{list(sm.ListSecretsInput{}), "a b"},
			{list(sm.ListSecretsInput{IncludePlannedDeletion: aws.Bool(true)}), "a b c"},
		}},
		{"a filter is what a field begins with, or with ! does not", []step{
			{create("app/one", "one", 1, described("First of all"), tagged("team", "blue")), "v1"},
			{create("app/two", "one", 1, tagged("team", "red")), "v1"},
			{create("web/app", "one", 1), "v1"},
			{by(types.FilterNameStringTypeName, "app/"), "app/one app/two"},
			{by(types.FilterNameStringTypeName, "App/"), ""},
			{by(types.FilterNameStringTypeName, "!app/"), "web/app"},
			{by(types.FilterNameStringTypeName, "web", "app/o"), "app/one web/app"},
			{by(types.FilterNameStringTypeDescription, "First"), "app/one"},
			{by(types.FilterNameStringTypeTagKey, "te"), "app/one app/two"},
			{by(types.FilterNameStringTypeTagValue, "red"), "app/two"},
		}},
		{"a list has pages", []step{
			{create("a", "one", 1), "v1"},
			{create("b", "one", 1), "v1"},
			{create("c", "one", 1), "v1"},
			{listPages(2), "2 1"},
			{listPages(101), invalid},
		}},
		{"versions without a label are listed on request", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{put("a", "three", 3), "v3 AWSCURRENT"},
			{listVersions("a", false), "v2=AWSPREVIOUS v3=AWSCURRENT"},
			{listVersions("a", true), "v1= v2=AWSPREVIOUS v3=AWSCURRENT"},
			{listVersions("b", false), notFound},
		}},
	}
}

func tagging() []contract {
	many := func(n int) (pairs []string) {
		for i := range n {
			pairs = append(pairs, fmt.Sprintf("key-%02d", i), "v")
		}
		return pairs
	}
	return []contract{
		{"a tag is set, replaced and taken away", []step{
			{create("a", "one", 1, func(in *sm.CreateSecretInput) { in.Tags = tagsOf("team", "blue") }), "v1"},
			{tag("a", "team", "red", "stage", "test"), "done"},
			{describe("a"), `a "" [stage=test team=red]`},
			{untag("a", "team", "nothing"), "done"},
			{describe("a"), `a "" [stage=test]`},
		}},
		{"a secret has 50 tags at most", []step{
			{create("a", "one", 1), "v1"},
			{tag("a", many(50)...), "done"},
			{tag("a", "one-more", "v"), limit},
		}},
		{"nothing is tagged that is not there", []step{
			{tag("a", "team", "red"), notFound},
			{untag("a", "team"), notFound},
		}},
	}
}

func rotating() []contract {
	without := func(in *sm.RotateSecretInput) { in.RotationLambdaARN = nil }
	every := func(rules types.RotationRulesType) func(*sm.RotateSecretInput) {
		return func(in *sm.RotateSecretInput) { in.RotationRules = &rules }
	}
	return []contract{
		{"rotation needs a function", []step{
			{create("a", "one", 1), "v1"},
			{rotate("a", 2, without), badRequest},
			{stages("a"), "v1=AWSCURRENT"},
			{rotate("b", 2), notFound},
		}},
		{"rotation begins with an empty pending version", []step{
			{create("a", "one", 1), "v1"},
			{rotate("a", 2), "v2"},
			{stages("a"), "v1=AWSCURRENT v2=AWSPENDING"},
			{get("a", nil, "AWSPENDING"), notFound},
			{read("a"), "v1 AWSCURRENT one"},
			{describe("a"), `a "" [] rotation true`},
			{put("a", "two", 2, "AWSPENDING"), "v2 AWSPENDING"},
			{get("a", nil, "AWSPENDING"), "v2 AWSPENDING two"},
		}},
		{"rotation that was not finished keeps the next one out", []step{
			{create("a", "one", 1), "v1"},
			{rotate("a", 2), "v2"},
			{rotate("a", 3), badRequest},
			{stages("a"), "v1=AWSCURRENT v2=AWSPENDING"},
		}},
		{"rotation that was finished lets the next one in", []step{
			{create("a", "one", 1), "v1"},
			{rotate("a", 2), "v2"},
			{put("a", "two", 2, "AWSPENDING"), "v2 AWSPENDING"},
			{moveLabel("a", "AWSCURRENT", 1, 2), "done"},
			{rotate("a", 3), "v3"},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT v3=AWSPENDING"},
		}},
		{"rotation is refused with a token that is too short", []step{
			{create("a", "one", 1), "v1"},
			{rotate("a", 2, func(in *sm.RotateSecretInput) { in.ClientRequestToken = aws.String("short") }), invalid},
		}},
		{"rotation rules are days or a schedule, 1 to 1000 days", []step{
			{create("a", "one", 1), "v1"},
			{rotate("a", 2, every(types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1001)})), badParam},
			{rotate("a", 2, every(types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1), ScheduleExpression: aws.String("rate(12 hours)")})), badParam},
			{rotate("a", 2, every(types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1)})), "v2"},
		}},
		{"rotation later only tests the configuration, and leaves no pending version", []step{
			{create("a", "one", 1), "v1"},
			{rotate("a", 2, func(in *sm.RotateSecretInput) { in.RotateImmediately = aws.Bool(false) }), "v2"},
			{stages("a"), "v1=AWSCURRENT"},
		}},
		{"rotation that is cancelled is off, and its pending version stays", []step{
			{create("a", "one", 1), "v1"},
			{rotate("a", 2), "v2"},
			{cancelRotation("a"), "v2"},
			{describe("a"), `a "" [] rotation false`},
			{stages("a"), "v1=AWSCURRENT v2=AWSPENDING"},
		}},
		{"rotation of a deleted secret is refused", []step{
			{create("a", "one", 1), "v1"},
			{remove("a", sm.DeleteSecretInput{}), "gone in 30 days"},
			{rotate("a", 2), badRequest},
		}},
	}
}
