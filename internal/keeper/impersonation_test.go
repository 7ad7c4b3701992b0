package keeper

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

func TestARunWithoutAFederatedTargetExchangesOnce(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTargets(200)...)
		k := w.rotator()
		report, err := w.run(t.Context(), k, Event{})
		if err != nil || report.Summary != (Summary{Targets: 200, Minted: 200}) {
			t.Fatalf("%+v, %v", report.Summary, err)
		}
		w.wantCounts(map[string]int{"token": 1, "generateAccessToken": 200, "BatchGetSecretValue": 10, "PutSecretValue": 200})

		token := w.stored("wifmint/account-7")
		issued, ok := w.cloud.LookupToken(token.Value.Reveal())
		if !ok || issued.Principal != token.Principal || !issued.Expires.Equal(token.Expiry) || !slices.Equal(issued.Scopes, token.Scopes) {
			t.Errorf("stored %v, Google knows it as %+v", token, issued)
		}
		w.cloud.ResetCalls()

		report, err = w.run(t.Context(), k, Event{})
		if err != nil || report.Summary != (Summary{Targets: 200, Fresh: 200}) {
			t.Fatalf("second run: %+v, %v", report.Summary, err)
		}
		w.wantCounts(map[string]int{"BatchGetSecretValue": 10})
	})
}

func TestTheMintersTokenSavesTheExchange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, federatedTarget(bigquery, CloudPlatformScope), accessTarget("reports"), idTarget("api"))
		w.wantRun(w.keeper(), Event{}, "minted")
		w.cloud.ResetCalls()
		w.wantRun(w.rotator(), Event{}, "minted minted")
		w.wantCounts(map[string]int{"BatchGetSecretValue": 1, "GetSecretValue": 1, "generateAccessToken": 1, "generateIdToken": 1, "PutSecretValue": 2})
		w.wantRun(w.rotator(), Event{}, "fresh fresh")
		w.wantCounts(map[string]int{"BatchGetSecretValue": 1}) // nothing is due: the minter's secret is left alone
	})
}

func TestAMintersTokenThatDoesNotServeIsReplacedByOneExchange(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		scopes  []string
		prepare func(*testWorld)
		reads   int // of the minter's secret
	}{
		"the secret is empty": {[]string{CloudPlatformScope}, func(*testWorld) {}, 1},
		"it expires in less than five minutes": {[]string{CloudPlatformScope}, func(w *testWorld) {
			token := w.unknownToGoogle()
			token.MintedAt, token.Expiry = time.Now().Add(-time.Hour), time.Now().Add(5*time.Minute-time.Second)
			w.put("wifmint/federated", token)
		}, 1},
		"another provider vouched for it": {[]string{CloudPlatformScope}, func(w *testWorld) {
			token := w.unknownToGoogle()
			token.Principal += "-other"
			w.put("wifmint/federated", token)
		}, 1},
		"it is none":                     {[]string{CloudPlatformScope}, func(w *testWorld) { w.cloud.PutSecret("wifmint/federated", "hello") }, 1},
		"its secret may not be read":     {[]string{CloudPlatformScope}, func(w *testWorld) { w.cloud.Deny("GetSecretValue", "wifmint/federated") }, 1},
		"no target of the minter is for": {[]string{bigquery}, func(*testWorld) {}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, append([]Target{federatedTarget(tc.scopes...)}, accessTargets(3)...)...)
				tc.prepare(w)
				w.cloud.ResetCalls()
				w.wantRun(w.rotator(), Event{}, "minted minted minted")
				counts := map[string]int{"BatchGetSecretValue": 1, "token": 1, "generateAccessToken": 3, "PutSecretValue": 3}
				if tc.reads > 0 {
					counts["GetSecretValue"] = tc.reads
				}
				w.wantCounts(counts)
			})
		})
	}
}

// unknownToGoogle is a token that the minter's secret might hold, such as one
// that was revoked.
func (w *testWorld) unknownToGoogle() tokenstore.Token {
	token := w.env.Config.Identity(w.env.Config.Targets[0])
	token.Value, token.MintedAt, token.Expiry = secret.New("planted-federated-token"), time.Now(), time.Now().Add(time.Hour)
	return token
}

func TestAMintersTokenThatGoogleRefusesIsReplacedByOneExchange(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, append([]Target{federatedTarget(CloudPlatformScope)}, accessTargets(100)...)...)
		w.put("wifmint/federated", w.unknownToGoogle())
		w.cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Latency: 50 * time.Millisecond})
		w.cloud.ResetCalls()
		report, err := w.run(t.Context(), w.rotator(), Event{})
		if err != nil || report.Summary != (Summary{Targets: 100, Minted: 100}) {
			t.Fatalf("%+v, %v", report.Summary, err)
		}
		// Those that were under way when the first was refused were refused, too.
		w.wantCounts(map[string]int{"BatchGetSecretValue": 5, "GetSecretValue": 1, "token": 1, "generateAccessToken": 100 + concurrency, "PutSecretValue": 100})
	})
}

func TestATokenOfItsOwnThatGoogleRefusesIsNotReplaced(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTargets(3)...)
		w.cloud.Fault(fakecloud.Fault{Service: "iamcredentials", Status: 401, Body: `{"error":{"code":401,"status":"UNAUTHENTICATED","message":"no"}}`})
		report, err := w.run(t.Context(), w.rotator(), Event{})
		if err == nil || outcomes(report) != "failed failed failed" || report.Results[0].Error.Code != "UNAUTHENTICATED" {
			t.Errorf("%s, %v", outcomes(report), err)
		}
		w.wantCounts(map[string]int{"BatchGetSecretValue": 1, "token": 1, "generateAccessToken": 3})
	})
}

func TestASlowMintersSecretIsNotWaitedForLong(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, federatedTarget(CloudPlatformScope), accessTarget("reports"), accessTarget("other"))
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Operation: "GetSecretValue", Hang: true})
		began := time.Now()
		report, err := w.run(t.Context(), w.rotator(), Event{})
		if took := time.Since(began); err != nil || outcomes(report) != "minted minted" || took > storedTimeout+time.Second {
			t.Errorf("%s after %v, %v", outcomes(report), took, err)
		}
		if !strings.Contains(w.output.String(), "the minter's token cannot be read") {
			t.Error("the log does not say why")
		}
	})
}

func TestALongRunGivesUpATokenThatIsAboutToExpire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, federatedTarget(CloudPlatformScope), accessTarget("reports"))
		w.wantRun(w.keeper(), Event{}, "minted")
		time.Sleep(54 * time.Minute)
		w.cloud.ResetCalls()
		impersonation := Impersonation{Environment: w.env}
		mint := impersonation.Minting()
		for _, wait := range []time.Duration{0, 4 * time.Minute, 59 * time.Second} {
			time.Sleep(wait)
			if _, err := mint(t.Context(), w.env.Config.Targets[1]); err != nil {
				t.Fatal(err)
			}
		}
		w.wantCounts(map[string]int{"GetSecretValue": 1, "generateAccessToken": 3})
		for range 3 {
			time.Sleep(2 * time.Second) // 59 seconds are left, then 57 …
			if _, err := mint(t.Context(), w.env.Config.Targets[1]); err != nil {
				t.Fatal(err)
			}
		}
		w.wantCounts(map[string]int{"token": 1, "generateAccessToken": 3})
	})
}

func TestAnExchangeThatFailsIsEveryDueTargetsFailureAndNotRepeated(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTargets(40)...)
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Status: 400, Body: `{"error":"invalid_grant","error_description":"no"}`})
		report, err := w.run(t.Context(), w.rotator(), Event{})
		if err == nil || report.Summary != (Summary{Targets: 40, Failed: 40}) {
			t.Fatalf("%+v, %v", report.Summary, err)
		}
		for _, r := range report.Results {
			if e := r.Error; e.Leg != "sts" || e.Code != "invalid_grant" || e.HTTPStatus != 400 {
				t.Fatalf("%s: %+v", r.Target, e)
			}
		}
		w.wantCounts(map[string]int{"BatchGetSecretValue": 2, "token": 1})
	})
}

func TestOfTwoHundredAccountsTheOneWithoutPermissionFailsAlone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTargets(200)...)
		const denied = "account-123@p-roject.iam.gserviceaccount.com"
		w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: denied, Callers: []string{"someone-else@p-roject.iam.gserviceaccount.com"}})
		report, err := w.run(t.Context(), w.rotator(), Event{})
		if report.Summary != (Summary{Targets: 200, Minted: 199, Failed: 1}) {
			t.Fatalf("%+v", report.Summary)
		}
		if !errors.As(err, new(*RunError)) {
			t.Fatalf("got %v, want a *RunError", err)
		}
		e := report.Results[123].Error
		if e == nil || e.Leg != "impersonate" || e.Code != "PERMISSION_DENIED" || e.HTTPStatus != 403 || e.Retryable ||
			!strings.Contains(e.Message, denied) || !strings.Contains(e.Message, "Permission 'iam.serviceAccounts.getAccessToken' denied") {
			t.Errorf("failure %+v", e)
		}
		w.wantCounts(map[string]int{"token": 1, "generateAccessToken": 200, "BatchGetSecretValue": 10, "PutSecretValue": 199})
	})
}

func TestTheExpiryOfAnIDTokenIsItsOwn(t *testing.T) {
	t.Parallel()
	for _, lifetime := range []time.Duration{3 * time.Minute, 35 * time.Minute, 2 * time.Hour} {
		t.Run(lifetime.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target := idTarget("api")
				w := newRotatorWorld(t, target)
				w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: target.ServiceAccount, IDTokenLifetime: lifetime})
				k := w.rotator()
				report, err := w.run(t.Context(), k, Event{})
				if err != nil || *report.Results[0].SecondsRemaining != int64(lifetime.Seconds()) {
					t.Fatalf("%+v, %v", report.Results[0], err)
				}
				token := w.stored(target.Secret)
				info, err := w.env.TokenInfo.IDToken(t.Context(), token.Value)
				if err != nil || !info.Expiry.Equal(token.Expiry) || info.Email != target.ServiceAccount || info.Audience != apiService || token.Audience != apiService {
					t.Errorf("stored %v, Google says %+v, %v", token, info, err)
				}
				time.Sleep(lifetime / 4)
				w.wantRun(k, Event{}, "fresh")
				time.Sleep(lifetime / 8)
				w.wantRun(k, Event{}, "minted")
			})
		})
	}
}

func TestLifetimeAndDelegatesAreWhatTheDocumentSays(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const hop = "hop@p-roject.iam.gserviceaccount.com"
		target := accessTarget("reports")
		target.Lifetime, target.Delegates = 2*time.Hour, []string{hop}
		w := newRotatorWorld(t, target)
		w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: hop})
		w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: target.ServiceAccount, Callers: []string{hop}, MaxLifetime: 12 * time.Hour})
		report, err := w.run(t.Context(), w.rotator(), Event{})
		if err != nil || *report.Results[0].SecondsRemaining != 7200 {
			t.Errorf("%+v, %v", report.Results[0], err)
		}
	})
}

func TestTheRotatorRefusesFederatedTargets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, federatedTarget(CloudPlatformScope), accessTarget("reports"))
		k := w.rotator()
		for name, try := range map[string]func() error{
			"in a run": func() error { _, err := k.Run(t.Context(), Event{Targets: []string{"federated"}}); return err },
			"in a rotation": func() error {
				return k.Rotate(t.Context(), Rotation{Step: "createSecret", SecretID: "wifmint/federated", ClientRequestToken: "t"})
			},
		} {
			var refused *EventError
			if err := try(); !errors.As(err, &refused) || !strings.Contains(err.Error(), "not the rotator's") {
				t.Errorf("%s: got %v", name, err)
			}
		}
		if n := w.cloud.Count("", ""); n != 0 {
			t.Errorf("%d calls", n)
		}
	})
}

func TestWhatOnlyWaitedForTheSharedTokenIsDeferred(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTargets(40)...)
		w.cloud.Fault(fakecloud.Fault{Service: "google-sts", Hang: true})
		ctx, cancel := context.WithTimeout(t.Context(), 8*time.Second)
		defer cancel()
		report, err := w.run(ctx, w.rotator(), Event{})
		if s := report.Summary; err == nil || s.Failed != 1 || s.Deferred != 39 {
			t.Fatalf("%+v, %v", s, err)
		}
		for _, r := range report.Results {
			if r.Error != nil && (r.Error.Leg != "sts" || r.Error.Code != "timeout" || !strings.Contains(r.Error.Message, "exchanging token")) {
				t.Errorf("failure %+v", r.Error)
			}
		}
	})
}
