package main

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// packaged are what the template deploys, by its logical ids, which are also the
// Makefile's targets.
var packaged = [...]struct{ name, target string }{
	{"minter", "build-Minter"},
	{"rotator", "build-Rotator"},
	{"metadata layer", "build-MetadataLayer"},
}

// zipLimit is the most bytes that one of them may have.
const zipLimit = 4_000_000

// deployedSizes has the Makefile build what is deployed, as SAM has it, and zips it as
// SAM does: what Lambda fetches for a cold start.
func deployedSizes(ctx context.Context) ([]row, error) {
	var rows []row
	for _, architecture := range []string{"arm64", "amd64"} {
		for _, p := range packaged {
			progress("building the %s for %s", p.name, architecture)
			size, err := zipOf(ctx, p.target, architecture)
			if err != nil {
				return nil, fmt.Errorf("zipping the %s for %s: %w", p.name, architecture, err)
			}
			limit := unit{" MB", 1e-6, 2}
			rows = append(rows, row{
				what: "zip for " + architecture, ratio: float64(size) / zipLimit, budget: 1,
				this: p.name + " " + sample{float64(size)}.in(limit), that: "limit " + sample{zipLimit}.in(limit),
			})
		}
	}
	return rows, nil
}

// zipOf is the size of the zip file of what a target of the Makefile builds.
func zipOf(ctx context.Context, target, architecture string) (int, error) {
	dir, err := os.MkdirTemp("", "wifmint-bench-zip-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "make", "-C", "..", target, "GOARCH="+architecture, "ARTIFACTS_DIR="+filepath.ToSlash(dir))
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("running make: %w\n%s", err, bytes.TrimSpace(output.Bytes()))
	}
	return zipSize(dir)
}

// zipSize is the size of a folder's zip file. SAM's is made by zlib, with the same
// effort, and some 2 % smaller.
func zipSize(dir string) (int, error) {
	var size counter
	archive := zip.NewWriter(&size)
	if err := archive.AddFS(os.DirFS(dir)); err != nil {
		return 0, err
	}
	if err := archive.Close(); err != nil {
		return 0, err
	}
	return int(size), nil
}
