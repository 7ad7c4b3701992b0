package conformance_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	sm "github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// The codes of the refusals.
const (
	exists     = "ResourceExistsException"
	notFound   = "ResourceNotFoundException"
	badRequest = "InvalidRequestException"
	badParam   = "InvalidParameterException"
	invalid    = "ValidationException"
	limit      = "LimitExceededException"
)

func secretsContract() []contract {
	var all []contract
	for _, some := range [][]contract{creating(), putting(), reading(), labelling(), updating(), deleting(), listing(), tagging(), rotating()} {
		all = append(all, some...)
	}
	return all
}

// longest is a value of the most bytes that a secret may have.
var longest = strings.Repeat("x", 65536)

func creating() []contract {
	named := func(in sm.CreateSecretInput) call {
		return func(v *vault) (string, error) {
			out, err := v.CreateSecret(v.ctx, &in)
			if err != nil {
				return "", err
			}
			return versionName(out.VersionId), nil
		}
	}
	return []contract{
		{"a new secret's first version is current", []step{
			{create("a", "one", 1), "v1"},
			{stages("a"), "v1=AWSCURRENT"},
			{read("a"), "v1 AWSCURRENT one"},
		}},
		{"a secret may be created without a value", []step{
			{create("a", "", 1), "no version"},
			{stages("a"), "no version"},
			{read("a"), notFound},
			{put("a", "one", 2), "v2 AWSCURRENT"},
			{read("a"), "v2 AWSCURRENT one"},
		}},
		{"a name is used once", []step{
			{create("a", "one", 1), "v1"},
			{create("a", "one", 2), exists},
			{create("a", "", 3), exists},
			{stages("a"), "v1=AWSCURRENT"},
		}},
		{"creating the same again with the same token is no error", []step{
			{create("a", "one", 1), "v1"},
			{create("a", "one", 1), "v1"},
			{create("a", "two", 1), exists},
			{read("a"), "v1 AWSCURRENT one"},
		}},
		{"a creation's token has 32 to 64 characters", []step{
			{named(sm.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("one"), ClientRequestToken: aws.String(strings.Repeat("t", 31))}), invalid},
			{named(sm.CreateSecretInput{Name: aws.String("b"), SecretString: aws.String("one"), ClientRequestToken: aws.String(strings.Repeat("t", 65))}), invalid},
			{named(sm.CreateSecretInput{Name: aws.String("c"), SecretString: aws.String("one"), ClientRequestToken: aws.String(strings.Repeat("t", 32))}), strings.Repeat("t", 32)},
			{named(sm.CreateSecretInput{Name: aws.String("d"), SecretString: aws.String("one"), ClientRequestToken: aws.String(strings.Repeat("t", 64))}), strings.Repeat("t", 64)},
		}},
		{"a name has an alphabet and a length", []step{
			{create("/_+=.@-aB9", "one", 1), "v1"},
			{create(strings.Repeat("n", 512), "one", 1), "v1"},
			{create("a b", "one", 1), invalid},
			{create("a:b", "one", 1), invalid},
			{create("", "one", 1), invalid},
			{create(strings.Repeat("n", 513), "one", 1), invalid},
		}},
		{"a value has 1 to 65536 bytes", []step{
			{create("a", longest, 1), "v1"},
			{read("a"), "v1 AWSCURRENT 65536 bytes"},
			{create("b", longest+"x", 1), invalid},
			{named(sm.CreateSecretInput{Name: aws.String("c"), SecretString: aws.String(""), ClientRequestToken: version(1)}), invalid},
		}},
		{"a value is text or binary and not both", []step{
			{named(sm.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("one"), SecretBinary: []byte("one"), ClientRequestToken: version(1)}), badParam},
			{named(sm.CreateSecretInput{Name: aws.String("b"), SecretBinary: []byte("\x00\xff"), ClientRequestToken: version(1)}), "v1"},
			{read("b"), `v1 AWSCURRENT binary "\x00\xff"`},
		}},
	}
}

func putting() []contract {
	untold := func(id string) call { return putInput(id, sm.PutSecretValueInput{ClientRequestToken: version(2)}) }
	manyLabels := func(n int) (l []string) {
		for i := range n {
			l = append(l, fmt.Sprintf("label-%02d", i))
		}
		return l
	}
	return []contract{
		{"a put moves AWSCURRENT and AWSPREVIOUS follows it", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT"},
			{put("a", "three", 3), "v3 AWSCURRENT"},
			{stages("a"), "v2=AWSPREVIOUS v3=AWSCURRENT"},
		}},
		{"the same put twice is one", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT"},
		}},
		{"a token is that of one value", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{put("a", "other", 2), exists},
			{put("a", "other", 1), exists},
			{read("a"), "v2 AWSCURRENT two"},
		}},
		{"an old put that is repeated does not become current again", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{put("a", "one", 1), "v1 AWSPREVIOUS"},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT"},
		}},
		{"a text and a binary of the same bytes are two values", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{putInput("a", sm.PutSecretValueInput{SecretBinary: []byte("two"), ClientRequestToken: version(2)}), exists},
		}},
		{"a put's token has 32 to 64 characters", []step{
			{create("a", "one", 1), "v1"},
			{putInput("a", sm.PutSecretValueInput{SecretString: aws.String("two"), ClientRequestToken: aws.String(strings.Repeat("t", 31))}), invalid},
			{putInput("a", sm.PutSecretValueInput{SecretString: aws.String("two"), ClientRequestToken: aws.String(strings.Repeat("t", 65))}), invalid},
			{stages("a"), "v1=AWSCURRENT"},
		}},
		{"a put has a value, of 65536 bytes at most", []step{
			{create("a", "one", 1), "v1"},
			{put("a", longest, 2), "v2 AWSCURRENT"},
			{put("a", longest+"x", 3), invalid},
			{untold("a"), badRequest},
			{read("a"), "v2 AWSCURRENT 65536 bytes"},
		}},
		{"a put under a label of its own leaves AWSCURRENT alone", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2, "AWSPENDING"), "v2 AWSPENDING"},
			{stages("a"), "v1=AWSCURRENT v2=AWSPENDING"},
			{read("a"), "v1 AWSCURRENT one"},
			{get("a", nil, "AWSPENDING"), "v2 AWSPENDING two"},
		}},
		{"a label sits on one version", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2, "mine"), "v2 mine"},
			{put("a", "three", 3, "mine", "other"), "v3 mine+other"},
			{stages("a"), "v1=AWSCURRENT v3=mine+other"},
			{get("a", nil, "mine"), "v3 mine+other three"},
		}},
		{"a secret has 20 labels at most", []step{
			{create("a", "", 1), "no version"},
			{put("a", "two", 2, append(manyLabels(19), "AWSCURRENT")...), "v2 20 labels"},
			{put("a", "three", 3, "one-more"), limit},
			{put("a", "four", 4, manyLabels(21)...), invalid},
		}},
		{"nothing is put into a secret that is not there", []step{
			{put("a", "one", 1), notFound},
		}},
	}
}

func reading() []contract {
	return []contract{
		{"a version is read by its label and by its id", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{get("a", nil, "AWSCURRENT"), "v2 AWSCURRENT two"},
			{get("a", nil, "AWSPREVIOUS"), "v1 AWSPREVIOUS one"},
			{get("a", version(1), ""), "v1 AWSPREVIOUS one"},
			{get("a", version(1), "AWSPREVIOUS"), "v1 AWSPREVIOUS one"},
		}},
		{"an id and a label have to be of the same version", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{get("a", version(1), "AWSCURRENT"), badRequest},
		}},
		{"a version that is not there is not found", []step{
			{create("a", "one", 1), "v1"},
			{get("a", version(9), ""), notFound},
			{get("a", nil, "AWSPREVIOUS"), notFound},
			{get("a", nil, "mine"), notFound},
			{read("b"), notFound},
		}},
		{"a version without a label is read by its id", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{put("a", "three", 3), "v3 AWSCURRENT"},
			{get("a", version(1), ""), "v1  one"},
		}},
		{"an ARN finds its secret, whole and without its six last characters", []step{
			{create("a/b", "one", 1), "v1"},
			{read("ARN of a/b"), "v1 AWSCURRENT one"},
			{read("partial ARN of a/b"), "v1 AWSCURRENT one"},
			{put("ARN of a/b", "two", 2), "v2 AWSCURRENT"},
			{put("partial ARN of a/b", "three", 3), "v3 AWSCURRENT"},
			{describe("partial ARN of a/b"), `a/b "" []`},
		}},
		{"a partial ARN that ends like a whole one finds nothing", []step{
			{create("a-AbCdEf", "one", 1), "v1"},
			{read("ARN of a-AbCdEf"), "v1 AWSCURRENT one"},
			{read("partial ARN of a-AbCdEf"), notFound},
		}},
		{"a batch reads what there is and tells what there is not", []step{
			{create("a", "one", 1), "v1"},
			{create("b", "two", 1), "v1"},
			{batchOf("a", "b"), "a=one, b=two"},
			{batchOf("a", "gone"), "a=one, gone ResourceNotFoundException"},
			{batchOf("gone"), "gone ResourceNotFoundException"},
		}},
		{"a batch is a list or a filter, of 20 at most", []step{
			{create("a", "one", 1), "v1"},
			{create("b", "two", 1), "v1"},
			{batch(sm.BatchGetSecretValueInput{Filters: filter(types.FilterNameStringTypeName, "b")}), "b=two"},
			{batch(sm.BatchGetSecretValueInput{SecretIdList: []string{"a"}, Filters: filter(types.FilterNameStringTypeName, "b")}), badParam},
			{batch(sm.BatchGetSecretValueInput{SecretIdList: []string{"a"}, MaxResults: aws.Int32(1)}), badParam},
			{batch(sm.BatchGetSecretValueInput{}), badParam},
			{batchOf(slices.Repeat([]string{"gone"}, 21)...), invalid},
		}},
		{"a batch tells of a deleted secret and of one without a value", []step{
			{create("a", "one", 1), "v1"},
			{create("b", "", 1), "no version"},
			{remove("a", sm.DeleteSecretInput{}), "gone in 30 days"},
			{batchOf("a", "b"), "a InvalidRequestException, b ResourceNotFoundException"},
		}},
	}
}

func labelling() []contract {
	return []contract{
		{"AWSCURRENT is moved by naming where it is", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2, "AWSPENDING"), "v2 AWSPENDING"},
			{moveLabel("a", "AWSCURRENT", 0, 2), badParam},
			{moveLabel("a", "AWSCURRENT", 2, 2), badParam},
			{stages("a"), "v1=AWSCURRENT v2=AWSPENDING"},
			{moveLabel("a", "AWSCURRENT", 1, 2), "done"},
			{moveLabel("a", "AWSCURRENT", 1, 2), badParam},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT+AWSPENDING"},
		}},
		{"AWSCURRENT is never taken away", []step{
			{create("a", "one", 1), "v1"},
			{moveLabel("a", "AWSCURRENT", 1, 0), badParam},
			{stages("a"), "v1=AWSCURRENT"},
		}},
		{"a rollback makes the newer version the previous one", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{moveLabel("a", "AWSCURRENT", 2, 1), "done"},
			{stages("a"), "v1=AWSCURRENT v2=AWSPREVIOUS"},
			{read("a"), "v1 AWSCURRENT one"},
		}},
		{"the next current version takes AWSPENDING from the last", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2, "AWSPENDING"), "v2 AWSPENDING"},
			{moveLabel("a", "AWSCURRENT", 1, 2), "done"},
			{put("a", "three", 3, "AWSPENDING"), "v3 AWSPENDING"},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT v3=AWSPENDING"},
			{moveLabel("a", "AWSCURRENT", 2, 3), "done"},
			{stages("a"), "v2=AWSPREVIOUS v3=AWSCURRENT+AWSPENDING"},
		}},
		{"a version that stops being current is not pending either", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2, "AWSPENDING"), "v2 AWSPENDING"},
			{moveLabel("a", "AWSCURRENT", 1, 2), "done"},
			{put("a", "three", 3), "v3 AWSCURRENT"},
			{stages("a"), "v2=AWSPREVIOUS v3=AWSCURRENT"},
		}},
		{"a label of one's own is attached, moved and taken away", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2), "v2 AWSCURRENT"},
			{moveLabel("a", "mine", 0, 1), "done"},
			{moveLabel("a", "mine", 1, 2), "done"},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT+mine"},
			{moveLabel("a", "mine", 2, 0), "done"},
			{stages("a"), "v1=AWSPREVIOUS v2=AWSCURRENT"},
		}},
		{"a label of one's own is moved by naming where it is", []step{
			{create("a", "one", 1), "v1"},
			{put("a", "two", 2, "mine"), "v2 mine"},
			{moveLabel("a", "mine", 0, 1), badParam},
			{moveLabel("a", "mine", 1, 1), badParam},
		}},
		{"a label does not go to a version that is not there", []step{
			{create("a", "one", 1), "v1"},
			{moveLabel("a", "mine", 0, 9), notFound},
			{moveLabel("a", "AWSCURRENT", 1, 9), notFound},
			{stages("a"), "v1=AWSCURRENT"},
		}},
	}
}
