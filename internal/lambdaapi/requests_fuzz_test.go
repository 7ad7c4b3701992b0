package lambdaapi

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"
)

// In whatever order the processes ask for whatever, and Lambda sends events when it
// may: who is refused is told why, and nobody answers an invocation but by its id.
func FuzzRequests(f *testing.F) {
	for _, steps := range []string{
		"rxn" + "inrnx", "rxnirnrn", "rnxxninx", "rxf", "rff", "rfxn", "rcxb", "rxbb", "rxnbf", "rxninenx", "ninxrf", "rrxxnn", "rxn" + strings.Repeat("inax", 5), "rxnieernxae", "xfban",
	} {
		f.Add(steps, "id", "id", "Runtime.X", []byte(`{"events":["INVOKE","SHUTDOWN"]}`))
		f.Add(steps, "id", "id", "", []byte(`{"events":[]}`))
		f.Add(steps, "another", "id", "a\x00", []byte(`{"errorType":"T","errorMessage":"m"}`))
	}
	f.Add("rxnian", "..", "..", "\xff", []byte("["))
	f.Add("rxniaen", "a/b", "a/b", "", []byte(strings.Repeat("[", 20_000)))
	f.Fuzz(func(t *testing.T, steps, told, id, header string, body []byte) {
		u := newUnstaffed(t, id)
		for _, step := range steps[:min(len(steps), 100)] {
			before := u.s.current
			status := u.step(step, told, header, body)
			if before == nil || !before.answered {
				continue
			}
			if before.id != told {
				t.Fatalf("%q answered the invocation %q", told, before.id)
			}
			if step == 'a' && status == http.StatusAccepted && string(before.payload) != string(body) {
				t.Fatalf("the answer is %q, not %q", before.payload, body)
			}
		}
	})
}

// unstaffed is a sandbox without processes: the steps are what they would ask for.
type unstaffed struct {
	t  *testing.T
	s  *sandbox
	id string // of every invocation
}

func newUnstaffed(t *testing.T, id string) unstaffed {
	s := &sandbox{
		function: Function{Name: "f"}, extensions: []*extension{newExtension("/opt/extensions/x")}, started: time.Now().Add(-time.Second), pending: 2,
		events: make(chan *invocation, 1), registered: make(chan struct{}), ready: make(chan struct{}), initFailed: make(chan struct{}),
	}
	return unstaffed{t, s, id}
}

// step is 0 without a request.
func (u unstaffed) step(step rune, told, header string, body []byte) (status int) {
	const runtime, extension = "/2018-06-01/runtime/", "/2020-01-01/extension/"
	x := u.s.extensions[0]
	switch step {
	case 'i':
		u.invoke()
	case 'n':
		return u.ask("GET", runtime+"invocation/next", header, nil, len(u.s.events) > 0)
	case 'a':
		return u.ask("POST", runtime+"invocation/"+url.PathEscape(told)+"/response", header, body, true)
	case 'e':
		return u.ask("POST", runtime+"invocation/"+url.PathEscape(told)+"/error", header, body, true)
	case 'f':
		return u.ask("POST", runtime+"init/error", header, body, true)
	case 'r':
		return u.ask("POST", extension+"register", header, body, true)
	case 'x':
		return u.ask("GET", extension+"event/next", header, nil, len(x.events) > 0)
	case 'b':
		return u.ask("POST", extension+"init/error", header, body, true)
	case 'c':
		return u.ask("POST", extension+"exit/error", header, body, true)
	}
	return 0
}

// invoke begins an invocation, if everyone waits for one.
func (u unstaffed) invoke() {
	if u.s.initDuration() == 0 || u.s.current != nil {
		return
	}
	inv := &invocation{id: u.id, finished: make(chan struct{})}
	u.s.begin(inv)
	u.s.events <- inv
}

// ask makes a request and checks its answer. A process that would wait goes instead.
func (u unstaffed) ask(method, path, header string, body []byte, stays bool) int {
	ctx, leave := context.WithCancel(u.t.Context())
	defer leave()
	if !stays {
		leave()
	}
	r, err := http.NewRequestWithContext(ctx, method, "http://127.0.0.1"+path, strings.NewReader(string(body)))
	if err != nil {
		u.t.Fatal(err)
	}
	x := u.s.extensions[0]
	r.Header = http.Header{"Lambda-Extension-Name": {x.name}, "Lambda-Extension-Identifier": {x.id}, "Lambda-Runtime-Function-Error-Type": {header}, "Lambda-Extension-Function-Error-Type": {header}}
	w := httptest.NewRecorder()
	u.s.routes().ServeHTTP(w, r)
	var refusal errorDocument
	switch {
	case u.s.pending < 0:
		u.t.Fatalf("%s %s: %d are pending", method, path, u.s.pending)
	case w.Code >= 500:
		u.t.Fatalf("%s %s: status %d", method, path, w.Code)
	case w.Code == http.StatusForbidden || w.Code == http.StatusBadRequest:
		if err := json.Unmarshal(w.Body.Bytes(), &refusal); err != nil || refusal.Type == "" || refusal.Message == "" {
			u.t.Fatalf("%s %s: refused with %q", method, path, w.Body)
		}
	}
	return w.Code
}
