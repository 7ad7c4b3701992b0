package sdks_test

import (
	"strings"
	"testing"
	"time"
)

// forEach runs a test with each SDK in a world of its own.
func forEach(t *testing.T, chosen func(sdk) bool, test func(*testing.T, *world, sdk)) {
	t.Parallel()
	for _, s := range sdks {
		if !chosen(s) {
			continue
		}
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			test(t, newWorld(t), s)
		})
	}
}

func all(sdk) bool           { return true }
func hasIDTokens(s sdk) bool { return s.hasIDTokens }

func TestAnSDKCallsGoogleWithTheTokenOfTheFirstSecret(t *testing.T) {
	forEach(t, all, func(t *testing.T, w *world, s sdk) {
		w.google.takes("ya29.the-reports", "read-by-reports")
		w.store(reports, "ya29.the-reports", time.Hour)
		w.store(federated, "ya29.the-federated", time.Hour)
		w.serve(reports, federated)
		p := w.start(s)

		if got, problem := p.ask("get", w.bucket()); got != "bucket/read-by-reports" {
			t.Errorf("got %q: %s", got, problem)
		}
		if got, problem := p.ask("project"); got != project {
			t.Errorf("the project is %q: %s", got, problem)
		}
		w.everyTokenWasTaken()
	})
}

func TestAnSDKCallsGoogleWithAFederatedToken(t *testing.T) {
	forEach(t, all, func(t *testing.T, w *world, s sdk) {
		w.google.takes("ya29.the-federated", "read-by-the-pool")
		w.store(federated, "ya29.the-federated", 200*time.Second)
		w.serve(federated)
		p := w.start(s)

		// A token that lives so short is asked for again, in Python by the name of
		// the account that the SDK was told at first.
		for range 2 {
			if got, problem := p.ask("get", w.bucket()); got != "bucket/read-by-the-pool" {
				t.Errorf("got %q: %s", got, problem)
			}
		}
		w.everyTokenWasTaken()
	})
}

func TestAnSDKCallsAServiceWithTheIDTokenForItsAudience(t *testing.T) {
	forEach(t, hasIDTokens, func(t *testing.T, w *world, s sdk) {
		w.google.takes("ya29.the-reports", "read-by-reports")
		w.store(reports, "ya29.the-reports", time.Hour)
		w.google.knows(w.storeIDToken(api, time.Hour), caller)
		w.serve(reports, api)
		p := w.start(s)

		if got, problem := p.ask("call", w.google.URL+"/service", audience); got != caller {
			t.Errorf("the service took the caller for %q: %s", got, problem)
		}
		got, problem := p.ask("call", w.google.URL+"/service", "https://unknown.example.run.app")
		if got != "" || !strings.Contains(problem, "no ID token") || !strings.Contains(problem, audience) {
			t.Errorf("for an audience that no secret is for, got %q and %q, which does not tell the one there is", got, problem)
		}
		w.everyTokenWasTaken()
	})
}

func TestTheSDKsTakeTheNewTokenBeforeTheOldOneExpires(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.google.takes("ya29.the-old", "old")
	w.google.takes("ya29.the-new", "new")
	w.store(reports, "ya29.the-old", 200*time.Second)
	w.serve(reports)
	processes := map[string]*process{}
	for _, s := range sdks {
		if !s.isEarly {
			continue
		}
		p := w.start(s)
		if got, problem := p.ask("get", w.bucket()); got != "bucket/old" {
			t.Fatalf("%s got %q: %s", s.name, got, problem)
		}
		processes[s.name] = p
	}
	w.store(reports, "ya29.the-new", time.Hour)
	// The server reads a secret every 5 s at most.
	for start := time.Now(); len(processes) > 0 && time.Since(start) < 30*time.Second; time.Sleep(50 * time.Millisecond) {
		for name, p := range processes {
			got, problem := p.ask("get", w.bucket())
			if problem != "" {
				t.Fatalf("%s: %s", name, problem)
			}
			if got == "bucket/new" {
				delete(processes, name)
			}
		}
	}
	for name := range processes {
		t.Errorf("%s still uses the old token", name)
	}
	w.everyTokenWasTaken()
}

func TestAnSDKIsNeverGivenAnExpiredToken(t *testing.T) {
	// What Python's does takes 17 s: five tries, ever further apart.
	quick := func(s sdk) bool { return !strings.HasPrefix(s.name, "Python") }
	forEach(t, quick, func(t *testing.T, w *world, s sdk) {
		w.store(reports, "ya29.the-old", -time.Minute)
		w.serve(reports)
		p := w.start(s)

		got, problem := p.ask("get", w.bucket())
		if got != "" || !strings.Contains(problem, reports) {
			t.Errorf("got %q and %q, which does not tell the secret", got, problem)
		}
		w.everyTokenWasTaken()
	})
}

func (w *world) bucket() string { return w.google.URL + "/storage/v1/b/bucket/o" }

func (w *world) everyTokenWasTaken() {
	w.t.Helper()
	w.google.mu.Lock()
	defer w.google.mu.Unlock()
	if refused := w.google.refused; len(refused) > 0 {
		w.t.Errorf("Google was shown a token that it does not take, at %v", refused)
	}
}
