package setup

import (
	"fmt"
	"slices"
	"strings"

	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/jsondoc"
)

// Question is one thing to be told, by a flag or by a person.
type Question struct {
	// Flag is its name without hyphens in front.
	Flag string
	// Label is what a person is asked.
	Label string
	// Default is what no answer means.
	Default string
	// needed tells whether the answers so far leave the question open; nil is always.
	needed func(Answers) bool
	// set takes an answer, or says what to write instead. The answers to the
	// questions before are there.
	set func(a *Answers, text string) (want string)
}

// GoogleQuestions are those whose answers make the Google side.
func GoogleQuestions() []Question {
	return []Question{
		{Flag: "project-id", Label: "Google project id", set: setProjectID},
		projectNumber, pool, provider,
		{Flag: "minter-role", Label: "Minter's role: the stack's output MinterAssumedRole", set: func(a *Answers, text string) string {
			return setRole(a, &a.MinterRole, text, "MinterAssumedRole")
		}},
		serviceAccounts,
		{
			Flag: "rotator-role", Label: "Rotator's role: the stack's output RotatorAssumedRole", needed: Answers.admitsRotator,
			set: func(a *Answers, text string) string {
				return setRole(a, &a.RotatorRole, text, "RotatorAssumedRole")
			},
		},
		{
			Flag: "aws-account", Label: "AWS account", // which a role's ARN tells
			needed: func(a Answers) bool { return a.MinterRole != "" && a.AWSAccount == "" },
			set:    setAWSAccount,
		},
		{Flag: "project-role", Label: "Google roles of the federated token itself, or none", set: setProjectRoles},
	}
}

// AWSQuestions are those whose answers make the AWS side.
func AWSQuestions() []Question {
	return []Question{
		projectNumber, pool, provider,
		{Flag: serviceAccounts.Flag, Label: serviceAccounts.Label, set: setStackAccounts},
		{Flag: "rotate", Label: "Those to rotate on demand, or none", needed: Answers.admitsRotator, set: setRotated},
		{Flag: "architecture", Label: "Architecture", Default: "arm64", set: setArchitecture},
	}
}

// Questions that both sides have.
var (
	projectNumber   = Question{Flag: "project-number", Label: "Google project number", set: setProjectNumber}
	pool            = Question{Flag: "pool", Label: "Workload identity pool", Default: "wifmint", set: setPool}
	provider        = Question{Flag: "provider", Label: "AWS provider in the pool", Default: "lambda", set: setProvider}
	serviceAccounts = Question{Flag: "service-account", Label: "Service accounts, or none", set: setServiceAccounts}
)

func setProjectID(a *Answers, text string) string {
	a.ProjectID = text
	switch {
	case consistsOf(text, digits):
		return "write the project's id, such as my-project; its number goes into --project-number"
	case !isProjectID(text):
		return "write the project's id, such as my-project, which `gcloud projects list` shows"
	}
	return ""
}

func setProjectNumber(a *Answers, text string) string {
	a.ProjectNumber = text
	if !consistsOf(text, digits) || text[0] == '0' || len(text) > 19 {
		id := "PROJECT_ID"
		if isProjectID(text) {
			id = text // which is the usual mistake
		} else if a.ProjectID != "" {
			id = a.ProjectID
		}
		return fmt.Sprintf("write the project's number, which `gcloud projects describe %s --format=\"value(projectNumber)\"` prints", id)
	}
	return ""
}

func setPool(a *Answers, text string) string {
	a.Pool = text
	return wantID("pool", text)
}

func setProvider(a *Answers, text string) string {
	a.Provider = text
	if strings.Contains(text, "/workloadIdentityPools/") && !strings.Contains(text, "/providers/") {
		return "write the id of an AWS provider in the pool, such as lambda: this is a pool"
	}
	return wantID("provider", text)
}

// wantID says what is wrong with a pool's or a provider's id.
// https://cloud.google.com/iam/docs/reference/rest/v1/projects.locations.workloadIdentityPools/create
func wantID(noun, text string) string {
	switch {
	case strings.Contains(text, "/"):
		return "write the " + noun + "'s id alone, not its resource name"
	case len(text) < 4 || len(text) > 32 || !consistsOf(text, lower+digits+"-") || text[0] == '-': // which gcloud takes for a flag
		return "write the " + noun + "'s id, 4 to 32 of a-z, 0-9 and '-', the first no '-'"
	case strings.HasPrefix(text, "gcp-"):
		return "write a " + noun + "'s id that does not start with gcp-, which Google keeps for itself"
	}
	return ""
}

// setRole takes a role's name or ARN, of the role itself or of a session of it.
func setRole(a *Answers, role *string, text, output string) string {
	want := "write the stack's output " + output + ", or the name or ARN of the role"
	account, name := "", text
	if strings.HasPrefix(text, "arn:") {
		if partition, _, _ := strings.Cut(strings.TrimPrefix(text, "arn:"), ":"); strings.HasPrefix(partition, "aws-") {
			return "write a role of the partition aws, arn:aws:…: that Google believes roles of " + jsondoc.Quote(partition) + " is not known, and nothing is made here for them"
		}
		var ok bool
		if account, name, ok = splitRole(text); !ok {
			return want + ", such as arn:aws:iam::AWS_ACCOUNT:role/NAME"
		}
	} else if i := strings.LastIndex(text, "/"); i >= 0 {
		return "write the role's name alone, without its path: AWS leaves the path out where it tells Google who signed"
	}
	switch {
	case name == "" || len(name) > 64 || !consistsOf(name, lower+upper+digits+"+=,.@_-"):
		return want
	case account != "" && a.AWSAccount != "" && account != a.AWSAccount:
		return "write a role of AWS account " + a.AWSAccount + ": a provider takes one account"
	case role == &a.RotatorRole && name == a.MinterRole:
		return "write the rotator's own role: this is the minter's"
	}
	*role = name
	if account != "" {
		a.AWSAccount = account
	}
	return ""
}

// splitRole takes "arn:aws:iam::ACCOUNT:role/PATH/NAME" and
// "arn:aws:sts::ACCOUNT:assumed-role/NAME/SESSION" apart; the session may be missing.
func splitRole(arn string) (account, name string, ok bool) {
	if rest, found := strings.CutPrefix(arn, "arn:aws:iam::"); found {
		account, name, ok = strings.Cut(rest, ":role/")
		return account, name[strings.LastIndex(name, "/")+1:], ok && isAWSAccount(account)
	}
	account, name, ok = strings.Cut(strings.TrimPrefix(arn, "arn:aws:sts::"), ":assumed-role/")
	name, _, _ = strings.Cut(name, "/")
	return account, name, ok && isAWSAccount(account)
}

func setAWSAccount(a *Answers, text string) string {
	switch {
	case !isAWSAccount(text):
		return "write the 12 digits of the AWS account, which `aws sts get-caller-identity --query Account --output text` prints"
	case text == a.ProjectNumber:
		return "write the AWS account: this is the number of the Google project"
	case a.AWSAccount != "" && text != a.AWSAccount:
		return "write " + a.AWSAccount + ", the account of the role, or nothing"
	}
	a.AWSAccount = text
	return ""
}

func setServiceAccounts(a *Answers, text string) string {
	a.ServiceAccounts = list(text)
	for _, email := range a.ServiceAccounts {
		if !impersonate.ValidServiceAccount(email) || !consistsOf(email[:1], lower+upper+digits) { // gcloud takes "-x@…" for a flag
			return "write emails of service accounts, such as reports@PROJECT_ID.iam.gserviceaccount.com; " + jsondoc.Quote(email) + " is none"
		}
	}
	return ""
}

// setStackAccounts knows besides that a template names a secret's resource by
// the letters and digits of the email.
func setStackAccounts(a *Answers, text string) string {
	if want := setServiceAccounts(a, text); want != "" {
		return want
	}
	punctuation := strings.NewReplacer("@", "", ".", "", "_", "", "-", "")
	seen := map[string]string{}
	for _, email := range a.ServiceAccounts {
		id := punctuation.Replace(email)
		if other := seen[id]; other != "" {
			return fmt.Sprintf("write one of %s and %s, and the other in a second stack: they differ in punctuation only", other, email)
		}
		seen[id] = email
	}
	return ""
}

func setRotated(a *Answers, text string) string {
	a.Rotated = list(text)
	for _, email := range a.Rotated {
		if !slices.Contains(a.ServiceAccounts, email) {
			return "write some of the service accounts; " + jsondoc.Quote(email) + " is none of them"
		}
	}
	return ""
}

func setProjectRoles(a *Answers, text string) string {
	a.ProjectRoles = list(text)
	for _, role := range a.ProjectRoles {
		if !isGoogleRole(role) {
			return "write Google roles such as roles/storage.objectViewer; " + jsondoc.Quote(role) + " is none"
		}
	}
	return ""
}

func setArchitecture(a *Answers, text string) string {
	a.Architecture = text
	if text != "arm64" && text != "x86_64" {
		return "write arm64 or x86_64"
	}
	return ""
}
