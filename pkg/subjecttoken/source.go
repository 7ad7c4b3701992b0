// Package subjecttoken makes subject tokens: what a workload hands to Google's
// Security Token Service to prove who it is.
//
// On AWS that is a signed but unsent GetCallerIdentity request ([AWS]): Google
// sends it to AWS, and AWS's answer names the caller. The request is signed
// with Signature Version 4 ([RequestSigner]) and carries the audience as a
// signed header, so that a token meant for one provider is worth nothing at
// another. [AWSWebIdentity] is the other way from AWS: a JWT that AWS signs, for
// a provider that knows AWS as an OpenID Connect issuer.
//
// Elsewhere the token is what an identity provider issued, found in a file
// ([File]), at a URL ([URL]), by running a program ([Executable]) or by a function
// of your own ([Func]); or it is the certificate that the connection to Google
// is made with ([Certificate]). Each has the rules of Google's libraries for
// the credential_source of that name (https://google.aip.dev/auth/4117); where
// they differ, the type says so.
//
// # Use
//
//	source := &subjecttoken.AWS{
//		Supplier: supplier.Default(nil),
//		Audience: "//iam.googleapis.com/projects/123/locations/global/workloadIdentityPools/POOL/providers/PROVIDER",
//	}
//	token, err := source.SubjectToken(ctx)
//
// What fails, fails with an *[Error] that says whether to try again, or with the
// error of package supplier. Package googlests exchanges the token; package
// externalaccount does both, as a credential file says.
//
// # Promises
//
// A subject token is a credential: whoever holds it, within 15 minutes of its
// signing or until it expires, can exchange it. It travels as a secret.Text and
// is never cached here; make a new one for every exchange. What is read is
// bounded, 1 MiB at most, and so is every wait: by the context and by limits of
// its own. Errors name files, hosts and fields; of what was found there they
// quote nothing but the code and message of a refusal.
package subjecttoken

import (
	"context"

	"github.com/wifmint/wifmint/pkg/secret"
)

// The subject token types of RFC 8693 and of Google's STS, but for [AWSTokenType].
const (
	JWTTokenType   = "urn:ietf:params:oauth:token-type:jwt"      // a JWT of an OpenID Connect provider
	IDTokenType    = "urn:ietf:params:oauth:token-type:id_token" // the same, where the provider calls it an ID token
	SAML2TokenType = "urn:ietf:params:oauth:token-type:saml2"    // a SAML 2.0 assertion
	MTLSTokenType  = "urn:ietf:params:oauth:token-type:mtls"     // what [Certificate] makes
)

// Source makes subject tokens. Implementations are safe for concurrent use and
// honour ctx. Those of this package fail with an *[Error], or, where AWS
// credentials are missing, with a *supplier.Error or *supplier.ChainError.
type Source interface {
	SubjectToken(ctx context.Context) (secret.Text, error)
}

var _ Source = (*AWS)(nil)
