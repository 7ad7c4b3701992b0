package tokensource_test

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

func (w *world) pause(t *testing.T) {
	t.Helper()
	if _, err := w.store().Pause(t.Context(), name, tokenstore.Pause{Target: "reports", At: time.Now(), Reason: "leaked"}); err != nil {
		t.Fatal(err)
	}
}

// wantPaused checks that a Source refuses and says why.
func wantPaused(t *testing.T, source *tokensource.Source) {
	t.Helper()
	token, err := source.Token(t.Context())
	if !token.Value.IsZero() {
		t.Errorf("got a token until %v", token.Expiry)
	}
	wantError(t, err, false, `"wifmint/reports": there is none until a person resumes the target: paused at 2000-01-01T0`)
	if p, ok := errors.AsType[*tokenstore.Pause](err); !ok || p.Reason != "leaked" {
		t.Errorf("the pause is not among the causes of %v", err)
	}
}

func TestAPausedSecretYieldsNoToken(t *testing.T) {
	t.Parallel()
	for name, pause := range map[string]func(*testing.T, *world){
		"paused by a person": func(t *testing.T, w *world) { w.pause(t) },
		// As it is for a moment within a pause, and if it was made by hand.
		"with a good token in AWSPREVIOUS": func(t *testing.T, w *world) {
			w.cloud.PutSecret(name, `{"version":1,"kind":"paused","paused_at":"2000-01-01T00:00:00Z","reason":"leaked"}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.holds(w.minted(1))
				w.holds(w.minted(2))
				pause(t, w)
				wantPaused(t, w.source())
			})
		})
	}
}

// A pause is learned of where a Source reads, and then what is left of the token in
// memory is not returned any more.
func TestAPauseEndsTheTokenInMemoryWhenItIsSeen(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		source := w.source()
		w.holds(w.minted(1))
		wantToken(t, w.minted(1))(source.Token(t.Context()))
		first := w.minted(1)
		w.pause(t)
		time.Sleep(56 * time.Minute) // 240 s are left: it does not look
		wantToken(t, first)(source.Token(t.Context()))
		time.Sleep(20 * time.Second)
		for range 3 {
			wantPaused(t, source)
			time.Sleep(time.Minute)
		}

		if _, err := w.store().Resume(t.Context(), name, time.Now()); err != nil {
			t.Fatal(err)
		}
		_, err := source.Token(t.Context())
		wantError(t, err, true, "it was resumed, and nothing has been minted since")
		w.holds(w.minted(2))
		time.Sleep(6 * time.Second)
		second := w.minted(2)
		second.Expiry = second.Expiry.Add(-6 * time.Second)
		wantToken(t, second)(source.Token(t.Context()))
	})
}
