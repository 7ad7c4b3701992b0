package docs_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// filter is CloudWatch Logs' pattern for a text field of a JSON line.
var filter = regexp.MustCompile(`\{ \$\.([a-zA-Z_.]+) = "([^"]+)" \}`)

// Nobody should learn at three in the morning that a runbook's filter matches nothing.
func TestEveryLogFilterOfADocumentFindsALineOfTheFunctions(t *testing.T) {
	t.Parallel()
	lines := linesOfFailures(t)
	filters := 0
	for path, text := range documents(t) {
		for _, pattern := range regexp.MustCompile(`--filter-pattern '([^']+)'`).FindAllStringSubmatch(text, -1) {
			filters++
			field := filter.FindStringSubmatch(pattern[1])
			if field == nil {
				t.Errorf("%s: what does %s match? This test does not know", path, pattern[1])
			} else if !anyHas(lines, field[1], field[2]) {
				t.Errorf("%s: %s matches no line of the functions", path, pattern[1])
			}
		}
	}
	if filters < 2 {
		t.Errorf("found %d filters", filters)
	}
	for _, name := range []string{"summary.deferred", "summary.minted", "took_ms"} { // which duration.md has one look at
		if text := documents(t)[filepath.Join("docs", "runbooks", "duration.md")]; !strings.Contains(text, "`"+name+"`") || !anyHas(lines, name, "") {
			t.Errorf("no line has %s", name)
		}
	}
}

// linesOfFailures are log lines of a run and a canary that failed, as the functions'
// handler writes them.
func linesOfFailures(t *testing.T) []map[string]any {
	t.Helper()
	var log bytes.Buffer
	cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
	store := &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("ASIAIOSFODNN7EXAMPLE", "key", ""), HTTPClient: &http.Client{Transport: cloud},
	})}
	k := keeper.New(keeper.Keeper{
		Function: "rotator",
		Config: &keeper.Config{
			Credentials: &externalaccount.File{UniverseDomain: "googleapis.com"},
			Targets:     []keeper.Target{{Name: "reports", Secret: "s", ServiceAccount: "reports@p-roject.iam.gserviceaccount.com", RefreshAt: keeper.DefaultRefreshAt}},
		},
		Owns: func(keeper.Target) bool { return true },
		Minting: func() keeper.MintFunc {
			return func(context.Context, keeper.Target) (keeper.MintedToken, error) {
				return keeper.MintedToken{}, errors.New("refused")
			}
		},
		Store: store,
		Log:   slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr})), // as lambdacontext.NewLogger
	})
	if _, err := k.Run(t.Context(), keeper.Event{}); err == nil {
		t.Error("the run did not fail")
	}
	if _, err := k.TryCanary(t.Context(), keeper.Canary{ServiceAccount: "nobody@p-roject.iam.gserviceaccount.com"}); err == nil {
		t.Error("the canary did not fail")
	}
	var lines []map[string]any
	for line := range bytes.Lines(log.Bytes()) {
		var fields map[string]any
		if err := json.Unmarshal(line, &fields); err != nil {
			t.Fatal(err)
		}
		lines = append(lines, fields)
	}
	return lines
}

// anyHas reports whether a line has a field, whose name has dots before the names of
// fields inside, with a value; "" is any.
func anyHas(lines []map[string]any, name, value string) bool {
	for _, line := range lines {
		var found any = line
		for part := range strings.SplitSeq(name, ".") {
			object, _ := found.(map[string]any)
			found = object[part]
		}
		if found != nil && (value == "" || fmt.Sprint(found) == value) {
			return true
		}
	}
	return false
}
