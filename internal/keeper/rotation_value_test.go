package keeper

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// pend gives the version to rotate to a value that is not the rotator's.
func (w *testWorld) pend(name, version, value string) {
	w.t.Helper()
	if _, err := w.admin().PutSecretValue(context.Background(), &secretsmanager.PutSecretValueInput{
		SecretId: &name, ClientRequestToken: &version, SecretString: &value, VersionStages: []string{"AWSPENDING"},
	}); err != nil {
		w.t.Fatal(err)
	}
}

func TestAStuckRotationWithABadValueIsEndedForTheNextToBegin(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		value   func(*testWorld) string
		message string
		tested  string // the code with which testSecret fails
	}{
		"it is no stored token": {func(*testWorld) string { return "planted-hello" }, "parsing stored token", "unusable_version"},
		"it has expired": {func(w *testWorld) string {
			token := w.stored("wifmint/reports")
			token.MintedAt, token.Expiry = token.MintedAt.Add(-2*time.Hour), time.Now()
			return w.encode(token)
		}, "expires at", "unusable_version"},
		"it is another account's": {func(w *testWorld) string {
			token := w.stored("wifmint/reports")
			token.Principal = "other@p-roject.iam.gserviceaccount.com"
			return w.encode(token)
		}, "not of the kind, account", "unusable_version"},
	} {
		for _, step := range []string{"createSecret", "finishSecret"} {
			t.Run(name+" at "+step, func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					w := newRotatorWorld(t, accessTarget("reports"))
					k := w.rotator()
					w.wantRun(k, Event{}, "minted")
					version := w.startRotation("wifmint/reports")
					value := tc.value(w)
					// A current token of another identity than the document's is no reason to keep a bad one.
					w.pend("wifmint/reports", version, value)
					before := w.stored("wifmint/reports")

					wantStepFailed(t, w.rotate(k, "testSecret", "wifmint/reports", version), "store", tc.tested, tc.message)
					if w.labels("wifmint/reports", version) != "AWSPENDING" {
						t.Error("testSecret moved a label")
					}
					err := w.rotate(k, step, "wifmint/reports", version)
					if step == "finishSecret" && name == "it has expired" {
						if err != nil { // the current token is better, so all is well
							t.Fatal(err)
						}
					} else {
						wantStepFailed(t, err, "store", "unusable_version", tc.message)
					}
					if got := w.labels("wifmint/reports", version); got != "" {
						t.Errorf("the version is still %s", got)
					}
					if !w.stored("wifmint/reports").Value.Equal(before.Value) {
						t.Error("AWSCURRENT moved")
					}
					time.Sleep(time.Second)
					if err := w.rotateThrough(k, "wifmint/reports", w.startRotation("wifmint/reports")); err != nil {
						t.Errorf("the next rotation: %v", err)
					}
				})
			})
		}
	}
}

func TestAValueOfAnEarlierTryIsKeptAsLongAsItServes(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		lifetime, after time.Duration
		kept            bool
	}{
		{time.Hour, 54 * time.Minute, true},
		{time.Hour, 56 * time.Minute, false},
		{4 * time.Minute, time.Minute, true}, // Google may give ID tokens less than five minutes
		{4 * time.Minute, 3 * time.Minute, false},
	} {
		t.Run(fmt.Sprint(tc.lifetime, " after ", tc.after), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				target := idTarget("api")
				w := newRotatorWorld(t, target)
				w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: target.ServiceAccount, IDTokenLifetime: tc.lifetime})
				k := w.rotator()
				version := w.startRotation(target.Secret)
				if err := w.rotate(k, "createSecret", target.Secret, version); err != nil {
					t.Fatal(err)
				}
				time.Sleep(tc.after)
				err := w.rotate(k, "createSecret", target.Secret, version)
				if (err == nil) != tc.kept {
					t.Errorf("kept: %v, want %v", err, tc.kept)
				}
			})
		})
	}
}

func TestARotationNeverReplacesABetterToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("reports"))
		k := w.rotator()
		version := w.startRotation("wifmint/reports")
		w.rotateUntilFinish(k, "wifmint/reports", version)
		time.Sleep(time.Minute)
		w.wantRun(k, Event{}, "minted") // the schedule
		better := w.stored("wifmint/reports")
		w.cloud.ResetCalls()
		if err := w.rotate(k, "finishSecret", "wifmint/reports", version); err != nil {
			t.Fatal(err)
		}
		w.wantCalls("DescribeSecret GetSecretValue GetSecretValue UpdateSecretVersionStage")
		if !w.stored("wifmint/reports").Value.Equal(better.Value) || w.labels("wifmint/reports", version) != "" {
			t.Errorf("the version is %s", w.labels("wifmint/reports", version))
		}
	})
}

func TestAChangedDocumentsTokenIsReplacedByARotationWhateverItsExpiry(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := accessTarget("reports")
		target.Lifetime = 12 * time.Hour
		w := newRotatorWorld(t, target)
		w.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: target.ServiceAccount, MaxLifetime: 12 * time.Hour})
		w.wantRun(w.rotator(), Event{}, "minted")
		w.env.Config.Targets[0].Scopes, w.env.Config.Targets[0].Lifetime = []string{CloudPlatformScope}, 0
		version := w.startRotation("wifmint/reports")
		if err := w.rotateThrough(w.rotator(), "wifmint/reports", version); err != nil {
			t.Fatal(err)
		}
		if got := w.stored("wifmint/reports").Scopes; len(got) != 1 || got[0] != CloudPlatformScope {
			t.Errorf("stored scopes %v", got)
		}
	})
}

func TestAFinishThatLosesARaceDecidesAnew(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		writes int // of the schedule while finishSecret looks
		worse  bool
	}{
		"against a worse token":        {1, true},
		"against a better one":         {1, false},
		"against three, one too often": {3, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, accessTarget("reports"))
				k := w.rotator()
				w.wantRun(k, Event{}, "minted")
				rival := w.stored("wifmint/reports")
				time.Sleep(time.Minute)
				version := w.startRotation("wifmint/reports")
				w.rotateUntilFinish(k, "wifmint/reports", version)
				if !tc.worse {
					rival.Expiry = rival.Expiry.Add(time.Hour)
				}
				reads := 0
				w.cloud.OnCall(func(c fakecloud.Call) {
					// The first read of finishSecret is of the pending version, each other of the current one.
					if c.Operation == "GetSecretValue" {
						if reads++; reads >= 2 && reads < 2+tc.writes {
							w.put("wifmint/reports", rival)
						}
					}
				})
				err := w.rotate(k, "finishSecret", "wifmint/reports", version)
				switch got := w.labels("wifmint/reports", version); {
				case tc.writes == finishRounds:
					wantStepFailed(t, err, "store", "InvalidParameterException", "AWSCURRENT")
					if got != "AWSPENDING" {
						t.Errorf("the version is %s", got)
					}
				case err != nil:
					t.Fatal(err)
				case tc.worse && got != "AWSCURRENT AWSPENDING", !tc.worse && got != "":
					t.Errorf("the version is %q", got)
				}
			})
		})
	}
}

func TestALabelThatAnEmulatorLeftOnAnOldVersionIsTakenAway(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("reports"))
		k := w.rotator()
		w.wantRun(k, Event{}, "minted")
		secret, _ := w.cloud.Secret("wifmint/reports")
		old := secret.Versions[0].ID
		version := w.startRotation("wifmint/reports")
		w.rotateUntilFinish(k, "wifmint/reports", version)
		w.cloud.ResetCalls()
		w.cloud.Fault(fakecloud.Fault{Operation: "DescribeSecret", Times: 1, Status: 200, Body: fmt.Sprintf(
			`{"ARN":%q,"RotationEnabled":true,"VersionIdsToStages":{%q:["AWSCURRENT","AWSPENDING"],%q:["AWSPENDING"]}}`, secret.ARN, old, version)})
		if err := w.rotate(k, "finishSecret", "wifmint/reports", version); err != nil {
			t.Fatal(err)
		}
		// The fake never had the second label, so taking it away fails, and is looked into.
		w.wantCalls("DescribeSecret GetSecretValue GetSecretValue UpdateSecretVersionStage UpdateSecretVersionStage DescribeSecret")
	})
}

// A token whose times none of Google's can have, say by a wrong clock, must not
// keep a proven one out.
func TestAnIncredibleTokenIsNoReasonToKeepOut(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		current bool // it is the current one, else the pending one
		fails   string
	}{{"as the current one", true, "no step"}, {"as the pending one", false, "createSecret"}} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, accessTarget("a"))
				k := w.rotator()
				bogus := w.env.Config.Identity(accessTarget("a"))
				bogus.Value, bogus.MintedAt, bogus.Expiry = w.unknownToGoogle().Value, time.Now(), time.Now().Add(10*365*24*time.Hour)
				if tc.current {
					w.put("wifmint/a", bogus)
				} else if _, err := w.run(t.Context(), k, Event{}); err != nil {
					t.Fatal(err)
				}
				version := w.startRotation("wifmint/a")
				if !tc.current {
					w.pend("wifmint/a", version, w.encode(bogus))
				}
				failed := "no step"
				for _, step := range RotationSteps {
					if w.rotate(k, step, "wifmint/a", version) != nil {
						failed = step
						break
					}
				}
				if failed != tc.fails {
					t.Errorf("%s failed, want %s to", failed, tc.fails)
				}
				if w.stored("wifmint/a").Value.Equal(bogus.Value) {
					t.Error("the incredible token is the current one")
				}
			})
		})
	}
}

func TestFinishSecretAgainAfterItKeptABetterToken(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, accessTarget("a"))
		k := w.rotator()
		version := w.startRotation("wifmint/a")
		if err := w.rotate(k, "createSecret", "wifmint/a", version); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		w.wantRun(k, Event{Force: true}, "minted")
		better := w.stored("wifmint/a")
		for range 3 {
			if err := w.rotate(k, "finishSecret", "wifmint/a", version); err != nil {
				t.Error(err)
			}
		}
		if !w.stored("wifmint/a").Value.Equal(better.Value) {
			t.Error("the better token was replaced")
		}
	})
}
