package subjecttoken

import (
	"context"
	"errors"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// Func gets the token from a function of your own: Google's
// SubjectTokenSupplier.
type Func struct {
	// Supply returns a token that is valid now, within ctx; required. It is
	// called for every token, concurrently, and does its own caching. An *Error
	// that it returns is passed on as it is, so Retryable is its to decide.
	Supply func(ctx context.Context, sc supplier.SupplierContext) (secret.Text, error)
	// Audience and SubjectTokenType are what Supply is told.
	Audience, SubjectTokenType string
}

var _ Source = Func{}

// SubjectToken fails with an *Error if Supply is nil, fails, or returns an
// empty token and no error.
func (f Func) SubjectToken(ctx context.Context) (secret.Text, error) {
	if f.Supply == nil {
		return secret.Text{}, functionError("Func.Supply is nil")
	}
	token, err := f.Supply(ctx, supplier.SupplierContext{Audience: f.Audience, SubjectTokenType: f.SubjectTokenType})
	if err != nil {
		if _, ok := errors.AsType[*Error](err); ok {
			return secret.Text{}, err
		}
		failed := functionError("the function failed")
		failed.Err, failed.Retryable = err, errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
		return secret.Text{}, failed
	}
	if token.IsZero() {
		return secret.Text{}, functionError("the function returned an empty token and no error")
	}
	return token, nil
}

func functionError(reason string) *Error { return &Error{Source: sourceFunction, Reason: reason} }
