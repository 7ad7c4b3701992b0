package keeper

import (
	"encoding/json"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestTestSecretProvesTheTokenAtGoogle(t *testing.T) {
	t.Parallel()
	type answer map[string]any
	for name, tc := range map[string]struct {
		target  Target
		change  func(answer)
		message string // empty: it passes
	}{
		"all is as stored":                       {accessTarget("a"), func(answer) {}, ""},
		"all is as stored, of an ID token":       {idTarget("a"), func(answer) {}, ""},
		"a few seconds do not matter":            {accessTarget("a"), func(a answer) { a["exp"] = time.Now().Add(time.Hour + 50*time.Second).Unix() }, ""},
		"more scopes do not matter":              {accessTarget("a"), func(a answer) { a["scope"] = "openid " + bigquery }, ""},
		"an account in other letters":            {accessTarget("a"), func(a answer) { a["email"] = "A@p-roject.iam.gserviceaccount.com" }, ""},
		"no account is told":                     {accessTarget("a"), func(a answer) { delete(a, "email") }, ""},
		"no account is told, of an ID token":     {idTarget("a"), func(a answer) { delete(a, "email") }, "does not tell the account's email"},
		"it expires earlier than is stored":      {accessTarget("a"), func(a answer) { a["exp"] = time.Now().Add(30 * time.Minute).Unix() }, "it expires at"},
		"it expires later than is stored":        {idTarget("a"), func(a answer) { a["exp"] = time.Now().Add(2 * time.Hour).Unix() }, "it expires at"},
		"it has expired":                         {accessTarget("a"), func(a answer) { a["exp"] = time.Now().Unix() }, "it expired at"},
		"it is another account's":                {accessTarget("a"), func(a answer) { a["email"] = "b@p-roject.iam.gserviceaccount.com" }, `it is of the account "b@`},
		"it is another account's, of an ID":      {idTarget("a"), func(a answer) { a["email"] = "b@p-roject.iam.gserviceaccount.com" }, `it is of the account "b@`},
		"it is for another audience":             {idTarget("a"), func(a answer) { a["aud"] = "https://else.example" }, `its audience is "https://else.example"`},
		"it lacks a scope":                       {accessTarget("a"), func(a answer) { a["scope"] = "openid" }, `it lacks the scope "` + bigquery},
		"it lacks a scope, the rest is as short": {accessTarget("a"), func(a answer) { a["scope"] = bigquery + ".readonly" }, "it lacks the scope"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				w := newRotatorWorld(t, tc.target)
				k := w.rotator()
				version := w.startRotation(tc.target.Secret)
				if err := w.rotate(k, "createSecret", tc.target.Secret, version); err != nil {
					t.Fatal(err)
				}
				told := answer{"exp": time.Now().Add(time.Hour).Unix(), "email": tc.target.ServiceAccount, "scope": bigquery, "aud": tc.target.IDTokenAudience}
				tc.change(told)
				body, err := json.Marshal(told)
				if err != nil {
					t.Fatal(err)
				}
				w.cloud.Fault(fakecloud.Fault{Service: "tokeninfo", Status: 200, Body: string(body)})
				err = w.rotate(k, "testSecret", tc.target.Secret, version)
				if tc.message == "" {
					if err != nil {
						t.Error(err)
					}
					return
				}
				wantStepFailed(t, err, "impersonate", "token_mismatch", tc.message)
				if labels := w.labels(tc.target.Secret, version); labels != "" {
					t.Errorf("the version is still %s: the next rotation cannot start", labels)
				}
			})
		})
	}
}

func TestScopesThatGoogleSpellsOutAreTheSame(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		target := accessTarget("a")
		target.Scopes = []string{"openid", "email", "profile"}
		w := newRotatorWorld(t, target)
		k := w.rotator()
		version := w.startRotation(target.Secret)
		if err := w.rotate(k, "createSecret", target.Secret, version); err != nil {
			t.Fatal(err)
		}
		w.cloud.Fault(fakecloud.Fault{Service: "tokeninfo", Status: 200, Body: fmt.Sprintf(
			`{"exp":"%d","scope":"openid https://www.googleapis.com/auth/userinfo.email https://www.googleapis.com/auth/userinfo.profile"}`, time.Now().Add(time.Hour).Unix())})
		if err := w.rotate(k, "testSecret", target.Secret, version); err != nil {
			t.Error(err)
		}
	})
}

func TestARevokedTokenFailsTestSecret(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newRotatorWorld(t, federatedTarget(CloudPlatformScope), accessTarget("a"))
		k := w.rotator()
		version := w.startRotation("wifmint/a")
		token := w.env.Config.Identity(accessTarget("a"))
		token.Value, token.MintedAt, token.Expiry = w.unknownToGoogle().Value, time.Now(), time.Now().Add(time.Hour)
		w.pend("wifmint/a", version, w.encode(token))
		wantStepFailed(t, w.rotate(k, "testSecret", "wifmint/a", version), "impersonate", "invalid_token", "Invalid Value")
		if labels := w.labels("wifmint/a", version); labels != "" {
			t.Errorf("the version is still %s: the next rotation cannot start", labels)
		}
	})
}
