package supplier

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/secret"
)

func TestAssumeRoleAsksAgainFiveMinutesBeforeTheSessionEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, baseAsked := hourly(), 0
		base := baseKeys()
		base.asked = &baseAsked
		role := &AssumeRole{Base: base, RoleARN: testRole, HTTPClient: w.client()}
		for _, step := range []struct {
			after time.Duration
			calls int
		}{{0, 1}, {54 * time.Minute, 1}, {59 * time.Second, 1}, {time.Second, 2}, {54 * time.Minute, 2}} {
			time.Sleep(step.after)
			creds, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantAssumed(t, creds, err)
			if len(w.calls()) != step.calls {
				t.Errorf("after %v: %d calls, want %d", step.after, len(w.calls()), step.calls)
			}
		}
		if baseAsked != 5 {
			t.Errorf("Base was asked %d times, want 5: at every call", baseAsked)
		}
	})
}

func TestAssumeRoleKeepsASessionForEachBase(t *testing.T) {
	t.Parallel()
	w := hourly()
	base := &rotating{}
	role := &AssumeRole{Base: base, RoleARN: testRole, HTTPClient: w.client()}
	other := testKeys()
	other.SessionToken = secret.New("another session of the same key id"[:7])
	for _, step := range []struct {
		keys  AwsSecurityCredentials
		calls int
	}{{testKeys(), 1}, {testKeys(), 1}, {other, 2}, {testKeys(), 2}, {other, 2}} {
		base.keys = step.keys
		if _, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{}); err != nil {
			t.Fatal(err)
		}
		if len(w.calls()) != step.calls {
			t.Errorf("%d calls, want %d", len(w.calls()), step.calls)
		}
	}
}

type rotating struct{ keys AwsSecurityCredentials }

func (r *rotating) AwsSecurityCredentials(context.Context, SupplierContext) (AwsSecurityCredentials, error) {
	return r.keys, nil
}
func (r *rotating) AwsRegion(context.Context, SupplierContext) (string, error) {
	return "eu-west-1", nil
}

func TestAssumeRoleForgetsSessionsThatEnded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		base := &rotating{}
		role := &AssumeRole{Base: base, RoleARN: testRole, HTTPClient: hourly().client()}
		for i := range 50 {
			base.keys = AwsSecurityCredentials{AccessKeyID: fmt.Sprintf("ASIA%d", i), SecretAccessKey: secret.New(plantedKey)}
			if _, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{}); err != nil {
				t.Fatal(err)
			}
			time.Sleep(30 * time.Minute)
		}
		if len(role.sessions) > 2 {
			t.Errorf("%d sessions are kept", len(role.sessions))
		}
	})
}

func TestManyCallersShareOneAssumeRole(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := hourly()
		sts := w.answer
		w.answer = func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(time.Second):
				return sts(r)
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		role := &AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client()}
		var all sync.WaitGroup
		for i := range 50 {
			synctest.Wait() // the first, who is patient, is the one to ask
			all.Go(func() {
				ctx := t.Context()
				if i%2 == 1 { // these have less time than STS takes, and get no more
					var cancel func()
					ctx, cancel = context.WithTimeout(ctx, time.Second/2)
					defer cancel()
				}
				start := time.Now()
				creds, err := role.AwsSecurityCredentials(ctx, SupplierContext{})
				switch {
				case i%2 == 0:
					wantAssumed(t, creds, err)
				case !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second/2:
					t.Errorf("after %v: %v", time.Since(start), err)
				}
			})
		}
		all.Wait()
		if n := len(w.calls()); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
	})
}

func TestACallerThatGivesUpTakesNobodyAlong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		w := hourly()
		sts := w.answer
		w.answer = func(r *http.Request) (*http.Response, error) {
			if n++; n == 1 {
				return hangs().answer(r)
			}
			return sts(r)
		}
		role := &AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client()}
		impatient, cancel := context.WithCancel(t.Context())
		var both sync.WaitGroup
		both.Go(func() {
			_, err := role.AwsSecurityCredentials(impatient, SupplierContext{})
			if e := wantError(t, err, "assume-role", "gave up"); !e.Retryable || !errors.Is(err, context.Canceled) {
				t.Errorf("retryable %v, %v", e.Retryable, err)
			}
		})
		synctest.Wait()
		both.Go(func() {
			creds, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantAssumed(t, creds, err)
		})
		synctest.Wait()
		cancel()
		both.Wait()
	})
}

func TestWhoWaitsSharesTheRefusal(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &wire{answer: func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			return respond(r, http.StatusForbidden, stsError("AccessDenied", "no")), nil
		}}
		role := &AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client()}
		var all sync.WaitGroup
		for range 20 {
			all.Go(func() {
				_, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
				wantError(t, err, "assume-role", "AccessDenied")
			})
		}
		all.Wait()
		if n := len(w.calls()); n != 1 {
			t.Errorf("%d calls, want 1", n)
		}
		_, _ = role.AwsSecurityCredentials(t.Context(), SupplierContext{})
		if n := len(w.calls()); n != 2 {
			t.Errorf("%d calls: a refusal must not be kept", n)
		}
	})
}

func TestAPanicLeavesNobodyWaiting(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := hourly()
		var answered atomic.Bool
		sts := w.answer
		w.answer = func(r *http.Request) (*http.Response, error) {
			time.Sleep(time.Second)
			answered.Store(true)
			return sts(r)
		}
		role := &AssumeRole{Base: baseKeys(), RoleARN: testRole, HTTPClient: w.client(), Now: func() time.Time {
			if answered.Load() {
				panic("in the caller's clock")
			}
			return time.Now()
		}}
		var both sync.WaitGroup
		both.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			_, _ = role.AwsSecurityCredentials(t.Context(), SupplierContext{})
		})
		synctest.Wait()
		both.Go(func() {
			_, err := role.AwsSecurityCredentials(t.Context(), SupplierContext{})
			wantError(t, err, "assume-role", "panicked")
		})
		both.Wait()
	})
}
