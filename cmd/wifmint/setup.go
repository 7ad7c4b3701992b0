package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/term"

	"github.com/wifmint/wifmint/internal/setup"
	"github.com/wifmint/wifmint/pkg/jsondoc"
)

type setupCommand struct {
	Google setupGoogleCommand `cmd:"" help:"Print a gcloud script that lets the functions' AWS roles into a Google project. Asks for what no flag says."`
	AWS    setupAWSCommand    `cmd:"" name:"aws" help:"Print the commands that deploy the functions. Asks for what no flag says."`
}

// setupFlags are the flags of both sides. Their defaults are the questions', which
// a person is shown.
type setupFlags struct {
	ProjectNumber  string   `placeholder:"NUMBER" help:"The Google project's number."`
	Pool           string   `placeholder:"ID" help:"The workload identity pool (wifmint)."`
	Provider       string   `placeholder:"ID" help:"The AWS provider in the pool (lambda)."`
	ServiceAccount []string `placeholder:"EMAIL" help:"A service account to keep tokens of; may be repeated."`
}

func (f *setupFlags) given() map[string]string {
	return map[string]string{
		"project-number": f.ProjectNumber, "pool": f.Pool, "provider": f.Provider, "service-account": strings.Join(f.ServiceAccount, ","),
	}
}

type setupGoogleCommand struct {
	setupFlags
	ProjectID   string   `placeholder:"ID" help:"The same project's id."`
	MinterRole  string   `placeholder:"ROLE" help:"The minter's role: the stack's output MinterAssumedRole, or a role's name or ARN."`
	RotatorRole string   `placeholder:"ROLE" help:"The rotator's: RotatorAssumedRole. Needed with service accounts."`
	AWSAccount  string   `name:"aws-account" placeholder:"DIGITS" help:"The AWS account, where the roles are names."`
	ProjectRole []string `placeholder:"ROLE" help:"A Google role on the project for the federated token itself; may be repeated."`
	Out         string   `placeholder:"DIR" help:"Write the script, the variables of deploy/google (Terraform) and the config document there, and overwrite nothing."`
}

func (c *setupGoogleCommand) Run(w *world) error {
	given := c.given()
	given["project-id"], given["aws-account"], given["project-role"] = c.ProjectID, c.AWSAccount, strings.Join(c.ProjectRole, ",")
	given["minter-role"], given["rotator-role"] = c.MinterRole, c.RotatorRole
	answers, err := fillSetup(w, setup.GoogleQuestions(), given)
	if err != nil {
		return err
	}
	document, err := answers.Document()
	if err != nil {
		return usageError{err}
	}
	if c.Out == "" {
		fmt.Fprint(w.stdout, newPaint(w).comments(answers.Script()))
		fmt.Fprintln(w.stderr, "\nNext: read it, then run it. With --out DIR it is a file, beside the same for Terraform and the config document.")
		return nil
	}
	files := []setupFile{
		{"google.sh", "the script, for gcloud", answers.Script(), 0o755},
		{"google.tfvars", "the same for deploy/google, the Terraform module", answers.Tfvars(), 0o644},
		{"wifmint.json", "the config document, for wifmint doctor and wifmint token", document, 0o644},
	}
	if err := writeSetup(c.Out, files); err != nil {
		return err
	}
	width := len(filepath.Join(c.Out, "google.tfvars"))
	for _, f := range files {
		fmt.Fprintf(w.stdout, "wrote  %-*s  %s\n", width, filepath.Join(c.Out, f.name), f.what)
	}
	fmt.Fprintf(w.stdout, "\nNext: read one of the first two and run it, by bash %s or as deploy/google/README.md says.\n", setup.Quote(filepath.Join(c.Out, files[0].name)))
	return nil
}

type setupAWSCommand struct {
	setupFlags
	Rotate       []string `placeholder:"EMAIL" help:"A service account whose secret is to rotate on demand too; may be repeated."`
	Architecture string   `placeholder:"NAME" help:"arm64 or x86_64 (arm64)."`
}

func (c *setupAWSCommand) Run(w *world) error {
	given := c.given()
	given["rotate"], given["architecture"] = strings.Join(c.Rotate, ","), c.Architecture
	answers, err := fillSetup(w, setup.AWSQuestions(), given)
	if err != nil {
		return err
	}
	fmt.Fprint(w.stdout, newPaint(w).comments(answers.Deploy()))
	return nil
}

// fillSetup answers the questions by flags, and by whoever is at the terminal.
func fillSetup(w *world, questions []setup.Question, given map[string]string) (setup.Answers, error) {
	var ask setup.Asker
	if term.IsTerminal(int(os.Stdin.Fd())) {
		ask = newInterview(w, os.Stdin).ask
	}
	answers, err := setup.Fill(questions, given, ask)
	var problems jsondoc.Problems
	if errors.As(err, &problems) {
		return answers, usageError{fmt.Errorf("the flags are wrong, or not enough; at a terminal, setup asks for those that are missing\n%w", problems)}
	}
	if err != nil {
		return answers, err
	}
	for _, warning := range answers.Warnings() {
		fmt.Fprintf(w.stderr, "warning: %s\n", warning)
	}
	return answers, nil
}

// interview asks the person at a terminal, on standard error: standard output is
// for the result.
type interview struct {
	w     *world
	paint paint
	lines chan string // closed at the end of the input
}

// newInterview starts to read lines. A read of a terminal cannot be broken off:
// it ends with the input or the process.
func newInterview(w *world, input io.Reader) *interview {
	i := &interview{w, newPaint(w), make(chan string)}
	go func() {
		defer close(i.lines)
		for scanner := bufio.NewScanner(input); scanner.Scan(); {
			select {
			case i.lines <- scanner.Text():
			case <-w.ctx.Done():
				return
			}
		}
	}()
	return i
}

func (i *interview) ask(q setup.Question, wrong string) (string, error) {
	if wrong != "" {
		fmt.Fprintf(i.w.stderr, "  %s\n", i.paint.bad(wrong))
	}
	label := q.Label
	if q.Default != "" {
		label += " [" + q.Default + "]"
	}
	fmt.Fprintf(i.w.stderr, "%-54s ", label+":")
	select {
	case line, more := <-i.lines:
		if !more {
			return "", usageError{errors.New("the answers ended before the questions")}
		}
		return line, nil
	case <-i.w.ctx.Done():
		return "", errors.New("interrupted")
	}
}

// comments dims the comment lines of a shell script.
func (p paint) comments(script string) string {
	lines := strings.Split(script, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, "#") {
			lines[i] = p.dim(line)
		}
	}
	return strings.Join(lines, "\n")
}

type setupFile struct {
	name, what, text string
	mode             os.FileMode
}

// writeSetup writes all the files or, when one is there with another text, none.
func writeSetup(dir string, files []setupFile) error {
	var missing []setupFile
	for _, f := range files {
		found, err := os.ReadFile(filepath.Join(dir, f.name))
		switch {
		case errors.Is(err, os.ErrNotExist):
			missing = append(missing, f)
		case err != nil:
			return fmt.Errorf("looking whether a file is there: %w", err)
		case string(found) != f.text:
			return fmt.Errorf("%s is there and has another text: move it away, or choose another --out", filepath.Join(dir, f.name))
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("making the folder of --out: %w", err)
	}
	for _, f := range missing {
		if err := writeNew(filepath.Join(dir, f.name), f.text, f.mode); err != nil {
			return fmt.Errorf("writing what was asked for: %w", err)
		}
	}
	return nil
}

// writeNew writes a file that must not be there.
func writeNew(name, text string, mode os.FileMode) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}
