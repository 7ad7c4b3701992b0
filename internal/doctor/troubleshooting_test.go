package doctor

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write docs/troubleshooting.md anew")

const page = "../../docs/troubleshooting.md"

func TestTheTroubleshootingPageIsMadeOfTheSameTable(t *testing.T) {
	t.Parallel()
	want := troubleshooting()
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil || string(got) != want {
		t.Errorf("docs/troubleshooting.md is not what the table makes (%v): go test ./internal/doctor -run Troubleshooting -update", err)
	}
}

// sections are the page's, by the checks whose diagnoses they hold.
var sections = []struct{ check, title, text string }{
	{checkConfig, "The config document", "Its problems are found before anything is asked. `wifmint validate` lists them, too."},
	{checkAWSCredentials, "AWS credentials", "Where a process finds them is in [pkg/supplier](../pkg/supplier): the environment, a container's endpoint, for a person the AWS configuration, instance metadata."},
	{checkAWSRegion, "The region", "It is `AWS_REGION`, else `AWS_DEFAULT_REGION`, else what the machine tells."},
	{checkAWSSTS, "The way to AWS STS", "Only the doctor asks AWS STS from here, to learn what Google will be told. A function without a way to it works."},
	{"", "On the way", "What can happen to any call, whoever is asked."},
	{checkClock, "The clock", "It is compared with the `Date` of AWS's and Google's answers, and may be 5 minutes off."},
	{checkAWSIdentity, "What AWS says who signed", "The doctor sends AWS the very request that Google is going to send it."},
	{checkSTS, "The exchange", "Google's Security Token Service asks AWS who signed, and lets in whom the provider lets in."},
	{checkImpersonate, "Impersonation", "The federated token becomes a service account's. The minter's doctor tries it, too: the rotator impersonates with its token."},
	{checkRead, "Reading the secret", "A secret that is not there is looked for in the other regions that every account has, by `DescribeSecret`, which shows in their CloudTrail."},
	{checkFresh, "The token in the secret", ""},
	{checkWrite, "Writing the secret", "Found out by a put that cannot be carried out: under the id of the version that is there, of which Secrets Manager takes no other value. It shows in CloudTrail as a `PutSecretValue` that failed with `ResourceExistsException`."},
	{checkFunction, "The deployed function", "With `--function`, whoever asks needs `lambda:InvokeFunction`, and for the rest `lambda:GetFunctionConfiguration`, `scheduler:ListSchedules`, `scheduler:GetSchedule` and `logs:FilterLogEvents`."},
	{checkSchedule, "Its schedule", ""},
	{checkLog, "Its log", ""},
}

const preface = `# Troubleshooting

<!-- Made by go test ./internal/doctor -run Troubleshooting -update, of the table that wifmint doctor goes by. -->

Ask first. It names the cause, and fills the names of your project, pool, role and secret into the commands below:

` + "```" + `
wifmint doctor --function MINTER   # every hop from inside a deployed function, and its schedule and log
wifmint doctor --function ROTATOR  # the other function, whose role is another
wifmint doctor --config FILE       # the same hops, with your own AWS credentials
` + "```" + `

The last tells of you. Where Google lets the functions' roles in and nobody else, as it should, you are refused: [not-the-function](#not-the-function).

With ` + "`--json`" + ` each check is an object on a line: ` + "`check`, `status` (`ok`, `fail` or `skipped`), `cause`, `found`, `means`, `fix`" + `, and
` + "`target` or `function`" + ` where there is one. It exits with 1 if a check failed. Start with the first that did: those that
need it are skipped. A function answers the same to the event ` + "`{\"doctor\": true}`" + `, also with ` + "`targets`" + `.

Below are all causes, by the check that finds them. Words in capitals stand for your names. "Told by" is what the doctor goes by:
codes of Google's and AWS's, and a text of theirs only where they have one code for several causes.
`

// troubleshooting is the page.
func troubleshooting() string {
	var b strings.Builder
	b.WriteString(preface)
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n", s.title)
		if s.text != "" {
			fmt.Fprintf(&b, "\n%s\n", s.text)
		}
		told := map[string]bool{}
		for d := range diagnoses {
			if d.section() == s.check && !told[d.cause] {
				told[d.cause] = true
				b.WriteString(d.markdown())
			}
		}
	}
	return b.String()
}

// section is the first of its checks; a cause that was told by another row goes there.
func (d diagnosis) section() string {
	for first := range diagnoses {
		if first.cause == d.cause {
			d = first
			break
		}
	}
	if d.checks == nil {
		return d.general()
	}
	return d.checks[0]
}

// general are the diagnoses that any check can have and yet belong to one.
func (d diagnosis) general() string {
	switch {
	case slices.Contains(d.codes, codeNoCredential):
		return checkAWSCredentials
	case slices.Contains(d.codes, codeAssumeRole):
		return checkAWSIdentity
	case slices.Contains(d.codes, "INVALID_ARGUMENT"):
		return checkImpersonate
	}
	return ""
}

func (d diagnosis) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n### %s\n\n%s.\n\n", d.cause, capital(names{}.fill(d.means)))
	if by := d.toldBy(); by != "" {
		fmt.Fprintf(&b, "Told by %s.\n\n", by)
	}
	fmt.Fprintf(&b, "```\n%s\n```\n", names{}.fill(d.fix))
	return b.String()
}

// toldBy are the others' codes and text; the doctor's own mean nothing to a reader.
func (d diagnosis) toldBy() string {
	var by []string
	for _, code := range d.codes {
		if strings.ToLower(code) != code || strings.Contains(code, "_") {
			by = append(by, "`"+code+"`")
		}
	}
	told := strings.Join(by, ", ")
	if d.text != "" {
		told = strings.TrimPrefix(told+" with the text `"+d.text+"`", " with ")
	}
	return told
}

func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
