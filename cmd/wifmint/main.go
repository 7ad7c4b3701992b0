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
	"syscall"

	"github.com/alecthomas/kong"
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
}

// world is what a command may touch besides its arguments.
type world struct {
	ctx            context.Context
	stdout, stderr io.Writer
	getenv         func(string) string
}

// usageError is a command line or a configuration that is wrong: exit 2.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	code := run(os.Args[1:], &world{ctx, os.Stdout, os.Stderr, os.Getenv})
	stop()
	os.Exit(code)
}

// run is the program without its process.
func run(args []string, w *world) int {
	exited := -1 // kong asks for an exit after printing help
	parser, err := kong.New(&commands{},
		kong.Name("wifmint"),
		kong.Description("Google Cloud tokens for AWS workloads, without a Google key."),
		kong.Writers(w.stdout, w.stderr),
		kong.Exit(func(code int) { exited = code }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
	)
	if err != nil {
		panic(err) // the commands struct is wrong: every run fails
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	command, err := parser.Parse(args)
	if exited >= 0 {
		return exited
	}
	if err == nil {
		err = command.Run(w)
	} else {
		err = usageError{fmt.Errorf("%w; see wifmint --help", err)}
	}
	if err == nil {
		return exitDone
	}
	fmt.Fprintf(w.stderr, "wifmint: %v\n", err)
	if errors.As(err, new(usageError)) {
		return exitUsage
	}
	return exitFailed
}
