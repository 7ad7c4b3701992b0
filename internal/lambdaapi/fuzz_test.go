package lambdaapi

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

func FuzzPostedError(f *testing.F) {
	f.Add("", []byte(`{"errorType":"T","errorMessage":"m","stackTrace":[{"path":"p","line":1,"label":"l"}]}`))
	f.Add("Header.Type", []byte(`{"errorMessage":"m"}`))
	f.Add("Header.Type", []byte("not JSON \xff"))
	f.Add("", []byte(`{"stackTrace":"text"}`))
	for _, seed := range hostilejson.Seeds(`{"errorType":"T","errorMessage":"m","stackTrace":[]}`) {
		f.Add("", []byte(seed))
	}
	f.Fuzz(func(t *testing.T, headerType string, body []byte) {
		posted := postedError(headerType, body)
		if posted.Type == "" {
			t.Error("no type")
		}
		var doc errorDocument
		if err := json.Unmarshal(posted.document(), &doc); err != nil {
			t.Errorf("the document is not JSON: %v", err)
		}
	})
}

func FuzzLineWriter(f *testing.F) {
	f.Add("one\ntwo\n\nrest", 3)
	f.Add(strings.Repeat("x", maxLine)+"\n", maxLine)
	f.Fuzz(func(t *testing.T, text string, chunk int) {
		var lines []string
		w := &lineWriter{emit: func(line string) { lines = append(lines, line) }}
		for rest := text; rest != ""; {
			n := min(max(chunk, 1), len(rest))
			if written, err := w.Write([]byte(rest[:n])); written != n || err != nil {
				t.Fatalf("wrote %d of %d: %v", written, n, err)
			}
			rest = rest[n:]
		}
		w.close()
		if len(text) < maxLine {
			if got, want := strings.Join(lines, "\n"), strings.TrimSuffix(text, "\n"); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		for _, line := range lines {
			if len(line) > maxLine || strings.Contains(line, "\n") {
				t.Errorf("a line of %d bytes, newlines %d", len(line), strings.Count(line, "\n"))
			}
		}
	})
}
