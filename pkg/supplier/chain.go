package supplier

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Chain asks one supplier, a link of it, after the other; the first that succeeds
// is the answer. Credentials and region are looked for separately: the keys may be in
// a container's endpoint while the region is in the environment.
//
// A link that is misconfigured (half a key pair, a bad URL) is passed over like
// one that has nothing, which is what AWS's SDKs for Go and Java do with half a
// pair. If no other link succeeds the [ChainError] says what was wrong with
// each. Once ctx is done no further link is asked.
type Chain []AwsSecurityCredentialsSupplier

var _ AwsSecurityCredentialsSupplier = Chain{}

// Default is the chain for a program that was told nothing: [Environment],
// [Container], [IMDS], and on Lambda no IMDS. It makes no call before it is asked.
//
// A process with a container endpoint gets its credentials from there or not at
// all, as in AWS's SDK for Go. Beyond it IMDS answers for the region alone: its
// role is the machine's, and whoever signed with it while the endpoint was down
// would be somebody else.
//
// A nil getenv means os.Getenv.
func Default(getenv func(string) string) Chain { return DefaultWith(IMDS{Getenv: getenv}) }

// DefaultWith is [Default] with the settings of its last link. The other links
// share its Getenv, HTTPClient and Now.
func DefaultWith(imds IMDS) Chain {
	container := Container{Getenv: imds.Getenv, HTTPClient: imds.HTTPClient, Now: imds.Now}
	chain := Chain{Environment{Getenv: imds.Getenv}, container}
	switch {
	case onLambda(imds.Getenv):
		return chain
	case container.configured():
		return append(chain, regionOnly{imds})
	}
	return append(chain, imds)
}

// AwsSecurityCredentials fails with a *ChainError.
func (c Chain) AwsSecurityCredentials(ctx context.Context, sc SupplierContext) (AwsSecurityCredentials, error) {
	return firstOf(ctx, c, sc, Credentials)
}

// AwsRegion fails with a *ChainError.
func (c Chain) AwsRegion(ctx context.Context, sc SupplierContext) (string, error) {
	return firstOf(ctx, c, sc, Region)
}

func firstOf[T any](
	ctx context.Context, c Chain, sc SupplierContext,
	ask func(context.Context, AwsSecurityCredentialsSupplier, SupplierContext) (T, error),
) (T, error) {
	var none T
	failed := &ChainError{}
	for _, link := range c {
		got, err := ask(ctx, link, sc)
		if err == nil {
			return got, nil
		}
		failed.Errs = append(failed.Errs, err)
		if ctx.Err() != nil {
			break
		}
	}
	return none, failed
}

// ChainError says why every link of a [Chain] had nothing.
type ChainError struct {
	// Errs has one error for each link that was asked, in order: an *Error,
	// a *ChainError of a chain in the chain, or one that wraps such. It is
	// empty only if the chain is.
	Errs []error
}

// Error gives every link's reason, on one line.
func (e *ChainError) Error() string {
	if len(e.Errs) == 0 {
		return "getting AWS credentials: the chain has no suppliers"
	}
	reasons := make([]string, len(e.Errs))
	for i, err := range e.Errs {
		reasons[i] = err.Error()
		if plain, ok := err.(*Error); ok {
			reasons[i] = plain.detail()
		}
	}
	return fmt.Sprintf("getting AWS credentials from a chain of %d: %s", len(e.Errs), strings.Join(reasons, "; "))
}

// Unwrap gives errors.Is and errors.As every link's error.
func (e *ChainError) Unwrap() []error { return e.Errs }

// Retryable reports whether the same call may succeed later because one link
// may.
func (e *ChainError) Retryable() bool {
	for _, err := range e.Errs {
		var chain *ChainError
		var link *Error
		if errors.As(err, &chain) {
			if chain.Retryable() {
				return true
			}
		} else if errors.As(err, &link) && link.Retryable {
			return true
		}
	}
	return false
}

// regionOnly is instance metadata whose credentials are somebody else's.
type regionOnly struct{ IMDS }

func (regionOnly) AwsSecurityCredentials(context.Context, SupplierContext) (AwsSecurityCredentials, error) {
	return AwsSecurityCredentials{}, imdsError("not asked: this process has a container endpoint, and the machine's role is another identity")
}
