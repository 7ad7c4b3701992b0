package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wifmint/wifmint/internal/doctor"
	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/supplier"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

type doctorCommand struct {
	Config   string `placeholder:"FILE" help:"Walk from here, with your credentials: a config document, or an AWS credential file."`
	Function string `placeholder:"NAME" help:"Have this deployed function walk, with its role's, and look at its schedule and log. A name or an ARN."`
	JSON     bool   `help:"Print one JSON object a line for each check."`
}

// Validate is called by kong: what it returns is bad usage.
func (c *doctorCommand) Validate() error {
	if c.Config == "" && c.Function == "" {
		return errors.New("write --config FILE, --function NAME, or both")
	}
	return nil
}

func (c *doctorCommand) Run(w *world) error {
	s := &sickness{w: w, paint: newPaint(w), json: c.JSON}
	if c.Config != "" {
		s.asked = "here, with " + c.Config
		if err := c.walk(w, s.tell); err != nil {
			return err
		}
	}
	if c.Function != "" {
		s.asked = "the function " + c.Function
		doctor.Deployed{Function: c.Function, AWS: ownAWS(w.ctx, supplier.Default(w.getenv)), Getenv: w.getenv}.Run(w.ctx, s.tell)
	}
	if w.ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return s.summary(c)
}

// walk fails with a usageError for a file that cannot be read, or is of a kind that
// there is nothing to ask about; what is wrong with one that can be is told.
func (c *doctorCommand) walk(w *world, tell func(doctor.Check)) error {
	doc, err := readDocument(c.Config, w)
	if errors.As(err, new(jsondoc.Problems)) {
		content, _ := readFile(c.Config) // which went well a moment ago
		doctor.Refused(err, content, tell)
		return nil
	}
	if err != nil {
		return err
	}
	walk, err := c.local(doc, w)
	if err != nil {
		return err
	}
	return walk.Run(w.ctx, keeper.Event{}, tell)
}

// local is a walk with the credentials of whoever is at the terminal.
func (c *doctorCommand) local(doc *document, w *world) (doctor.Walk, error) {
	file, ok := doc.credentials.(*externalaccount.File)
	if !ok || file.AWS == nil {
		return doctor.Walk{}, usageError{fmt.Errorf("%s has no AWS credential_source, and doctor knows no other; wifmint token tells what is wrong with it", c.Config)}
	}
	config := doc.config
	if config == nil {
		config = &keeper.Config{Credentials: file, Targets: impersonated(file)}
	}
	unsafe := keeper.UnsafeEndpoints(w.getenv)
	options := externalaccount.Options{Getenv: w.getenv, AllowAnyEndpoint: unsafe}
	aws := ownAWS(w.ctx, externalaccount.AWSSources(file, options))
	options.Supplier = aws
	store, err := doctorStore(w, aws, config.CreateSecrets)
	if err != nil {
		return doctor.Walk{}, err
	}
	return doctor.Walk{
		Environment: &keeper.Environment{
			Config:      config,
			Credentials: externalaccount.New(file, options),
			Store:       store,
			IAM:         &impersonate.Client{Endpoint: file.IAMEndpoint(), UniverseDomain: file.UniverseDomain, AllowAnyEndpoint: unsafe},
		},
		AWS:      aws,
		Getenv:   w.getenv,
		Describe: doctor.Describe(store.Client),
	}, nil
}

// impersonated is a target of a credential file that impersonates; it has no secret.
func impersonated(f *externalaccount.File) []keeper.Target {
	account := f.ServiceAccount()
	if account == "" {
		return nil
	}
	return []keeper.Target{{
		Name: "credentials", ServiceAccount: account, Scopes: []string{keeper.CloudPlatformScope},
		Lifetime: time.Duration(f.ServiceAccountTokenLifetimeSeconds) * time.Second,
	}}
}

// ownAWS is a chain with the AWS configuration of whoever is at the terminal in it.
func ownAWS(ctx context.Context, chain supplier.Chain) supplier.Chain {
	return slices.Insert(chain, len(chain)-1, personal(ctx)) // before IMDS, which is slow where there is none
}

// doctorStore is the secrets' home. Without a region nothing is read, and the walk
// tells that there is none.
func doctorStore(w *world, aws supplier.Chain, create bool) (*tokenstore.Store, error) {
	endpoint, err := secretsEndpoint(w)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(w.ctx, regionTimeout)
	defer cancel()
	region, _ := supplier.Region(ctx, aws, supplier.SupplierContext{})
	return &tokenstore.Store{
		Client: tokenstore.NewClient(tokenstore.Options{
			Region: region, Credentials: supplier.SDK(aws), BaseEndpoint: endpoint,
		}),
		Create: create,
	}, nil
}

// sickness tells a person, or a script, what is found, and counts it.
type sickness struct {
	w     *world
	paint paint
	json  bool
	// asked is who is about to tell; empty once that was said.
	asked string

	ok, failed, skipped int
	// personal: a failure was that of whoever is at the terminal alone.
	personal bool
}

// head says who tells.
func (s *sickness) head() {
	if s.asked == "" {
		return
	}
	if s.ok+s.failed+s.skipped > 0 {
		fmt.Fprintln(s.w.stdout)
	}
	fmt.Fprintf(s.w.stdout, "%s  asking %s\n", s.paint.bold("wifmint doctor"), printable(s.asked))
	s.asked = ""
}

func (s *sickness) tell(c doctor.Check) {
	if !s.json {
		s.head()
	}
	var mark string
	switch c.Status {
	case doctor.OK:
		s.ok++
		mark = s.paint.good("ok  ")
	case doctor.Failed:
		s.failed++
		s.personal = s.personal || c.Cause == doctor.NotTheFunction
		mark = s.paint.bad("fail")
	default:
		s.skipped++
		mark = s.paint.dim("skip")
	}
	if s.json {
		s.line(c)
		return
	}
	what := c.Check
	if c.Target != "" {
		what += " " + c.Target
	}
	fmt.Fprintf(s.w.stdout, "  %s  %-24s  %s\n", mark, what, printable(c.Found))
	if c.Means != "" {
		fmt.Fprintf(s.w.stdout, "        %s\n", printable(c.Means))
	}
	if c.Fix == "" {
		return
	}
	for line := range strings.Lines(c.Fix) {
		line = printable(strings.TrimSuffix(line, "\n"))
		if strings.HasPrefix(line, "#") {
			line = s.paint.dim(line)
		}
		fmt.Fprintf(s.w.stdout, "          %s\n", line)
	}
}

func (s *sickness) line(c doctor.Check) {
	encoder := json.NewEncoder(s.w.stdout)
	encoder.SetEscapeHTML(false) // commands have > and & in them
	_ = encoder.Encode(c)        // output remembers what it could not write
}

// summary counts, says what to do next, and fails if anything did.
func (s *sickness) summary(c *doctorCommand) error {
	if !s.json {
		fmt.Fprintf(s.w.stdout, "\n%d ok, %d failed, %d skipped\n", s.ok, s.failed, s.skipped)
		if next := s.next(c); next != "" {
			fmt.Fprintf(s.w.stdout, "Next: %s\n", next)
		}
	}
	if s.failed > 0 {
		return fmt.Errorf("%s failed", count(s.failed, "check"))
	}
	return nil
}

func (s *sickness) next(c *doctorCommand) string {
	switch {
	case s.personal && c.Function == "":
		return "change nothing yet, and ask the functions, which have other roles: wifmint doctor --function NAME"
	case s.failed > 0:
		return "mend the first one that failed and ask again; what is behind it may mend itself. docs/troubleshooting.md has them all."
	case c.Function == "":
		return "this was you; a function has another role: wifmint doctor --function NAME"
	}
	return ""
}
