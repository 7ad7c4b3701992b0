package main

import (
	"context"
	"path/filepath"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

// executable is one of the programs that are measured.
type executable int

const (
	hello executable = iota
	smOnly
	minter
	rotator
	federating
	impersonating
	nothing
	metadataLayer
	cli
	fixed
)

// executables are the programs, with where they are built from.
var executables = [...]struct{ name, module, pkg string }{
	hello:         {"hello-world", ".", "./lambdas/hello"},
	smOnly:        {"client only", ".", "./lambdas/smonly"},
	minter:        {"minter", "..", "./functions/minter"},
	rotator:       {"rotator", "..", "./functions/rotator"},
	federating:    {"as written today", ".", "./lambdas/federating"},
	impersonating: {"as written today", ".", "./lambdas/impersonating"},
	nothing:       {"do-nothing extension", ".", "./extensions/nothing"},
	metadataLayer: {"metadata layer", "..", "./layers/metadata"},
	cli:           {"wifmint metadata", "..", "./cmd/wifmint"},
	fixed:         {"do-nothing server", ".", "./servers/fixed"},
}

func (x executable) String() string { return executables[x].name }

// paths are where the executables were built.
type paths [len(executables)]string

func build(ctx context.Context, dir string) (paths, error) {
	var built paths
	for x, s := range executables {
		path, err := lambdaapi.Build(ctx, s.module, s.pkg, filepath.Join(dir, filepath.Base(s.pkg)))
		if err != nil {
			return built, err
		}
		built[x] = path
	}
	return built, nil
}
