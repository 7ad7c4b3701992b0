package reliability_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// pauses are the targets that a person has stopped, and what programs see of that.
type pauses struct {
	// store is called with the person's own credentials.
	store *tokenstore.Store
	// on are the secrets of which a Pause has returned, and no Resume has begun.
	on map[string]bool
	// begun counts.
	begun   int
	readers map[string]*watcher
}

// watcher is a program that has asked for a secret's token since the beginning.
type watcher struct {
	source *tokensource.Source
	asked  time.Time
	told   bool // that the target is paused
}

func newPauses(w *world) *pauses {
	person := fakecloud.AWSKey{AccessKeyID: "AKIARELIABILITY00002", SecretAccessKey: "planted-key-of-a-person", ARN: "arn:aws:iam::123456789012:user/ada"}
	w.cloud.AddAWSKey(person)
	p := &pauses{on: map[string]bool{}, readers: map[string]*watcher{}}
	p.store = &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region: region, HTTPClient: &http.Client{Transport: w.cloud},
		Credentials: credentials.NewStaticCredentialsProvider(person.AccessKeyID, person.SecretAccessKey, ""),
	})}
	for _, target := range w.config.Targets {
		p.readers[target.Secret] = &watcher{source: &tokensource.Source{Secret: target.Secret, Reader: p.store}}
	}
	return p
}

// person sometimes has somebody pause a target or resume it, before the round's
// invocations or, with its faults, among them. It returns what is left to do then.
func (e *episode) person(r *round) (act func()) {
	secret, odds := e.stoppable()
	paused := e.pauses.on[secret]
	if paused {
		odds = 2
	}
	if e.rng.IntN(odds) > 0 {
		return func() {}
	}
	held, _ := e.cloud.Secret(secret)
	if _, exists := held.Labelled("AWSCURRENT"); !exists {
		return func() {}
	}
	e.acts(r, secret, paused)
	do := func() error { return e.pause(secret) }
	if paused {
		do = func() error { return e.resume(secret) }
	}
	if e.rng.IntN(2) == 0 {
		if err := do(); err != nil {
			e.errorf("pausing or resuming %s: %v", secret, err)
		}
		return func() {}
	}
	delay := pick(e.rng, 0, 0, time.Second, 3*time.Second, 10*time.Second)
	return func() {
		time.Sleep(delay)
		if do() != nil {
			r.unsettled = do
		}
	}
}

// stoppable is any secret, to be paused rarely, or, to be paused often, one to which
// a rotation is about to give another value.
func (e *episode) stoppable() (secret string, odds int) {
	for _, target := range e.config.Targets {
		held, _ := e.cloud.Secret(target.Secret)
		pending, has := held.Labelled("AWSPENDING")
		current, _ := held.Labelled("AWSCURRENT")
		if has && pending.ID != current.ID && pending.Value != "" {
			return target.Secret, 2
		}
	}
	return pick(e.rng, e.config.Targets...).Secret, 8
}

// acts notes what a person is about to do.
func (i *inspector) acts(r *round, secret string, paused bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	r.acted, r.pausing = secret, !paused
	if !paused {
		i.pauses.begun++
	}
}

func (i *inspector) pause(secret string) error {
	_, err := i.pauses.store.Pause(i.t.Context(), secret, tokenstore.Pause{Target: i.target(secret).Name, At: time.Now(), Reason: "leaked"})
	if err == nil {
		i.setPaused(secret, true)
	}
	return err
}

func (i *inspector) resume(secret string) error {
	i.setPaused(secret, false)
	_, err := i.pauses.store.Resume(i.t.Context(), secret, time.Now())
	return err
}

func (i *inspector) setPaused(secret string, paused bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.pauses.on[secret] = paused
	i.pauses.readers[secret].told = false
}

// settle has the person who met a fault try again, when all is well.
func (i *inspector) settle(r *round) {
	if r.unsettled == nil {
		return
	}
	if err := r.unsettled(); err != nil {
		i.errorf("pausing or resuming %s once more: %v", r.acted, err)
	}
}

// mark is the kind of what takes a token's place while a target is paused and, until
// something is minted, when it was resumed; empty for anything else.
func mark(version fakecloud.SecretVersion) string {
	var held struct{ Kind string }
	_ = json.Unmarshal([]byte(version.Value), &held)
	if held.Kind == "paused" || held.Kind == "resumed" {
		return held.Kind
	}
	return ""
}

// inspectMark is inspectMove for what is no token: only a person puts it there.
func (i *inspector) inspectMark(secret string, to fakecloud.SecretVersion) {
	if put := map[bool]string{true: "paused", false: "resumed"}[i.round.pausing]; i.round.acted != secret || mark(to) != put {
		i.errorf("AWSCURRENT of %s moved to a mark, %s, that nobody put there", secret, mark(to))
	}
}

// inspectHeld checks what a secret holds when nobody is at work: a token, or what a
// person has put in its place, in AWSPREVIOUS too; and what its readers make of it.
func (i *inspector) inspectHeld(secret string) {
	held, exists := i.cloud.Secret(secret)
	current, has := held.Labelled("AWSCURRENT")
	if exists && !has {
		i.errorf("%s has no AWSCURRENT", secret)
	}
	if !has {
		return
	}
	if i.pauses.on[secret] {
		for _, label := range []string{"AWSCURRENT", "AWSPREVIOUS"} {
			if version, has := held.Labelled(label); has && mark(version) != "paused" {
				i.errorf("%s is paused, and its %s is a %q", secret, label, mark(version))
			}
		}
		i.inspectNewReader(secret)
	} else if _, err := tokenstore.Parse([]byte(current.Value)); err != nil && mark(current) != "resumed" {
		i.errorf("AWSCURRENT of %s is no token: %v", secret, err)
	}
	i.inspectOldReader(secret)
}

// inspectNewReader: who reads a paused secret gets no token, and is told why.
func (i *inspector) inspectNewReader(secret string) {
	source := &tokensource.Source{Secret: secret, Reader: i.pauses.store}
	if token, err := source.Token(i.t.Context()); !errors.As(err, new(*tokenstore.Pause)) || !token.Value.IsZero() {
		i.errorf("%s is paused, and a reader gets %v, %v", secret, token, err)
	}
}

// inspectOldReader: who has a token in memory may keep it until it is time to read.
// When it has learned of the pause that token does not come back.
func (i *inspector) inspectOldReader(secret string) {
	w := i.pauses.readers[secret]
	const between = 5 * time.Second // two reads
	if time.Since(w.asked) <= between {
		return
	}
	w.asked = time.Now()
	token, err := w.source.Token(i.t.Context())
	left := time.Until(token.Expiry)
	switch {
	case !i.pauses.on[secret]:
	case err != nil:
		w.told = true
		if !errors.As(err, new(*tokenstore.Pause)) {
			i.errorf("%s is paused, and a reader is told that %v", secret, err)
		}
	case w.told || left < readerRenews:
		i.errorf("%s is paused, and a reader that was told so (%v) gets a token with %v left", secret, w.told, left)
	}
}
