package conformance_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/bootstraptest"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/tokensource"
)

// mixed has boto3 do what the lines of JSON say.
func (w *world) mixed(lines ...string) (answers []string) {
	w.t.Helper()
	p := tool{path: venvProgram(w.t, "sam", "python"), args: []string{"mixed_boto3.py", root + "/schema/token.schema.json"}, env: w.callers, stdin: strings.Join(lines, "\n")}
	for line := range strings.Lines(p.mustOutput(w.t)) {
		answers = append(answers, line)
	}
	return answers
}

// run has a function of ours, which is no container's, handle an event.
func (w *world) run(function string) (response string) {
	w.t.Helper()
	env := maps.Clone(w.functions)
	env["AWS_REGION"] = region
	for _, name := range []string{"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"} {
		env[name] = w.callers[name]
	}
	e, err := lambdaapi.Start(w.t.Context(), lambdaapi.Function{Bootstrap: bootstraptest.Build(w.t, "./functions/"+function), Env: env, Timeout: 30 * time.Second})
	if err != nil {
		w.t.Fatal(err)
	}
	defer e.Close()
	result, err := e.Invoke(w.t.Context(), []byte("{}"))
	if err != nil || result.Error != nil {
		w.t.Fatal(err, result.Error)
	}
	return string(result.Payload)
}

func TestBoto3ReadsWhatTheFunctionsWroteAndItFitsTheSchema(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1")
	w.holds(w.run("minter"), "minter", "minted")
	w.holds(w.run("rotator"), "rotator", "minted minted")
	answers := w.mixed(`{"read": "wifmint/federated"}`, `{"read": "wifmint/reports"}`, `{"read": "wifmint/api"}`)
	if len(answers) != 3 {
		t.Fatalf("%d answers", len(answers))
	}
	for i, kind := range []string{"federated", "access_token", "id_token"} {
		var a struct {
			Kind, Header string
			Seconds      float64
		}
		if err := json.Unmarshal([]byte(answers[i]), &a); err != nil {
			t.Fatal(err)
		}
		token, bearer := strings.CutPrefix(a.Header, "Bearer ")
		issued, known := w.google.LookupToken(token)
		if a.Kind != kind || !bearer || !known {
			t.Errorf("a token of kind %s, want %s; sent as a bearer token: %v; of Google's: %v", a.Kind, kind, bearer, known)
		}
		if left := time.Until(issued.Expires).Seconds(); a.Seconds < left-5 || a.Seconds > left+5 {
			t.Errorf("the %s token has %v seconds left, to its reader %v", kind, left, a.Seconds)
		}
	}
}

func TestOurReaderAndOurMinterTakeWhatBoto3Wrote(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "127.0.0.1")
	now := time.Now().UTC().Truncate(time.Second)
	token, err := json.Marshal(map[string]any{
		"version": 1, "kind": "federated", "target": "federated", "token_type": "Bearer", "access_token": "ya29.written-by-boto3",
		"expiry": now.Add(time.Hour).Format(time.RFC3339), "minted_at": now.Format(time.RFC3339),
		"principal": audience, "scopes": []string{"https://www.googleapis.com/auth/cloud-platform"}, "universe_domain": "googleapis.com",
		"note": "a field that readers do not know: für später",
	})
	if err != nil {
		t.Fatal(err)
	}
	w.mixed(`{"write": "wifmint/federated", "token": ` + string(token) + `}`)

	source := tokensource.Source{Secret: "wifmint/federated", Reader: w.store()}
	got, err := source.Token(t.Context())
	if err != nil || got.Value.Reveal() != "ya29.written-by-boto3" || !got.Expiry.Equal(now.Add(time.Hour)) {
		t.Errorf("read %v, %v", got, err)
	}
	if response := w.run("minter"); !strings.Contains(response, `"outcome": "fresh"`) && !strings.Contains(response, `"outcome":"fresh"`) {
		t.Errorf("the minter replaces it: %s", response)
	}
}
