package sdks_test

import (
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// fakeGoogle is a Cloud Storage bucket and a service that wants an ID token. It
// is the judge: it lets in whoever shows a token that is in its lists.
type fakeGoogle struct {
	URL string // https
	CAs string // the file with the certificate to trust

	mu      sync.Mutex
	objects map[string]string // the name of the object that an access token lists
	callers map[string]string // whose ID token it is
	refused []string          // what was asked for without a token that is in the lists
}

func newGoogle(t *testing.T) *fakeGoogle {
	t.Helper()
	g := &fakeGoogle{objects: map[string]string{}, callers: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /storage/v1/b/{bucket}/o", func(w http.ResponseWriter, r *http.Request) {
		if object, ok := g.admit(w, r, g.objects); ok {
			name := r.PathValue("bucket") + "/" + object
			answer(w, map[string]any{"kind": "storage#objects", "items": []any{map[string]any{"kind": "storage#object", "name": name}}})
		}
	})
	mux.HandleFunc("GET /service", func(w http.ResponseWriter, r *http.Request) {
		if caller, ok := g.admit(w, r, g.callers); ok {
			answer(w, map[string]any{"caller": caller})
		}
	})
	server := httptest.NewTLSServer(mux)
	t.Cleanup(server.Close)
	g.URL, g.CAs = server.URL, filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(g.CAs, block, 0o600); err != nil {
		t.Fatal(err)
	}
	return g
}

func (g *fakeGoogle) admit(w http.ResponseWriter, r *http.Request, list map[string]string) (entry string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if entry, ok = list[token]; !ok {
		g.refused = append(g.refused, r.URL.Path)
		http.Error(w, "this token is not in the list", http.StatusUnauthorized)
	}
	return entry, ok
}

func (g *fakeGoogle) takes(accessToken, object string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.objects[accessToken] = object
}

func (g *fakeGoogle) knows(idToken, caller string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.callers[idToken] = caller
}

func answer(w http.ResponseWriter, document any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(document)
}
