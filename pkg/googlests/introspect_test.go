package googlests_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/googlests"
	"github.com/wifmint/wifmint/pkg/secret"
)

func TestIntrospectionTellsWhoseTokenItIs(t *testing.T) {
	t.Parallel()
	now := time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC)
	cloud := fakecloud.New(fakecloud.Options{Now: func() time.Time { return now }})
	cloud.AddWorkforceUser(fakecloud.WorkforceUser{
		Pool: "staff", Subject: "ada", RefreshToken: userRefreshToken, ClientID: userClient.ID, ClientSecret: userClient.Secret.Reveal(),
	})
	sts := userSTS(cloud)
	sts.Now = func() time.Time { return now }
	token, err := sts.Refresh(t.Context(), refreshRequest())
	if err != nil {
		t.Fatal(err)
	}
	got, err := sts.Introspect(t.Context(), googlests.IntrospectRequest{Token: token.AccessToken, TypeHint: "access_token"})
	want := googlests.Introspection{
		Active:   true,
		Username: "principal://iam.googleapis.com/locations/global/workforcePools/staff/subject/ada",
		Subject:  "locations/global/workforcePools/staff/subject/ada",
		ClientID: userClient.ID,
		Scopes:   []string{"https://www.googleapis.com/auth/cloud-platform"},
		Issuer:   "https://sts.googleapis.com/",
		IssuedAt: now, Expiry: token.Expiry,
	}
	if diff := cmp.Diff(want, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}

	if err := sts.Revoke(t.Context(), googlests.RevokeRequest{Token: token.AccessToken}); err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string]secret.Text{"revoked": token.AccessToken, "unknown": secret.New("ya29.unknown"), "refresh": secret.New(userRefreshToken)} {
		got, err := sts.Introspect(t.Context(), googlests.IntrospectRequest{Token: token})
		if diff := cmp.Diff(googlests.Introspection{}, got); diff != "" || err != nil {
			t.Errorf("a %s token: %v %s", name, err, diff)
		}
	}
	_, err = sts.Introspect(t.Context(), googlests.IntrospectRequest{Token: token.AccessToken, TypeHint: "refresh_token"})
	if e := asError(t, err); e.Code != "unsupported_token_type" {
		t.Errorf("a hint that Google does not know: %v", err)
	}
}

func TestIntrospectionsThatAreBelieved(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		body string
		want googlests.Introspection
	}{
		"only active":          {`{"active":true}`, googlests.Introspection{Active: true}},
		"inactive":             {`{"active":false}`, googlests.Introspection{}},
		"inactive, told much":  {`{"active":false,"username":"u","exp":"soon","scope":"a"}`, googlests.Introspection{}},
		"inactive by omission": {` {} `, googlests.Introspection{}},
		"times in quotes": {
			`{"active":true,"iat":"1704196800","exp":"1704200400"}`,
			googlests.Introspection{Active: true, IssuedAt: time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC), Expiry: time.Date(2024, 1, 2, 13, 0, 0, 0, time.UTC)},
		},
		"times as numbers": {
			`{"active":true,"iat":1704196800,"exp":1704200400}`,
			googlests.Introspection{Active: true, IssuedAt: time.Date(2024, 1, 2, 12, 0, 0, 0, time.UTC), Expiry: time.Date(2024, 1, 2, 13, 0, 0, 0, time.UTC)},
		},
		"an audience":    {`{"active":true,"aud":"a"}`, googlests.Introspection{Active: true, Audience: []string{"a"}}},
		"many audiences": {`{"active":true,"aud":["a","b"]}`, googlests.Introspection{Active: true, Audience: []string{"a", "b"}}},
		"nulls":          {`{"active":true,"aud":null,"exp":null,"iat":null,"scope":null,"sub":null}`, googlests.Introspection{Active: true}},
		"more members":   {`{"active":true,"nbf":1,"jti":"j","token_type":"Bearer","ext":{"a":[1]}}`, googlests.Introspection{Active: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := userSTS(answering(200, tc.body)).Introspect(t.Context(), googlests.IntrospectRequest{Token: secret.New("ya29.x")})
			if got.Scopes != nil && len(got.Scopes) == 0 {
				got.Scopes = nil
			}
			if diff := cmp.Diff(tc.want, got); diff != "" || err != nil {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
		})
	}
}

func TestIntrospectionsThatAreNot(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct{ body, text string }{
		"nothing":                         {"", "not a JSON object"},
		"null":                            {"null", "does not say whether"},
		"a page":                          {"<html>", "not a JSON object"},
		"a list":                          {`[{"active":true}]`, "not a JSON object"},
		"two objects":                     {`{"active":true}{}`, "not a JSON object"},
		"an error with a good status":     {`{"error":"invalid_client"}`, "does not say whether"},
		"Active, which is not active":     {`{"Active":true}`, "does not say whether"},
		"no active":                       {`{"username":"u"}`, "does not say whether"},
		"active null":                     {`{"active":null}`, "neither true nor false"},
		"active as text":                  {`{"active":"true"}`, "neither true nor false"},
		"active a number":                 {`{"active":1}`, "neither true nor false"},
		"a username that is an object":    {`{"active":true,"username":{"PLANTED":1}}`, "username has the wrong JSON type"},
		"scopes in a list":                {`{"active":true,"scope":["PLANTED"]}`, "scope has the wrong JSON type"},
		"exp a word":                      {`{"active":true,"exp":"PLANTED"}`, "exp is no time"},
		"exp zero":                        {`{"active":true,"exp":0}`, "exp is no time"},
		"exp negative":                    {`{"active":true,"exp":-1}`, "exp is no time"},
		"exp with a fraction":             {`{"active":true,"exp":1704200400.5}`, "exp is no time"},
		"exp in milliseconds":             {`{"active":true,"exp":1704200400000}`, "exp is no time"},
		"exp beyond 64 bits":              {`{"active":true,"exp":"99999999999999999999"}`, "exp is no time"},
		"iat true":                        {`{"active":true,"iat":true}`, "iat is no time"},
		"expired before it was issued":    {`{"active":true,"iat":1704200400,"exp":1704196800}`, "expired before it was issued"},
		"an audience that is a number":    {`{"active":true,"aud":1}`, "aud is neither"},
		"an audience with a number in it": {`{"active":true,"aud":["a",1]}`, "aud is neither"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := userSTS(answering(200, tc.body)).Introspect(t.Context(), googlests.IntrospectRequest{Token: secret.New("ya29.x")})
			e := asError(t, err)
			if e.Code != "invalid_response" || e.HTTPStatus != 200 || e.Retryable || !strings.Contains(e.Description, tc.text) || strings.Contains(err.Error(), "PLANTED") {
				t.Errorf("got %v, want something about %q", err, tc.text)
			}
			if diff := cmp.Diff(googlests.Introspection{}, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func FuzzIntrospectionAnswer(f *testing.F) {
	for _, body := range []string{
		goodActive, `{"active":false}`, "{}", "null", `{"active":true,"aud":["a"],"exp":1}`, `{"active":true,"iat":2,"exp":"1"}`, `{"active":`, "<html>",
	} {
		f.Add(body)
	}
	for _, seed := range hostilejson.Seeds(goodActive) {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		got, err := userSTS(answering(200, body)).Introspect(t.Context(), googlests.IntrospectRequest{Token: secret.New("ya29.x")})
		if err != nil {
			if e := asError(t, err); e.Code != "invalid_response" || e.Retryable || len(err.Error()) > 400 {
				t.Errorf("got %v", err)
			}
		}
		if !got.Active {
			if diff := cmp.Diff(googlests.Introspection{}, got); diff != "" {
				t.Errorf("an inactive token with %s", diff)
			}
			return
		}
		if !strings.Contains(body, "true") {
			t.Errorf("%q is believed to say active", body)
		}
		for _, at := range []time.Time{got.IssuedAt, got.Expiry} {
			if _, err := at.MarshalJSON(); err != nil || at.Location() != time.UTC {
				t.Errorf("believed the time %v: %v", at, err)
			}
		}
		if !got.Expiry.IsZero() && got.Expiry.Before(got.IssuedAt) {
			t.Errorf("believed %v to %v", got.IssuedAt, got.Expiry)
		}
	})
}
