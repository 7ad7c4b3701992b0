package keeper

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestLoadConfigFindsTheDocument(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "wifmint.json")
	writeFile(t, file, sample)
	writeFile(t, filepath.Join(dir, "bad.json"), document(``))
	writeFile(t, filepath.Join(dir, "large.json"), strings.Repeat(" ", MaxConfigSize+1))
	for _, tt := range []struct{ name, value, taskRoot, wantErr string }{
		{"in the variable", sample, "/nowhere", ""},
		{"in the variable after space and a byte order mark", "\ufeff\n " + sample, "", ""},
		{"by an absolute path", file, "/nowhere", ""},
		{"by a path in the task root", "wifmint.json", dir, ""},
		{"by a path with a line break", "wifmint.json\n", dir, ""},
		{"nowhere", "", "", "reading the config document: WIFMINT_CONFIG is empty; set it to the document itself, or to the path of its file"},
		{"blank", " \n", "", "WIFMINT_CONFIG is empty"},
		{"in quotes", "'" + sample + "'", "", "WIFMINT_CONFIG is neither a document, which starts with '{', nor a path"},
		{"in a file that is not there", "other.json", dir, "reading the config document that WIFMINT_CONFIG names: open " + filepath.Join(dir, "other.json")},
		{"in a folder", dir, "", "is a directory"},
		{"in a file with problems", "bad.json", dir, "bad.json:\ntargets: found an empty array; write at least one target"},
		{"in a file that is too large", "large.json", dir, "document: found 8388609 bytes; write at most 8388608 bytes"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			config, err := LoadConfig(tt.value, tt.taskRoot, ConfigOptions{})
			switch {
			case tt.wantErr == "" && (err != nil || len(config.Targets) != 3):
				t.Errorf("LoadConfig = %v, %v", config, err)
			case tt.wantErr != "" && (err == nil || !strings.Contains(err.Error(), tt.wantErr)):
				t.Errorf("LoadConfig = %v, wanted %s", err, tt.wantErr)
			}
		})
	}
}

func TestARelativePathStartsAtTheWorkingDirectoryWithoutATaskRoot(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	writeFile(t, "wifmint.json", sample)
	if _, err := LoadConfig("wifmint.json", "", ConfigOptions{}); err != nil {
		t.Error(err)
	}
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
