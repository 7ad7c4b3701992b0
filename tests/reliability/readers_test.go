package reliability_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"sync"
	"time"

	"github.com/wifmint/wifmint/internal/metadata"
	"github.com/wifmint/wifmint/pkg/tokensource"
)

// gap is a time during which a reader had no token, counted from the start of its
// watch.
type gap struct{ from, to time.Duration }

func (g gap) length() time.Duration { return g.to - g.from }

// watch has a program that needs a secret's token ask for it every second, for as
// long as ctx lasts. When all is over, gaps tells when it got none.
func (w *world) watch(ctx context.Context, secret string, through tokensource.Reader) (gaps func() []gap) {
	source := &tokensource.Source{Secret: secret, Reader: through}
	return w.ask(ctx, time.Second, func() bool { return w.has(ctx, source) })
}

// has reports whether a source has a token, which may be none that Google does not
// take any more.
func (w *world) has(ctx context.Context, source *tokensource.Source) bool {
	token, err := source.Token(ctx)
	if err == nil {
		w.accepted(source.Secret, token.Value.Reveal(), time.Until(token.Expiry))
	}
	return err == nil
}

// watchMetadata is watch for a Google SDK, which asks the metadata server. It asks
// every 10 seconds.
func (w *world) watchMetadata(ctx context.Context, secret string) (gaps func() []gap) {
	server, err := metadata.NewServer(metadata.Options{Secrets: []string{secret}, Reader: w.store()})
	if err != nil {
		w.t.Fatal(err)
	}
	return w.ask(ctx, 10*time.Second, func() bool {
		r := httptest.NewRequestWithContext(ctx, http.MethodGet, "/computeMetadata/v1/instance/service-accounts/default/token", nil)
		r.Host = "127.0.0.1:2774"
		r.Header.Set("Metadata-Flavor", "Google")
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, r)
		if answer.Code != http.StatusOK {
			return false
		}
		var token struct {
			Value     string `json:"access_token"`
			ExpiresIn int    `json:"expires_in"`
		}
		if err := json.Unmarshal(answer.Body.Bytes(), &token); err != nil {
			w.t.Errorf("the metadata server answered %q: %v", answer.Body, err)
		}
		w.accepted(secret, token.Value, time.Duration(token.ExpiresIn)*time.Second)
		return true
	})
}

// accepted checks that Google takes a token that a reader was given, for at least
// as long as the reader was told.
func (w *world) accepted(secret, value string, told time.Duration) {
	issued, good := w.cloud.LookupToken(value)
	if left := time.Until(issued.Expires); !good || left < told.Truncate(time.Second) {
		w.t.Errorf("at %s a reader of %s was given a token that expires in %v, and told %v", time.Now().Format(time.TimeOnly), secret, left, told)
	}
}

// ask asks until ctx ends, and then tells when the answer was no. The time before
// the first yes does not count: nothing was there to read.
func (w *world) ask(ctx context.Context, every time.Duration, have func() bool) func() []gap {
	var all []gap
	var done sync.WaitGroup
	began := time.Now()
	done.Go(func() {
		open, yet := false, false
		for ctx.Err() == nil {
			now := time.Since(began)
			yes := have()
			switch {
			case ctx.Err() != nil:
				return
			case yes && open:
				all[len(all)-1].to = time.Since(began)
				open = false
			case !yes && !open && yet:
				all = append(all, gap{now, 1<<63 - 1})
				open = true
			}
			yet = yet || yes
			select {
			case <-time.After(every):
			case <-ctx.Done():
			}
		}
	})
	return func() []gap {
		done.Wait()
		return all
	}
}
