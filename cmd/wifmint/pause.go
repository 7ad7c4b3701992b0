package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/setup"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// pauseTimeout bounds a pause, which is a handful of calls.
const pauseTimeout = time.Minute

// targetFlags name one target: by its name in a config document, or by its secret.
type targetFlags struct {
	Target string `arg:"" optional:"" help:"The target's name in the config document."`
	Config string `required:"" xor:"where" placeholder:"FILE" help:"The config document that has the target."`
	Secret string `required:"" xor:"where" placeholder:"ID" help:"The secret's name or ARN, in place of TARGET and --config."`
}

// Validate is called by kong: what it returns is bad usage.
func (f *targetFlags) Validate() error {
	switch {
	case f.Config != "" && f.Target == "":
		return fmt.Errorf("which target of %s? Write its name", f.Config)
	case f.Secret != "" && f.Target != "":
		return fmt.Errorf("--secret=%q is in place of a TARGET, not beside one", f.Secret)
	}
	return nil
}

// find returns the target's name, empty if only the secret knows it, and its secret.
func (f *targetFlags) find(w *world) (name, secret string, err error) {
	if f.Secret != "" {
		return "", f.Secret, nil
	}
	config, err := readConfig(f.Config, w)
	if err != nil {
		return "", "", err
	}
	for _, t := range config.Targets {
		if t.Name == f.Target {
			return t.Name, t.Secret, nil
		}
	}
	return "", "", usageError{fmt.Errorf("%s has no target %q; it has %s", f.Config, f.Target, names(config.Targets))}
}

func names(targets []keeper.Target) string {
	const most = 20
	var all []string
	for i, t := range targets {
		if i == most {
			all = append(all, fmt.Sprintf("and %d more", len(targets)-most))
			break
		}
		all = append(all, t.Name)
	}
	return strings.Join(all, ", ")
}

// again is the command line of another command about the same target.
func (f *targetFlags) again(command string) string {
	if f.Secret != "" {
		return fmt.Sprintf("wifmint %s --secret %s", command, setup.Quote(f.Secret))
	}
	return fmt.Sprintf("wifmint %s %s --config %s", command, setup.Quote(f.Target), setup.Quote(f.Config))
}

type pauseCommand struct {
	targetFlags
	Reason string `placeholder:"TEXT" help:"Why, for whoever gets the error. It is stored and shown; put no secret in it."`
}

func (c *pauseCommand) Run(w *world) error {
	name, secret, err := c.find(w)
	if err != nil {
		return err
	}
	store, err := openStore(w)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.ctx, pauseTimeout)
	defer cancel()
	now := time.Now().UTC().Truncate(time.Second)
	if name == "" {
		name = secret
		if held, err := store.Read(ctx, secret); err == nil && held.Usable() {
			name = held.Token.Target
		}
	}
	done, err := store.Pause(ctx, secret, tokenstore.Pause{Target: name, At: now, Reason: c.Reason})
	if err != nil {
		return fmt.Errorf("pausing %s: %w; whether it is paused is not known: do it again", name, err)
	}
	c.tell(w, printable(name), secret, done, now)
	return nil
}

func (c *pauseCommand) tell(w *world, name, secret string, done tokenstore.PauseResult, now time.Time) {
	if done.Already {
		fmt.Fprintf(w.stdout, "%s was already %v, and stays so.\n", name, &done.Pause)
	} else {
		fmt.Fprintf(w.stdout, "%s is %v.\n", name, &done.Pause)
	}
	fmt.Fprintf(w.stdout, "Secret %s holds a tombstone in place of the token, version %s. Whoever reads it gets an\n", secret, done.VersionID)
	fmt.Fprintf(w.stdout, "error, and the functions leave it alone, whatever the event, until it is resumed:\n  %s\n", c.again("resume"))
	if left := done.Last.Expiry.Sub(now); left > 0 {
		fmt.Fprintf(w.stdout, "Google cannot revoke tokens: who has read %s can use it until %s, in %s. To stop that,\n",
			done.Last.Value, done.Last.Expiry.Format(time.RFC3339), brief(left))
		fmt.Fprintf(w.stdout, "take its IAM roles from %s.\n", printable(done.Last.Principal))
	}
}

type resumeCommand struct{ targetFlags }

func (c *resumeCommand) Run(w *world) error {
	name, secret, err := c.find(w)
	if err != nil {
		return err
	}
	store, err := openStore(w)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(w.ctx, pauseTimeout)
	defer cancel()
	ended, err := store.Resume(ctx, secret, time.Now())
	if err != nil {
		return fmt.Errorf("resuming %s: %w", secret, err)
	}
	if name == "" {
		name = secret
	}
	if ended == nil {
		fmt.Fprintf(w.stdout, "%s is not paused; nothing was changed.\n", name)
		return nil
	}
	fmt.Fprintf(w.stdout, "%s is resumed; it was %v.\n", name, ended)
	fmt.Fprintf(w.stdout, "Until the next run of its function mints a token, which the schedule does within minutes, secret\n%s holds none. See whether it has:\n", secret)
	if c.Secret != "" {
		fmt.Fprintf(w.stdout, "  wifmint status --secret %s\n", setup.Quote(secret))
	} else {
		fmt.Fprintf(w.stdout, "  wifmint status --config %s\n", setup.Quote(c.Config))
	}
	return nil
}
