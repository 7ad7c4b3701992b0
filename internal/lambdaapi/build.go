package lambdaapi

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// Build compiles the main package pkg (such as "./functions/minter") of the
// module in moduleDir into outDir with the flags of the Makefile, but for this
// machine, and returns the path of the executable, which is named bootstrap.
// It needs the go command.
func Build(ctx context.Context, moduleDir, pkg, outDir string) (string, error) {
	out, err := filepath.Abs(filepath.Join(outDir, "bootstrap"))
	if err != nil {
		return "", fmt.Errorf("building %s: %w", pkg, err)
	}
	if runtime.GOOS == "windows" {
		out += ".exe"
	}
	var output bytes.Buffer
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", out, pkg)
	cmd.Dir = moduleDir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+runtime.GOOS, "GOARCH="+runtime.GOARCH)
	cmd.Stdout, cmd.Stderr = &output, &output
	cmd.WaitDelay = time.Second // the compilers that a killed go command leaves hold the pipe
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		return "", fmt.Errorf("building %s: %w\n%s", pkg, err, bytes.TrimSpace(output.Bytes()))
	}
	return out, nil
}
