package main

import (
	"fmt"
	"slices"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/status"
)

// secretsFlags say which secrets a command is about.
type secretsFlags struct {
	Config string   `required:"" xor:"secrets" placeholder:"FILE" help:"A config document: the secrets of all its targets."`
	Secret []string `required:"" xor:"secrets" placeholder:"ID" help:"A secret's name or ARN; may be repeated."`
}

func (f *secretsFlags) targets(w *world) ([]status.Target, error) {
	if f.Config == "" {
		var targets []status.Target
		for _, id := range slices.Compact(slices.Sorted(slices.Values(f.Secret))) {
			targets = append(targets, status.Target{Secret: id})
		}
		return targets, nil
	}
	config, err := readConfig(f.Config, w)
	if err != nil {
		return nil, err
	}
	return status.Targets(config), nil
}

// readConfig reads a config document. It fails with a usageError.
func readConfig(file string, w *world) (*keeper.Config, error) {
	doc, err := readDocument(file, w)
	if err != nil {
		return nil, err
	}
	if doc.config == nil {
		return nil, usageError{fmt.Errorf("%s is a credential file, which has no targets; give a config document", file)}
	}
	return doc.config, nil
}
