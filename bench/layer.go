package main

import (
	"context"
	"fmt"
	"net"

	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// layered are the extensions that the function is started with in turns.
var layered = [...][]executable{nil, {nothing}, {metadataLayer}}

// measureLayer starts the smallest function with and without an extension.
func measureLayer(ctx context.Context, built paths, e effort) ([]row, error) {
	address, err := freeAddress()
	if err != nil {
		return nil, err
	}
	env := environment(fakecloud.Endpoints{})
	env["WIFMINT_SECRETS"], env["WIFMINT_METADATA_ADDR"], env["GCE_METADATA_HOST"] = secretOf(0), address, address
	progress("starting a function with and without extensions %d times", e.rounds)
	var measured [len(layered)]starts
	err = inTurns(e.rounds+warmUps, len(layered), func(round, i int) error {
		f := lambdaapi.Function{Bootstrap: built[hello], Env: env}
		for _, x := range layered[i] {
			f.Extensions = append(f.Extensions, built[x])
		}
		var into *starts
		if round >= warmUps {
			into = &measured[i]
		}
		if err := startOnce(ctx, f, into); err != nil {
			return fmt.Errorf("starting %v with %v: %w", hello, layered[i], err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return layerRows(measured[0].seconds, measured[1].seconds, measured[2].seconds), nil
}

// freeAddress is one on loopback that nothing listens on.
func freeAddress() (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// layerBudget bounds what the layer adds to a start by what any extension does.
const layerBudget = 1.3

// layerRows is given the starts without an extension, with one that does nothing,
// and with the layer's. What is added is told round by round.
func layerRows(alone, idle, layer sample) []row {
	pair := [2]executable{metadataLayer, nothing}
	added := compare("what an extension adds to a start", milliseconds, pair, layer.minus(alone), idle.minus(alone))
	added.budget, added.peer = layerBudget, nothing.String()
	return []row{
		added,
		compare("spawn of extension and function to every /next", milliseconds, pair, layer, idle),
		compare("spawn of extension and function to every /next", milliseconds, [2]executable{nothing, hello}, idle, alone),
	}
}
