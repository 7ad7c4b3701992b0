package sdks_test

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

const (
	bucketEvent = `{"bucket": "bucket"}`
	bucketNames = `["bucket/an-object"]`
)

func TestThePythonExampleListsABucket(t *testing.T) {
	t.Parallel()
	example := python(t, `import json, sys, handler; json.dump(handler.handler(json.load(sys.stdin), None), sys.stdout)`)
	t.Run("with a service account's token, which tells its project", func(t *testing.T) {
		t.Parallel()
		w := newExampleWorld(t)
		w.serve(reports)
		w.handles(example, "GOOGLE_CLOUD_PROJECT=")
	})
	t.Run("with a federated token, in a project that is given", func(t *testing.T) {
		t.Parallel()
		w := newExampleWorld(t)
		w.serve(federated)
		w.handles(example, "GOOGLE_CLOUD_PROJECT="+project)
	})
}

func TestTheNodeExampleListsABucket(t *testing.T) {
	t.Parallel()
	w := newExampleWorld(t)
	w.serve(reports)
	w.handles(node(t, `
		import {json} from 'node:stream/consumers';
		import {handler} from './index.mjs';
		process.stdout.write(JSON.stringify(await handler(await json(process.stdin))));`))
}

func TestTheGoExampleListsABucket(t *testing.T) {
	t.Parallel()
	w := newExampleWorld(t)
	visitSources(t)
	bootstrap, err := lambdaapi.Build(t.Context(), root, "./examples/go", t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	env := maps.Clone(w.aws)
	maps.Copy(env, map[string]string{
		"WIFMINT_SECRETS": reports, "API_ENDPOINT_OVERRIDE": w.google.URL, "SSL_CERT_FILE": w.google.CAs,
	})
	e, err := lambdaapi.Start(t.Context(), lambdaapi.Function{
		Bootstrap: bootstrap, Env: env, Timeout: 10 * time.Second, Output: func(line string) { t.Log(line) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)

	result, err := e.Invoke(t.Context(), []byte(bucketEvent))
	if err != nil || string(result.Payload) != bucketNames {
		t.Errorf("it answered %s: %v", result.Payload, err)
	}
	w.everyTokenWasTaken()
}

func newExampleWorld(t *testing.T) *world {
	t.Helper()
	w := newWorld(t)
	w.google.takes("ya29.the-token", "an-object")
	w.store(reports, "ya29.the-token", time.Hour)
	w.store(federated, "ya29.the-token", time.Hour)
	return w
}

// handles runs a handler once.
func (w *world) handles(p program, env ...string) {
	w.t.Helper()
	cmd := w.command(p, append(env, "API_ENDPOINT_OVERRIDE="+w.google.URL)...)
	cmd.Stdin = strings.NewReader(bucketEvent)
	stderr := new(strings.Builder)
	cmd.Stderr = stderr
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatalf("%v\n%s", err, stderr)
	}
	if got := strings.ReplaceAll(string(out), `", "`, `","`); got != bucketNames {
		w.t.Errorf("it answered %s", got)
	}
	w.everyTokenWasTaken()
}
