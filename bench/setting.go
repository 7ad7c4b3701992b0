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

// setting says what the figures of the document were measured with.
func setting(now time.Time) string {
	return fmt.Sprintf("Measured %s with `make bench-write`: %s, %d processors, %s/%s, %s%s.\n"+
		"Medians, quartiles in brackets.\n",
		now.UTC().Format(time.DateOnly), processor(), runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), peers())
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
