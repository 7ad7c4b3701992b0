package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// countCalls has the real minter work against fake clouds, which count what
// it asks them for.
func countCalls(ctx context.Context, built paths, _ effort) ([]row, error) {
	progress("counting calls")
	var rows []row
	for _, run := range []struct {
		what    string
		targets int
		age     time.Duration // of tokens that live for an hour
		need    calls
	}{
		{"calls for a fresh target", 1, 0, calls{"GetSecretValue": 1}},
		{"calls for a due target", 1, 50 * time.Minute, calls{"GetSecretValue": 1, "exchange": 1, "PutSecretValue": 1}},
		{"calls for 45 fresh targets", 45, 0, calls{"BatchGetSecretValue": 3}},
	} {
		made, err := callsOfRun(ctx, built[minter], run.targets, run.age)
		if err != nil {
			return nil, fmt.Errorf("counting %s: %w", run.what, err)
		}
		rows = append(rows, callsRow(run.what, made, run.need))
	}
	return rows, nil
}

// callsRow has a budget that only just the needed calls keep.
func callsRow(what string, made, needed calls) row {
	ratio := made.total() / needed.total()
	if !maps.Equal(made, needed) {
		ratio = max(ratio, 1.01) // as many, or fewer, but not those: never within the budget
	}
	return row{what: what, ratio: ratio, budget: 1, this: "made " + made.String(), that: "needed " + needed.String()}
}

// calls counts calls by what was asked for.
type calls map[string]int

func (c calls) total() (n float64) {
	for _, count := range c {
		n += float64(count)
	}
	return n
}

func (c calls) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, thousands(c[name])+" "+name)
	}
	return strings.Join(parts, ", ")
}

// callsOfRun runs the minter twice, and returns the calls of the second run: the
// first stores the tokens, which are then made as old as age.
func callsOfRun(ctx context.Context, bootstrap string, targets int, age time.Duration) (calls, error) {
	cloud := newCloud()
	server, err := cloud.Serve()
	if err != nil {
		return nil, err
	}
	defer server.Close()
	e, err := startWith(ctx, bootstrap, time.Minute, server.Endpoints(), federatedTargets(targets))
	if err != nil {
		return nil, err
	}
	defer e.Close()

	if err := invoke(ctx, e); err != nil {
		return nil, err
	}
	if err := makeOlder(cloud, age); err != nil {
		return nil, err
	}
	cloud.ResetCalls()
	if err := invoke(ctx, e); err != nil {
		return nil, err
	}
	return callsTo(cloud), nil
}

// callsTo are the calls that a cloud was asked for by the function. Those for
// which there were too many are told apart.
func callsTo(cloud *fakecloud.Cloud) calls {
	made := calls{}
	for _, call := range cloud.Calls() {
		switch {
		case call.Service == "aws-sts": // asked by the fake Google, not by the function
		case call.Service == "google-sts":
			made["exchange"]++
		case call.Err == "ThrottlingException":
			made["throttled "+call.Operation]++
		default:
			made[call.Operation]++
		}
	}
	return made
}

func federatedTargets(n int) []object {
	list := make([]object, n)
	for i := range list {
		name := fmt.Sprintf("target-%05d", i)
		list[i] = object{"name": name, "secret": "wifmint/" + name, "scopes": []string{scope}}
	}
	return list
}

func invoke(ctx context.Context, e *lambdaapi.Environment) error {
	result, err := e.Invoke(ctx, []byte(`{}`))
	if err == nil && result.Error != nil {
		err = result.Error
	}
	return err
}

// makeOlder moves the times of every stored token back.
func makeOlder(cloud *fakecloud.Cloud, age time.Duration) error {
	if age == 0 {
		return nil
	}
	for _, s := range cloud.Secrets() {
		current, found := s.Labelled("AWSCURRENT")
		if !found {
			return errors.New("the minter stored nothing in " + s.Name)
		}
		token, err := tokenstore.Parse([]byte(current.Value))
		if err != nil {
			return err
		}
		token.MintedAt, token.Expiry = token.MintedAt.Add(-age), token.Expiry.Add(-age)
		text, err := token.Encode()
		if err != nil {
			return err
		}
		cloud.PutSecret(s.Name, string(text))
	}
	return nil
}
