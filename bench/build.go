package main

import (
	"context"
	"path/filepath"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

// function is one of the functions that are measured.
type function int

const (
	hello function = iota
	smOnly
	minter
	rotator
	federating
	impersonating
)

// functions are the functions, with where they are built from.
var functions = [...]struct{ name, module, pkg string }{
	hello:         {"hello-world", ".", "./lambdas/hello"},
	smOnly:        {"client only", ".", "./lambdas/smonly"},
	minter:        {"minter", "..", "./functions/minter"},
	rotator:       {"rotator", "..", "./functions/rotator"},
	federating:    {"as written today", ".", "./lambdas/federating"},
	impersonating: {"as written today", ".", "./lambdas/impersonating"},
}

func (f function) String() string { return functions[f].name }

// bootstraps are the built functions' executables.
type bootstraps [len(functions)]string

func buildFunctions(ctx context.Context, dir string) (bootstraps, error) {
	var built bootstraps
	for f, s := range functions {
		path, err := lambdaapi.Build(ctx, s.module, s.pkg, filepath.Join(dir, filepath.Base(s.pkg)))
		if err != nil {
			return built, err
		}
		built[f] = path
	}
	return built, nil
}
