package supplier

import (
	"testing"
)

func TestEnvironmentReadsLambdasVariables(t *testing.T) {
	t.Parallel()
	e := Environment{Getenv: environ("AWS_ACCESS_KEY_ID", testKeyID, "AWS_SECRET_ACCESS_KEY", plantedKey, "AWS_SESSION_TOKEN", plantedToken)}
	creds, err := e.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
}

func TestEnvironmentWithUserKeysHasNoSessionToken(t *testing.T) {
	t.Parallel()
	e := Environment{Getenv: environ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY", plantedKey, "AWS_SESSION_TOKEN", "")}
	creds, err := e.AwsSecurityCredentials(t.Context(), SupplierContext{})
	if err != nil || !creds.SessionToken.IsZero() {
		t.Errorf("got %v, %v", creds, err)
	}
}

func TestEnvironmentIsReadAtEveryCall(t *testing.T) {
	t.Parallel()
	id := "AKIAFIRST"
	e := Environment{Getenv: func(name string) string {
		return map[string]string{"AWS_ACCESS_KEY_ID": id, "AWS_SECRET_ACCESS_KEY": plantedKey}[name]
	}}
	for _, id = range []string{"AKIAFIRST", "AKIASECOND"} {
		if creds, err := e.AwsSecurityCredentials(t.Context(), SupplierContext{}); err != nil || creds.AccessKeyID != id {
			t.Errorf("got %v, %v; want %s", creds, err, id)
		}
	}
}

func TestNilGetenvIsTheProcesssOwn(t *testing.T) {
	t.Setenv("AWS_REGION", "ap-southeast-7")
	t.Setenv("AWS_ACCESS_KEY_ID", testKeyID)
	t.Setenv("AWS_SECRET_ACCESS_KEY", plantedKey)
	t.Setenv("AWS_SESSION_TOKEN", plantedToken)
	creds, err := Environment{}.AwsSecurityCredentials(t.Context(), SupplierContext{})
	wantTestKeys(t, creds, err)
	if region, err := (Environment{}).AwsRegion(t.Context(), SupplierContext{}); region != "ap-southeast-7" || err != nil {
		t.Errorf("got %q, %v", region, err)
	}
}

func TestEnvironmentWithoutUsableKeysSaysWhichVariable(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		getenv func(string) string
		says   []string
	}{
		"nothing set":           {environ(), []string{"AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are not set"}},
		"empty means unset":     {environ("AWS_ACCESS_KEY_ID", "", "AWS_SECRET_ACCESS_KEY", ""), []string{"are not set"}},
		"a lone session token":  {environ("AWS_SESSION_TOKEN", plantedToken), []string{"are not set"}},
		"no secret key":         {environ("AWS_ACCESS_KEY_ID", testKeyID), []string{"AWS_SECRET_ACCESS_KEY is not"}},
		"no key id":             {environ("AWS_SECRET_ACCESS_KEY", plantedKey), []string{"AWS_ACCESS_KEY_ID is not"}},
		"a pasted line break":   {environ("AWS_ACCESS_KEY_ID", testKeyID, "AWS_SECRET_ACCESS_KEY", plantedKey+"\n"), []string{"secret access key", "white space"}},
		"a token with a header": {environ("AWS_ACCESS_KEY_ID", testKeyID, "AWS_SECRET_ACCESS_KEY", plantedKey, "AWS_SESSION_TOKEN", plantedToken+"\r\nX: y"), []string{"session token"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := Environment{Getenv: tc.getenv}.AwsSecurityCredentials(t.Context(), SupplierContext{})
			if e := wantError(t, err, "environment", tc.says...); e.Retryable {
				t.Error("it is retryable: variables do not change by themselves")
			}
		})
	}
}

func TestRegionOfTheEnvironment(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		getenv func(string) string
		want   string
		says   string
	}{
		"AWS_REGION wins":                      {environ("AWS_REGION", "eu-west-1", "AWS_DEFAULT_REGION", "us-east-1"), "eu-west-1", ""},
		"AWS_DEFAULT_REGION stands in":         {environ("AWS_REGION", "", "AWS_DEFAULT_REGION", "us-gov-east-1"), "us-gov-east-1", ""},
		"none":                                 {environ(), "", "neither AWS_REGION nor AWS_DEFAULT_REGION"},
		"a bad one does not fall through":      {environ("AWS_REGION", "evil.example/", "AWS_DEFAULT_REGION", "us-east-1"), "", `AWS_REGION holds "evil.example/"`},
		"a zone is no region":                  {environ("AWS_DEFAULT_REGION", "us-west-2-lax-1a"), "", "AWS_DEFAULT_REGION"},
		"a secret in its place is not printed": {environ("AWS_REGION", plantedKey), "", "40 characters"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for source, s := range map[string]AwsSecurityCredentialsSupplier{"environment": Environment{Getenv: tc.getenv}, "container": Container{Getenv: tc.getenv}} {
				got, err := s.AwsRegion(t.Context(), SupplierContext{})
				if tc.says != "" {
					wantError(t, err, source, tc.says)
				} else if err != nil || got != tc.want {
					t.Errorf("%s: got %q, %v", source, got, err)
				}
			}
		})
	}
}
