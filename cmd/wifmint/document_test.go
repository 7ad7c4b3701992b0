package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const credentialFile = `{"type": "external_account", "audience": "` + scriptAudience + `",
	"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request", "credential_source": {"environment_id": "aws1"}}`

func TestADocumentIsToldByItsFieldsAndBoundedLikeTheFunctions(t *testing.T) {
	t.Parallel()
	config := `{"credentials": ` + credentialFile + `, "targets": [{"name": "a", "secret": "a"}]}`
	for _, tt := range []struct {
		name, document string
		want           int
		stdout         string
	}{
		{"a credential file", credentialFile, exitDone, "a credential file of type external_account, no problems"},
		{"a credential file with a byte order mark", "\ufeff" + credentialFile, exitDone, "a credential file of type external_account, no problems"},
		{"a config document with a byte order mark", "\ufeff" + config, exitDone, "a config document with 1 target"},
		{"a config document of 8 MiB", config + strings.Repeat(" ", 8<<20-len(config)), exitDone, "a config document with 1 target"},
		{"a config document of a byte more", config + strings.Repeat(" ", 8<<20-len(config)+1), exitUsage, "document: found 8388609 bytes; write at most 8388608 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "document.json")
			if err := os.WriteFile(file, []byte(tt.document), 0o600); err != nil {
				t.Fatal(err)
			}
			var stdout, stderr strings.Builder
			w := &world{ctx: t.Context(), stdout: &stdout, stderr: &stderr, getenv: func(string) string { return "" }}
			if code := run([]string{"validate", file}, w); code != tt.want || !strings.Contains(stdout.String(), tt.stdout) {
				t.Errorf("exit %d, standard output %q", code, stdout.String())
			}
		})
	}
}
