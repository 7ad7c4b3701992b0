// Wifmint is the command line of wifmint: it shows the main job on this
// machine, checks configuration, and makes single tokens.
//
// Results go to standard output, everything else to standard error. It exits
// with 0 when done, 1 when the work failed, 2 on bad usage or configuration.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"github.com/wifmint/wifmint/internal/netlog"
)

const (
	exitDone   = 0
	exitFailed = 1
	exitUsage  = 2
)

type commands struct {
	Local        localCommand        `cmd:"" help:"Show the whole job on this machine: the real functions, a fake AWS and Google, no account, no network."`
	Validate     validateCommand     `cmd:"" help:"Check a config document or a credential file, and print every problem."`
	SubjectToken subjectTokenCommand `cmd:"" name:"subject-token" help:"Print the subject token that a credential file yields now. It is a credential for 15 minutes."`
	Token        tokenCommand        `cmd:"" help:"Mint one token and print it as it would be stored, masked."`
	Metadata     metadataCommand     `cmd:"" help:"Serve the tokens in secrets as Google's metadata server does, to every Google SDK on this machine."`
	Setup        setupCommand        `cmd:"" help:"Print what sets up Google and AWS, from a few questions or flags."`
	Doctor       doctorCommand       `cmd:"" help:"Walk every hop of a token and tell what is wrong, what it means and the command that mends it. Exit 1 if anything is."`
	Status       statusCommand       `cmd:"" help:"Show every target's token: whose, how long it lives, what is wrong with it. Exit 1 if one is missing."`
	Pause        pauseCommand        `cmd:"" help:"Stop a target: its secret holds no token until it is resumed."`
	Resume       resumeCommand       `cmd:"" help:"End a pause."`
	Trace        traceCommand        `cmd:"" help:"Tell where a token came from, by its fingerprint in a log."`
}

// world is what a command may touch besides its arguments.
type world struct {
	ctx            context.Context
	stdout, stderr io.Writer
	getenv         func(string) string
	// terminal tells whether stdout is one.
	terminal bool
}

// usageError is a command line or a configuration that is wrong: exit 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	// Whoever reads may go away, as head does. That is a failed write like any
	// other, after which a command cleans up, and not the end on the spot.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	netlog.Hide(os.Stderr)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(os.Args[1:], &world{ctx, os.Stdout, os.Stderr, os.Getenv, term.IsTerminal(int(os.Stdout.Fd()))})
	stop()
	os.Exit(code)
}

// run is the program without its process.
func run(args []string, w *world) int {
	ctx, cancel := context.WithCancel(w.ctx)
	defer cancel()
	results := &output{to: w.stdout, failed: cancel}
	err := execute(args, &world{ctx, results, w.stderr, w.getenv, w.terminal})
	if unwritten := results.failure(); unwritten != nil {
		err = fmt.Errorf("writing the results: %w", unwritten)
	}
	if err == nil {
		return exitDone
	}
	// Problems have a line each. A line may have in it what a file is called.
	for line := range strings.Lines("wifmint: " + err.Error()) {
		fmt.Fprintln(w.stderr, printable(strings.TrimSuffix(line, "\n")))
	}
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}

func execute(args []string, w *world) error {
	helped := false
	parser, err := kong.New(&commands{},
		kong.Name("wifmint"),
		kong.Description("Google Cloud tokens for AWS workloads, without a Google key."),
		kong.Writers(w.stdout, w.stderr),
		kong.Exit(func(int) { helped = true }), // which kong asks for after printing help
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // the commands struct is wrong: every run fails
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	switch {
	case helped:
		return nil
	case err != nil:
		return usageError{fmt.Errorf("%w; see wifmint --help", err)}
	}
	return command.Run(w)
}
