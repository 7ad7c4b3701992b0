package tokensource_test

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokensource"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const crowd = 1000

// ask has a crowd ask at once and returns how many waited how long.
func ask(call func(number int)) map[time.Duration]int {
	waited := make([]time.Duration, crowd)
	var all sync.WaitGroup
	for i := range crowd {
		all.Go(func() {
			began := time.Now()
			call(i)
			waited[i] = time.Since(began)
		})
	}
	all.Wait()
	counts := map[time.Duration]int{}
	for _, d := range waited {
		counts[d]++
	}
	return counts
}

// passUntilLeft sleeps until a token has so much left.
func passUntilLeft(t tokenstore.Token, left time.Duration) { time.Sleep(time.Until(t.Expiry) - left) }

func TestACrowdMakesOneReadAndEachWaitsNoLongerThanItWants(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		token := w.minted(1)
		w.holds(token)
		w.slow(2 * time.Second)
		source := w.source()
		counts := ask(func(i int) {
			if i%2 == 0 {
				wantToken(t, token)(source.Token(t.Context()))
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			_, err := source.Token(ctx)
			if wantError(t, err, true, "no answer in time"); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v, want the caller's own deadline", err)
			}
		})
		if counts[time.Second] != crowd/2 || counts[2*time.Second] != crowd/2 {
			t.Errorf("they waited %v", counts)
		}
		if n := w.cloud.Count("", ""); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestOneOfACrowdTriesToReplaceAStaleToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, token, source := cachedWorld(t)
		passUntilLeft(token, 200*time.Second)
		w.cloud.ResetCalls()
		quick := w.slow(time.Minute)
		cached := func(int) { wantToken(t, token)(source.Token(t.Context())) }

		if counts := ask(cached); counts[0] != crowd-1 || counts[time.Second] != 1 {
			t.Errorf("a crowd: they waited %v, want one of them to wait 1 s", counts)
		}
		if counts := ask(cached); counts[0] != crowd {
			t.Errorf("a second later: they waited %v", counts)
		}
		time.Sleep(4 * time.Second)
		if counts := ask(cached); counts[0] != crowd-1 || counts[time.Second] != 1 {
			t.Errorf("five seconds later: they waited %v, want one of them to wait 1 s", counts)
		}
		quick()
		time.Sleep(4 * time.Second)
		renewed := w.minted(2)
		w.holds(renewed)
		wantToken(t, renewed)(source.Token(t.Context())) // who tries gets the better one
		ask(func(int) { wantToken(t, renewed)(source.Token(t.Context())) })
		if n := w.reads(); n != 3 {
			t.Errorf("%d reads, want one for each try", n)
		}
	})
}

func TestATryTakesAQuarterOfTheTimeThatItsCallerHas(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, token, source := cachedWorld(t)
		passUntilLeft(token, time.Minute)
		w.slow(time.Minute)
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		wantToken(t, token)(source.Token(ctx))
		if took := time.Since(began); took != 500*time.Millisecond {
			t.Errorf("it took %v of 2 s", took)
		}
	})
}

func TestWhoGivesUpTakesNobodysTurn(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, token, source := cachedWorld(t)
		passUntilLeft(token, 200*time.Second)
		renewed := w.minted(2)
		w.holds(renewed)

		ended, end := context.WithCancel(t.Context())
		end()
		wantToken(t, token)(source.Token(ended)) // which is good, and there
		quick := w.slow(time.Minute)
		hasty, cancel := context.WithCancel(t.Context())
		time.AfterFunc(100*time.Millisecond, cancel)
		wantToken(t, token)(source.Token(hasty))
		quick()
		wantToken(t, renewed)(source.Token(t.Context()))
	})
}

func TestWhoeverTriesIsJoinedByThoseWhoHaveToWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w, token, source := cachedWorld(t)
		passUntilLeft(token, 30*time.Second)
		renewed := w.minted(2)
		w.holds(renewed)
		w.cloud.ResetCalls()
		w.slow(900 * time.Millisecond)
		var all sync.WaitGroup
		all.Go(func() { wantToken(t, renewed)(source.Token(t.Context())) })
		time.Sleep(time.Millisecond) // less than 30 s are left now
		for range crowd {
			all.Go(func() { wantToken(t, renewed)(source.Token(t.Context())) })
		}
		all.Wait()
		if n := w.cloud.Count("", ""); n != 1 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestAFailingStoreIsAskedEveryFiveSeconds(t *testing.T) {
	t.Parallel()
	for what, fault := range map[string]fakecloud.Fault{
		"it is down":            {Status: http.StatusServiceUnavailable},
		"the network is":        {Reset: true},
		"the role may not read": {Status: http.StatusBadRequest, Body: `{"__type":"AccessDeniedException","message":"no"}`},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				w.cloud.Fault(fault)
				source := &tokensource.Source{Secret: name, Reader: w.impatient()}
				retryable := fault.Status != http.StatusBadRequest
				current := 0
				w.cloud.OnCall(func(fakecloud.Call) { current++ })
				for second := range 60 {
					_, err := source.Token(t.Context())
					e := wantError(t, err, retryable, "could not be read")
					if _, ok := errors.AsType[*tokenstore.Error](err); !ok {
						t.Errorf("%v has no *tokenstore.Error", err)
					}
					if want := time.Duration(second%5) * time.Second; e.Age != want {
						t.Errorf("second %d: the failure's age is %v, want %v", second, e.Age, want)
					}
					time.Sleep(time.Second)
				}
				want := 12
				if !retryable {
					want = 24 // AWSPREVIOUS, too
				}
				if current != want {
					t.Errorf("%d calls in a minute, want %d", current, want)
				}
			})
		})
	}
}

func TestARecoveredStoreIsNoticedWithinFiveSeconds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		token := w.minted(1)
		w.holds(token)
		up := w.down()
		source := &tokensource.Source{Secret: name, Reader: w.impatient()}
		_, err := source.Token(t.Context())
		wantError(t, err, true, "could not be read")
		up()
		time.Sleep(5*time.Second - 1)
		_, err = source.Token(t.Context())
		wantError(t, err, true, "(5s ago)")
		time.Sleep(time.Nanosecond)
		wantToken(t, token)(source.Token(t.Context()))
	})
}

// Somebody who leaves at once says nothing about the store. When nobody had an
// answer for a second, others need not wait as long to learn the same.
func TestWhatCallersWhoGiveUpDoToTheNext(t *testing.T) {
	t.Parallel()
	for patience, hurts := range map[time.Duration]bool{
		999 * time.Millisecond: false,
		time.Second:            true,
		3 * time.Second:        true,
	} {
		t.Run(patience.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				token := w.minted(1)
				w.holds(token)
				w.cloud.Fault(fakecloud.Fault{Hang: true, Times: 1})
				source := w.source()
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, err := source.Token(ctx)
				if wantError(t, err, true, "no answer in time"); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				synctest.Wait()
				got, err := source.Token(t.Context())
				if !hurts {
					wantToken(t, token)(got, err)
					return
				}
				if e := wantError(t, err, true, "as long as anyone waited"); e.Age != patience || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %#v: the caller's own context has not ended", e)
				}
				time.Sleep(5*time.Second - patience)
				wantToken(t, token)(source.Token(t.Context()))
			})
		})
	}
}

func TestACallerWhoIsCancelledIsToldSo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.cloud.Fault(fakecloud.Fault{Hang: true})
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		_, err := w.source().Token(ctx)
		if wantError(t, err, false, "no answer in time"); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAReadEndsWithoutADeadlineToo(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		source := &tokensource.Source{Secret: name, Reader: readerFunc(func(ctx context.Context, _ string) (tokenstore.Current, error) {
			<-ctx.Done()
			return tokenstore.Current{}, ctx.Err()
		})}
		_, err := source.Token(t.Context())
		wantError(t, err, true, "could not be read")
		if took := time.Since(began); took != 30*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// A crowd that asks all the time, over several tokens and outages, is never given
// one with less than 30 s left.
func TestACrowdOverADay(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		source := &tokensource.Source{Secret: name, Reader: w.impatient()}
		end := time.Now().Add(24 * time.Hour)
		var all sync.WaitGroup
		all.Go(func() { // the functions, and what befalls Secrets Manager
			for n := 0; time.Now().Before(end); n++ {
				w.holds(w.minted(n))
				time.Sleep(40 * time.Minute)
				if n%3 == 2 { // the functions are late, too
					up := w.down()
					time.Sleep(30 * time.Minute)
					up()
				}
			}
		})
		var tokens, failures atomic.Int32
		for i := range 20 {
			all.Go(func() {
				for time.Sleep(time.Duration(i) * time.Second); time.Now().Before(end); time.Sleep(20 * time.Second) {
					token, err := source.Token(t.Context())
					if err != nil {
						failures.Add(1)
						continue
					}
					tokens.Add(1)
					if left := time.Until(token.Expiry); left < 30*time.Second {
						t.Errorf("a token with %v left", left)
					}
				}
			})
		}
		all.Wait()
		if tokens.Load() == 0 || failures.Load() == 0 {
			t.Errorf("%d tokens and %d failures: this shows nothing", tokens.Load(), failures.Load())
		}
	})
}
