package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/wifmint/wifmint/internal/setup"
	"github.com/wifmint/wifmint/internal/status"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// traceTimeout bounds a search through every version of every secret.
const traceTimeout = 5 * time.Minute

type traceCommand struct {
	Fingerprint string `arg:"" help:"12 hex digits, as in a log line's token_sha256, with or without \"sha256:\" before them."`
	secretsFlags
	Logs string `placeholder:"FILE" help:"The functions' log, as JSON lines; - is standard input."`
	JSON bool   `help:"Print one JSON object."`
}

// Validate is called by kong: what it returns is bad usage.
func (c *traceCommand) Validate() error {
	c.Fingerprint = strings.TrimPrefix(strings.ToLower(c.Fingerprint), "sha256:")
	if !regexp.MustCompile(`^[0-9a-f]{12}$`).MatchString(c.Fingerprint) {
		// What was given may be a token.
		return fmt.Errorf("FINGERPRINT is not 12 hex digits; of a token, they are: printf %%s \"$TOKEN\" | sha256sum | cut -c1-12")
	}
	return nil
}

func (c *traceCommand) Run(w *world) error {
	targets, err := c.targets(w)
	if err != nil {
		return err
	}
	seen, err := c.readLog()
	if err != nil {
		return err
	}
	store, err := openStore(w)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.ctx, traceTimeout)
	defer cancel()
	var secrets []string
	for _, t := range targets {
		secrets = append(secrets, t.Secret)
	}
	found, search := status.Find(ctx, store, secrets, c.Fingerprint)
	t := &trace{Fingerprint: c.Fingerprint, Stored: found, Log: seen}
	if found == nil {
		t.Unknown = unknown(search)
	}
	if c.JSON {
		if err := json.NewEncoder(w.stdout).Encode(t); err != nil {
			return err
		}
	} else if found != nil || t.known() {
		t.print(w.stdout, time.Now(), secrets)
	}
	switch {
	case found == nil && !t.known():
		return t.notFound(search)
	case t.Unknown != "":
		return fmt.Errorf("whether a secret still has the token is not known: %s", t.Unknown)
	}
	return nil
}

// unknown is why a token may be in a secret though the search has not found it.
func unknown(s status.Search) string {
	switch {
	case s.Err != nil:
		return "not all could be read: " + s.Err.Error()
	case s.Truncated:
		return "there are more versions than are read; name the secrets that it may be in"
	}
	return ""
}

func (c *traceCommand) readLog() (*status.Sightings, error) {
	var log io.Reader = os.Stdin
	switch c.Logs {
	case "":
		return nil, nil
	case "-":
	default:
		f, err := os.Open(c.Logs)
		if err != nil {
			return nil, usageError{err}
		}
		defer f.Close()
		log = f
	}
	seen, err := status.ReadLog(log, c.Fingerprint)
	return &seen, err
}

// trace is what was found out about a token.
type trace struct {
	Fingerprint string         `json:"token_sha256"`
	Stored      *status.Stored `json:"stored,omitempty"`
	// Unknown is why there may be a Stored though there is none here.
	Unknown string            `json:"stored_unknown,omitempty"`
	Log     *status.Sightings `json:"log,omitempty"`
}

func (t *trace) known() bool { return t.Log != nil && t.Log.Lines > 0 }

// seen is the log line that tells most.
func (t *trace) seen() *status.Sighting {
	switch {
	case t.Log == nil:
		return nil
	case t.Log.Minted != nil:
		return t.Log.Minted
	}
	return t.Log.First
}

// print is for a token of which something is known; secrets are those that were searched.
func (t *trace) print(to io.Writer, now time.Time, secrets []string) {
	field := func(name, format string, args ...any) {
		fmt.Fprintf(to, "%-10s %s\n", name, printable(fmt.Sprintf(format, args...)))
	}
	field("token", "sha256:%s", t.Fingerprint)
	if s := t.Stored; s != nil {
		field("target", "%s", s.Token.Target)
		field("secret", "%s", s.Secret)
		field("version", "%s (%s)", s.VersionID, labels(s.Labels))
		field("kind", "%s", s.Token.Kind)
		field("principal", "%s", s.Token.Principal)
		field("minted", "%s (%s ago)", s.Token.MintedAt.Format(time.RFC3339), brief(now.Sub(s.Token.MintedAt)))
		field("expiry", "%s", expiry(s.Token.Expiry, now))
	} else if s := t.seen(); s != nil {
		field("target", "%s", s.Target)
		field("secret", "%s", s.Secret)
		field("version", "%s (%s)", s.VersionID, t.gone(slices.Contains(secrets, s.Secret)))
		field("principal", "%s", orDash(s.Principal))
		field("expiry", "%s", expiry(s.Expiry, now))
	}
	t.printRequest(field)
	if t.Log == nil && t.Stored != nil {
		fmt.Fprintf(to, "\nThe request that minted it is in the log of the %s. Its log group is an output of the stack:\n  %s\n", function(t.Stored.Token), t.logCommand())
	}
}

// gone is what became of a version that was not found.
func (t *trace) gone(searched bool) string {
	switch {
	case t.Unknown != "":
		return "whether the secret still has it is not known"
	case !searched:
		return "whether the secret still has it is not known: none of those searched is called so"
	}
	return "which the secret does not have any more"
}

func (t *trace) printRequest(field func(name, format string, args ...any)) {
	s := t.seen()
	switch {
	case t.Log == nil:
		return
	case s == nil:
		field("request", "not in the log that was given%s", t.skipped())
	case t.Log.Minted != nil:
		by := s.Function
		if s.Step != "" {
			by += ", " + s.Step + " of a rotation"
		}
		field("request", "%s (%s, %s)", s.RequestID, by, s.Time.UTC().Format(time.RFC3339))
	default:
		field("request", "not in the log that was given; the first to tell of it was %s at %s%s", s.RequestID, s.Time.UTC().Format(time.RFC3339), t.skipped())
	}
}

// logCommand finds the line of the request that minted the token.
func (t *trace) logCommand() string {
	return fmt.Sprintf(`aws logs tail LOG_GROUP --since %s --format short --filter-pattern '"%s"' | wifmint trace %s --secret %s --logs -`,
		t.Stored.Token.MintedAt.Format(time.RFC3339), t.Fingerprint, t.Fingerprint, setup.Quote(t.Stored.Secret))
}

func function(token tokenstore.Token) string {
	if token.Kind == tokenstore.Federated {
		return "minter"
	}
	return "rotator"
}

func labels(all []string) string {
	if len(all) == 0 {
		return "replaced"
	}
	return strings.Join(all, ", ")
}

func expiry(t, now time.Time) string {
	text := t.UTC().Format(time.RFC3339)
	if t.After(now) {
		return text + " (in " + brief(t.Sub(now)) + ")"
	}
	return text + " (" + brief(now.Sub(t)) + " ago)"
}

func (t *trace) notFound(s status.Search) error {
	text := fmt.Sprintf("the token is in none of the %s of %s that were read", count(s.Read, "version"), count(s.Secrets, "secret"))
	if t.Log == nil {
		text += "; versions are kept for a day: give the functions' log with --logs"
	} else {
		text += ", and not in the log" + t.skipped()
	}
	if t.Unknown != "" {
		text += "; " + t.Unknown
	}
	return errors.New(text)
}

// skipped tells of lines of the log in which the token may be, too.
func (t *trace) skipped() string {
	if t.Log.Skipped == 0 {
		return ""
	}
	return fmt.Sprintf(", of which %s of more than 1 MiB could not be read", count(t.Log.Skipped, "line"))
}
