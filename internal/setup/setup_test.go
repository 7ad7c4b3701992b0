package setup

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/jsondoc"
)

const (
	minterARN  = "arn:aws:sts::111122223333:assumed-role/wifmint-MinterRole-1ABCDEFGHIJK"
	rotatorARN = "arn:aws:sts::111122223333:assumed-role/wifmint-RotatorRole-1ABCDEFGHIJK"
)

// google are the flags of a whole Google side.
var google = map[string]string{
	"project-id":      "demo-project",
	"project-number":  "123456789012",
	"minter-role":     minterARN,
	"rotator-role":    rotatorARN,
	"service-account": "reports@demo-project.iam.gserviceaccount.com,storage@other.iam.gserviceaccount.com",
	"project-role":    "roles/storage.objectViewer",
}

// with is the flags with one of them changed.
func with(flags map[string]string, flag, value string) map[string]string {
	flags = maps.Clone(flags)
	flags[flag] = value
	return flags
}

func fill(t *testing.T, questions []Question, flags map[string]string) Answers {
	t.Helper()
	a, err := Fill(questions, flags, nil)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestFlagsBecomeAnswers(t *testing.T) {
	t.Parallel()
	want := Answers{
		ProjectID: "demo-project", ProjectNumber: "123456789012", Pool: "wifmint", Provider: "lambda", AWSAccount: "111122223333",
		MinterRole: "wifmint-MinterRole-1ABCDEFGHIJK", RotatorRole: "wifmint-RotatorRole-1ABCDEFGHIJK",
		ServiceAccounts: []string{"reports@demo-project.iam.gserviceaccount.com", "storage@other.iam.gserviceaccount.com"},
		ProjectRoles:    []string{"roles/storage.objectViewer"},
	}
	if diff := cmp.Diff(want, fill(t, GoogleQuestions(), google)); diff != "" {
		t.Error(diff)
	}
}

func TestARoleIsTakenInEveryFormThatAWSShowsItIn(t *testing.T) {
	t.Parallel()
	for _, form := range []string{
		"arn:aws:sts::111122223333:assumed-role/mint",
		"arn:aws:sts::111122223333:assumed-role/mint/function",
		"arn:aws:iam::111122223333:role/mint",
		"arn:aws:iam::111122223333:role/teams/data/mint", // AWS tells Google no path
		"mint",
	} {
		a := fill(t, GoogleQuestions(), with(with(google, "minter-role", form), "aws-account", "111122223333"))
		if a.MinterRole != "mint" || a.AWSAccount != "111122223333" {
			t.Errorf("%s: the role is %q of account %q", form, a.MinterRole, a.AWSAccount)
		}
	}
}

func TestWhatGoogleOrAWSWouldRefuseIsRefused(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct{ name, flag, value, want string }{
		{"a project id for the number", "project-number", "demo-project", `gcloud projects describe demo-project --format="value(projectNumber)"`},
		{"a number for the project id", "project-id", "123456789012", "its number goes into --project-number"},
		{"a project id with capitals", "project-id", "Demo-Project", "write the project's id"},
		{"a pool for the provider", "provider", "projects/1/locations/global/workloadIdentityPools/wifmint", "this is a pool"},
		{"a resource name for the pool", "pool", "projects/1/locations/global/workloadIdentityPools/wifmint", "id alone"},
		{"a pool of three characters", "pool", "aws", "4 to 32"},
		{"a pool of 33 characters", "pool", strings.Repeat("a", 33), "4 to 32"},
		{"a pool with capitals", "pool", "Wifmint", "4 to 32"},
		{"a pool of Google's own", "pool", "gcp-pool", "Google keeps"},
		{"a provider of Google's own", "provider", "gcp-lambda", "Google keeps"},
		{"a pool that gcloud takes for a flag", "pool", "--quiet", "the first no '-'"},
		{"an account of 11 digits", "aws-account", "11112222333", "12 digits"},
		{"an account with hyphens", "aws-account", "1111-2222-3333", "12 digits"},
		{"another account than the role's", "aws-account", "444455556666", "the account of the role"},
		{"a Google project for the account", "aws-account", "123456789012", "the number of the Google project"},
		{"a role with a path", "minter-role", "teams/data/mint", "without its path"},
		{"a user for the role", "minter-role", "arn:aws:iam::111122223333:user/mint", "the name or ARN of the role"},
		{"a function for the role", "minter-role", "arn:aws:lambda:eu-west-1:111122223333:function:mint", "the name or ARN of the role"},
		{"a role of 65 characters", "minter-role", strings.Repeat("r", 65), "the name or ARN of the role"},
		{"a role of GovCloud", "minter-role", "arn:aws-us-gov:sts::111122223333:assumed-role/mint", "arn:aws:"},
		{"a role of no account", "minter-role", "arn:aws:iam::1:role/mint", "the name or ARN of the role"},
		{"roles of two accounts", "rotator-role", "arn:aws:iam::444455556666:role/rotate", "a role of AWS account 111122223333"},
		{"one role for both functions", "rotator-role", minterARN, "the rotator's own role"},
		{"no rotator for the service accounts", "rotator-role", "", "RotatorAssumedRole"},
		{"a person for the service account", "service-account", "me@example.com", `"me@example.com" is none`},
		{"a command for the service account", "service-account", "$(id)@p.iam.gserviceaccount.com", "is none"},
		{"a service account that gcloud takes for a flag", "service-account", "--help@p.iam.gserviceaccount.com", "is none"},
		{"a role of another kind", "project-role", "storage.objectViewer", "is none"},
		{"a role of nothing", "project-role", "folders/1/roles/reader", "is none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := Fill(GoogleQuestions(), with(google, tt.flag, tt.value), nil)
			var problems jsondoc.Problems
			if !errors.As(err, &problems) || len(problems) != 1 || problems[0].Path != "--"+tt.flag || !strings.Contains(problems[0].Want, tt.want) {
				t.Errorf("got: %v", err)
			}
		})
	}
}

func TestWhatAStackCannotHoldIsRefused(t *testing.T) {
	t.Parallel()
	flags := map[string]string{"project-number": "123456789012", "service-account": "a.b@p.iam.gserviceaccount.com"}
	for _, tt := range []struct{ name, flag, value, want string }{
		{"emails that differ in punctuation", "service-account", "a.b@p.iam.gserviceaccount.com a-b@p.iam.gserviceaccount.com", "punctuation only"},
		{"rotating another account", "rotate", "c@p.iam.gserviceaccount.com", "is none of them"},
		{"an architecture of another maker", "architecture", "amd64", "write arm64 or x86_64"},
	} {
		_, err := Fill(AWSQuestions(), with(flags, tt.flag, tt.value), nil)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestMissingFlagsAreNamedAllAtOnce(t *testing.T) {
	t.Parallel()
	_, err := Fill(GoogleQuestions(), map[string]string{"pool": "x", "service-account": "a@p.iam.gserviceaccount.com"}, nil)
	var problems jsondoc.Problems
	if !errors.As(err, &problems) {
		t.Fatal(err)
	}
	var flags []string
	for _, p := range problems {
		flags = append(flags, p.Path)
	}
	if diff := cmp.Diff([]string{"--pool", "--project-id", "--project-number", "--minter-role", "--rotator-role"}, flags); diff != "" {
		t.Error(diff)
	}
}

// person answers questions by flag, the first answer first.
type person struct {
	answers map[string][]string
	asked   []string
}

func (p *person) ask(q Question, wrong string) (string, error) {
	p.asked = append(p.asked, strings.TrimSuffix(q.Flag+": "+wrong, ": "))
	if len(p.asked) > 100 {
		return "", errors.New("asked without end")
	}
	if len(p.answers[q.Flag]) == 0 {
		return "", nil
	}
	next := p.answers[q.Flag][0]
	p.answers[q.Flag] = p.answers[q.Flag][1:]
	return next, nil
}

func TestAPersonIsAskedForTheRest(t *testing.T) {
	t.Parallel()
	p := &person{answers: map[string][]string{
		"project-number": {"demo-project", " 123456789012 "},
		"minter-role":    {"mint"},
		"aws-account":    {"111122223333"},
	}}
	a, err := Fill(GoogleQuestions(), map[string]string{"project-id": "demo-project"}, p.ask)
	if err != nil {
		t.Fatal(err)
	}
	want := Answers{ProjectID: "demo-project", ProjectNumber: "123456789012", Pool: "wifmint", Provider: "lambda", AWSAccount: "111122223333", MinterRole: "mint"}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	asked := []string{
		"project-number",
		"project-number: write the project's number, which `gcloud projects describe demo-project --format=\"value(projectNumber)\"` prints",
		"pool", "provider", "minter-role", "service-account",
		"aws-account", // since a name tells none; and no rotator-role, without service accounts
		"project-role",
	}
	if diff := cmp.Diff(asked, p.asked); diff != "" {
		t.Error(diff)
	}
}

func TestNobodyIsAskedForWhatTheFlagsSay(t *testing.T) {
	t.Parallel()
	p := &person{}
	if _, err := Fill(GoogleQuestions(), google, p.ask); err != nil || p.asked != nil {
		t.Errorf("asked %q, %v", p.asked, err)
	}
	// A wrong flag is told, whoever could be asked.
	if _, err := Fill(GoogleQuestions(), map[string]string{"pool": "x"}, p.ask); err == nil || p.asked != nil {
		t.Errorf("asked %q, %v", p.asked, err)
	}
}

func TestTheLongestSubjectIsOneThatGoogleTakes(t *testing.T) {
	t.Parallel()
	a := fill(t, GoogleQuestions(), with(google, "minter-role", "arn:aws:iam::111122223333:role/"+strings.Repeat("r", 64)))
	if n := len(a.assumedRole(a.MinterRole)); n > maxSubject {
		t.Errorf("a subject has %d bytes", n)
	}
	if n := a.longestSubject(); n != 39+64+1+64 {
		t.Errorf("by Google's mapping it would have %d", n)
	}
	// The stack's own roles are short enough for Google's mapping, too.
	a = fill(t, GoogleQuestions(), google)
	if want := len(rotatorARN + "/wifmint-Rotator-1ABCDEFGHIJK"); a.longestSubject() != want {
		t.Errorf("by Google's mapping the stack's would have %d, not %d", a.longestSubject(), want)
	}
}

func TestWhatIsRiskyIsWarnedOf(t *testing.T) {
	t.Parallel()
	if found := fill(t, GoogleQuestions(), google).Warnings(); len(found) > 0 {
		t.Errorf("warnings of what is well: %q", found)
	}
	for _, tt := range []struct{ flag, value, want string }{
		{"minter-role", "a-role-of-24-characters-", "128 bytes"},
		{"project-role", "roles/editor", "an administrator of the project"},
		{"project-role", "roles/iam.serviceAccountTokenCreator", "all its service accounts"},
	} {
		a := fill(t, GoogleQuestions(), with(google, tt.flag, tt.value))
		if found := a.Warnings(); len(found) != 1 || !strings.Contains(found[0], tt.want) {
			t.Errorf("%s=%s: %q", tt.flag, tt.value, found)
		}
	}
}

func TestTheDocumentIsOneThatTheFunctionsTake(t *testing.T) {
	t.Parallel()
	a := fill(t, GoogleQuestions(), google)
	document, err := a.Document()
	if err != nil {
		t.Fatal(err)
	}
	config, err := keeper.ParseConfig([]byte(document), keeper.ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var secrets []string
	for _, target := range config.Targets {
		secrets = append(secrets, target.Secret)
	}
	want := []string{"wifmint/federated", "wifmint/reports@demo-project.iam.gserviceaccount.com", "wifmint/storage@other.iam.gserviceaccount.com"}
	if diff := cmp.Diff(want, secrets); diff != "" {
		t.Error(diff)
	}
	if config.Credentials.Audience != a.Audience() {
		t.Errorf("the audience is %s", config.Credentials.Audience)
	}
}

// Whatever is accepted is safe inside the quotes of the script, of Terraform, of
// CEL and of JSON, and is no flag.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{"wifmint", "$(id)", "`id`", "a';id;'", "a@p.iam.gserviceaccount.com", "roles/x", "projects/p/roles/x", minterARN, "arn:aws:iam::111122223333:role/a/b", "--x", "-:a00000", "${a}", "%{a}", "\n", "ä"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		for _, q := range slices.Concat(GoogleQuestions(), AWSQuestions()) {
			a := Answers{ServiceAccounts: []string{"a@p.iam.gserviceaccount.com"}}
			if text == "" || q.set(&a, text) != "" {
				continue
			}
			for _, answer := range slices.Concat([]string{a.ProjectID, a.ProjectNumber, a.Pool, a.Provider, a.AWSAccount, a.MinterRole, a.RotatorRole, a.Architecture},
				a.ServiceAccounts, a.ProjectRoles, a.Rotated) {
				if answer != "" && !consistsOf(answer, lower+upper+digits+"+=,.@_-:/") {
					t.Errorf("--%s takes %q", q.Flag, answer)
				}
				if strings.HasPrefix(answer, "-") && answer != a.MinterRole && answer != a.RotatorRole { // which follow an ARN
					t.Errorf("--%s takes the flag %q", q.Flag, answer)
				}
			}
		}
	})
}
