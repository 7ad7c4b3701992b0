package impersonate_test

import (
	"encoding/json"
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/impersonate"
)

func TestSignBlobSigns(t *testing.T) {
	t.Parallel()
	cloud := newCloud(fakecloud.ServiceAccount{Email: reports})
	c, federated := client(cloud), federate(t, cloud)
	sign := func(payload string) impersonate.SignedBlob {
		signed, err := c.SignBlob(t.Context(), federated, impersonate.SignBlobRequest{ServiceAccount: reports, Payload: []byte(payload)})
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	first, again, other := sign("a"), sign("a"), sign("b")
	if first.KeyID == "" || len(first.Signature) != 256 { // RSA with 2,048 bits
		t.Errorf("signed with %q: %d bytes", first.KeyID, len(first.Signature))
	}
	if !cmp.Equal(first, again) || cmp.Equal(first, other) { // PKCS #1 v1.5 is deterministic
		t.Error("the signature is not that of the payload")
	}
}

func TestSignJWTSignsWhateverIsAnObject(t *testing.T) {
	t.Parallel()
	cloud := newCloud(fakecloud.ServiceAccount{Email: reports})
	c, federated := client(cloud), federate(t, cloud)
	type claims struct {
		Subject string `json:"sub"`
		Level   int    `json:"level"`
	}
	for name, given := range map[string]any{
		"a map":               map[string]any{"sub": `<a> & "b"`, "level": 3},
		"a struct":            claims{`<a> & "b"`, 3},
		"a pointer to one":    &claims{`<a> & "b"`, 3},
		"a document":          json.RawMessage(` {"level": 3, "sub": "<a> \u0026 \"b\""} `),
		"a number in a float": map[string]any{"sub": `<a> & "b"`, "level": 3.0},
	} {
		signed, err := c.SignJWT(t.Context(), federated, impersonate.SignJWTRequest{ServiceAccount: reports, Claims: given})
		if err != nil || signed.KeyID == "" {
			t.Fatalf("%s: %v, key %q", name, err, signed.KeyID)
		}
		if diff := cmp.Diff(map[string]any{"sub": `<a> & "b"`, "level": 3.0}, claimsOf(t, signed.Token.Reveal())); diff != "" {
			t.Errorf("%s: claims (-want +got):\n%s", name, diff)
		}
	}
}

func TestWhatCannotBeSignedIsNotSent(t *testing.T) {
	t.Parallel()
	c := client(silent(t))
	check := func(err error, text string) {
		t.Helper()
		if e := asError(t, err); e.Code != "invalid_request" || e.Retryable || !strings.Contains(e.Message, text) {
			t.Errorf("got %v, want something about %s", err, text)
		}
	}
	for text, req := range map[string]impersonate.SignBlobRequest{
		"Payload is empty": {ServiceAccount: reports},
		"ServiceAccount":   {Payload: []byte("a")},
		"Delegates[0]":     {ServiceAccount: reports, Delegates: []string{ada}, Payload: []byte("a")},
	} {
		_, err := c.SignBlob(t.Context(), bearer, req)
		check(err, text)
	}
	for name, claims := range map[string]any{
		"nothing": nil, "a string": "a", "a list": []string{"a"}, "a nil map": map[string]any(nil), "null": json.RawMessage("null"),
	} {
		_, err := c.SignJWT(t.Context(), bearer, impersonate.SignJWTRequest{ServiceAccount: reports, Claims: claims})
		t.Log(name)
		check(err, "Claims is not an object in JSON")
	}
	for _, claims := range []any{map[string]any{"exp": math.NaN()}, json.RawMessage("{"), func() {}} {
		_, err := c.SignJWT(t.Context(), bearer, impersonate.SignJWTRequest{ServiceAccount: reports, Claims: claims})
		check(err, "marshalling Claims")
	}
	_, err := c.SignJWT(t.Context(), bearer, impersonate.SignJWTRequest{ServiceAccount: ada, Claims: map[string]any{}})
	check(err, "ServiceAccount")
}

// What Google refuses to sign it says why.
func TestGooglesReasonNotToSignComesThrough(t *testing.T) {
	t.Parallel()
	cloud := newCloud(fakecloud.ServiceAccount{Email: reports})
	_, err := client(cloud).SignJWT(t.Context(), federate(t, cloud), impersonate.SignJWTRequest{
		ServiceAccount: reports, Claims: map[string]any{"exp": 9999999999},
	})
	if e := asError(t, err); e.Code != "INVALID_ARGUMENT" || e.HTTPStatus != 400 || e.Message != "The payload's exp is more than 12 hours in the future." {
		t.Errorf("got %v", err)
	}
}

func TestSignaturesThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	token := jwt(`{"a":1}`)
	for name, tc := range map[string]struct{ body, blob, jwt string }{
		"nothing":                 {"", "not a JSON object", "not a JSON object"},
		"no key":                  {`{"signedBlob":"YQ==","signedJwt":"` + token + `"}`, "no keyId", "no keyId"},
		"no signature":            {`{"keyId":"k"}`, "no signedBlob", "no signedJwt"},
		"an empty signature":      {`{"keyId":"k","signedBlob":"","signedJwt":""}`, "no signedBlob", "no signedJwt"},
		"something that is none":  {`{"keyId":"k","signedBlob":"a","signedJwt":"a"}`, "not a JSON object of the documented form", "not a JWT"},
		"one of another type":     {`{"keyId":"k","signedBlob":1,"signedJwt":1}`, "signedBlob has the wrong JSON type", "signedJwt has the wrong JSON type"},
		"a key of another type":   {`{"keyId":1,"signedBlob":"YQ==","signedJwt":"` + token + `"}`, "keyId has the wrong", "keyId has the wrong"},
		"a JWT without signature": {`{"keyId":"k","signedJwt":"` + token[:strings.LastIndex(token, ".")+1] + `"}`, "no signedBlob", "not a JWT"},
	} {
		c := client(answering(200, tc.body))
		for call, want := range map[string]string{"SignBlob": tc.blob, "SignJWT": tc.jwt, "UserToken": tc.jwt} {
			err := calls[call](t.Context(), c, bearer)
			if e := asError(t, err); e.Code != "invalid_response" || e.Retryable || !strings.Contains(e.Message, want) {
				t.Errorf("%s of %s: got %v, want something about %q", call, name, err, want)
			}
			if errors.Unwrap(err) != nil {
				t.Errorf("%s of %s: %v has the decoder's error below", call, name, err)
			}
		}
	}
}

func FuzzSignedAnswer(f *testing.F) {
	token := jwt(`{"a":1}`)
	for _, body := range append(hostilejson.Seeds(`{"keyId":"k","signedBlob":"YQ==","signedJwt":"`+token+`"}`),
		`{"keyId":"","signedBlob":"","signedJwt":""}`, `{"keyId":"k","signedBlob":"a","signedJwt":"a.b.c"}`,
		`{"keyId":"k\u0000","signedBlob":"YQ","signedJwt":"`+token+`\n"}`, `{"keyId":1}`, `{"keyId":`,
	) {
		f.Add(body)
	}
	f.Fuzz(func(t *testing.T, body string) {
		c := client(answering(200, body))
		blob, err := c.SignBlob(t.Context(), bearer, impersonate.SignBlobRequest{ServiceAccount: reports, Payload: []byte("a")})
		if (err == nil) != (blob.KeyID != "" && len(blob.Signature) > 0) {
			t.Errorf("SignBlob believed %+v, %v", blob, err)
		}
		signed, err := c.SignJWT(t.Context(), bearer, impersonate.SignJWTRequest{ServiceAccount: reports, Claims: map[string]any{"a": 1}})
		if (err == nil) != (signed.KeyID != "" && !signed.Token.IsZero()) {
			t.Errorf("SignJWT believed %+v, %v", signed, err)
		}
		if err == nil && (strings.Count(signed.Token.Reveal(), ".") != 2 || strings.ContainsAny(signed.Token.Reveal(), " \r\n\x00")) {
			t.Errorf("SignJWT believed %q", signed.Token.Reveal())
		}
	})
}
