package main

import (
	"errors"
	"fmt"

	"github.com/wifmint/wifmint/pkg/jsondoc"
)

type validateCommand struct {
	File string `arg:"" help:"The config document or credential file."`
}

func (c *validateCommand) Run(w *world) error {
	doc, err := readDocument(c.File, w)
	var problems jsondoc.Problems
	if errors.As(err, &problems) {
		fmt.Fprintln(w.stdout, problems)
		return usageError{fmt.Errorf("%s has %s", c.File, count(len(problems), "problem"))}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(w.stdout, "%s: %s, no problems\n", printable(c.File), doc.describe())
	if doc.config == nil {
		explain(doc.credentials, w.getenv, w.stdout)
	}
	return nil
}

// describe says what a valid document is.
func (d *document) describe() string {
	if d.config == nil {
		return "a credential file of type " + typeOf(d.credentials)
	}
	federated := 0
	for _, t := range d.config.Targets {
		if t.Federated() {
			federated++
		}
	}
	return fmt.Sprintf("a config document with %s (%s, %s)", count(len(d.config.Targets), "target"),
		owned(federated, "minter"), owned(len(d.config.Targets)-federated, "rotator"))
}

func owned(n int, function string) string { return fmt.Sprintf("%d the %s's", n, function) }

// count writes "1 problem" and "2 problems".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
