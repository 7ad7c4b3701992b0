package main

import (
	"bytes"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

// setting says what the figures were measured with.
func setting(now time.Time, e effort) string {
	command := "go -C bench run . -write"
	if e.largestFleet {
		command = "go -C bench run . -fleet -write"
	}
	return fmt.Sprintf("Measured %s with `%s`: %s, %d processors, %s/%s, %s%s.\n"+
		"Medians, quartiles in brackets.\n",
		now.UTC().Format(time.DateOnly), command, processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), peers())
}

// peers are the versions of what is compared.
func peers() string {
	info, _ := debug.ReadBuildInfo()
	var versions strings.Builder
	for _, m := range info.Deps {
		switch m.Path {
		case "cloud.google.com/go/auth", "golang.org/x/oauth2", "github.com/aws/aws-lambda-go", "github.com/aws/aws-sdk-go-v2/config", "github.com/aws/aws-sdk-go-v2/service/secretsmanager":
			versions.WriteString(", " + m.Path + " " + m.Version)
		}
	}
	return versions.String()
}

// processor is its name, where the system tells it.
func processor() string {
	info, _ := os.ReadFile("/proc/cpuinfo")
	for line := range bytes.Lines(info) {
		if name, value, _ := bytes.Cut(line, []byte(":")); string(bytes.TrimSpace(name)) == "model name" {
			return string(bytes.TrimSpace(value))
		}
	}
	return "unknown processor"
}

const (
	begin = "<!-- table: written by go -C bench run . -fleet -write -->\n"
	end   = "<!-- end of table -->\n"
)

// writeTable replaces what stands between the two marks in the file.
func writeTable(path, table, setting string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("writing the table: %s has not the lines %q and %q", path, begin, end)
	}
	text = []byte(before + begin + "\n" + setting + "\n" + table + "\n" + end + after)
	if err := os.WriteFile(path, text, 0o644); err != nil {
		return fmt.Errorf("writing the table: %w", err)
	}
	return nil
}
