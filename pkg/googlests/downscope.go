package googlests

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wifmint/wifmint/pkg/secret"
)

// DownscopeRequest asks for a token that can do less than another.
type DownscopeRequest struct {
	// AccessToken is a service account's or a user's, with the scope
	// cloud-platform. A token that was downscoped cannot be again. Required.
	AccessToken secret.Text
	// Expiry of AccessToken, which the new token has too when Google tells
	// none, as it does not of a user's. Zero means that it is unknown.
	Expiry time.Time
	// Rules are what the new token can do: one to ten, of which each allows
	// something.
	Rules []AccessBoundaryRule
}

// AccessBoundaryRule is one rule of a Credential Access Boundary. In JSON it is
// as Google documents it.
type AccessBoundaryRule struct {
	// AvailableResource is a full resource name. Google knows boundaries for
	// Cloud Storage only: "//storage.googleapis.com/projects/_/buckets/BUCKET".
	AvailableResource string `json:"availableResource"`
	// AvailablePermissions are roles, of whose permissions the source token's
	// stay: "inRole:roles/storage.objectViewer". At least one.
	AvailablePermissions []string `json:"availablePermissions"`
	// AvailabilityCondition restricts the rule further; zero means no condition.
	AvailabilityCondition AvailabilityCondition `json:"availabilityCondition,omitzero"`
}

// AvailabilityCondition is an IAM condition, such as on an object's name.
type AvailabilityCondition struct {
	// Expression is in CEL, at most 2,048 characters:
	// "resource.name.startsWith('projects/_/buckets/BUCKET/objects/customer-a/')".
	Expression string `json:"expression"`
	// Title and Description are for people and may be empty.
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
}

// Google's limits.
// https://cloud.google.com/iam/docs/reference/sts/rest/v1/AccessBoundary
const (
	maxRules      = 10
	maxExpression = 2048
)

// Downscope exchanges an access token for one that is bounded by a Credential
// Access Boundary, for handing to someone who shall not have the whole. It
// fails with an *[Error], and retries as [Client.Exchange] does.
func (c *Client) Downscope(ctx context.Context, req DownscopeRequest) (Token, error) {
	fail := failure{op: "downscoping token"}
	if err := req.check(); err != nil {
		return Token{}, fail.because("invalid_request", err)
	}
	type boundary struct {
		Rules []AccessBoundaryRule `json:"accessBoundaryRules"`
	}
	return c.exchange(ctx, fail, ExchangeRequest{
		SubjectToken:     func(context.Context) (secret.Text, error) { return req.AccessToken, nil },
		SubjectTokenType: tokenTypeAccessToken,
		SubjectExpiry:    req.Expiry,
		Options:          map[string]any{"accessBoundary": boundary{req.Rules}},
	})
}

// check tells what Google would refuse. A rule that is wrong in silence would
// be a token that can do something else than was meant.
func (r DownscopeRequest) check() error {
	if r.AccessToken.IsZero() {
		return errors.New("AccessToken is empty")
	}
	if n := len(r.Rules); n < 1 || n > maxRules {
		return fmt.Errorf("there are %d Rules: write 1 to %d", n, maxRules)
	}
	for i, rule := range r.Rules {
		if err := rule.check(); err != nil {
			return fmt.Errorf("Rules[%d].%w", i, err)
		}
	}
	return nil
}

func (r AccessBoundaryRule) check() error {
	if service, _, ok := strings.Cut(strings.TrimPrefix(r.AvailableResource, "//"), "/"); !ok || service == "" || !strings.HasPrefix(r.AvailableResource, "//") {
		return fmt.Errorf("AvailableResource is %.200q: write a full resource name, such as //storage.googleapis.com/projects/_/buckets/BUCKET", r.AvailableResource)
	}
	if len(r.AvailablePermissions) == 0 {
		return errors.New("AvailablePermissions is empty: write a role, such as inRole:roles/storage.objectViewer")
	}
	for i, permission := range r.AvailablePermissions {
		if role, ok := strings.CutPrefix(permission, "inRole:"); !ok || role == "" {
			return fmt.Errorf("AvailablePermissions[%d] is %.200q: write inRole: and a role, such as inRole:roles/storage.objectViewer", i, permission)
		}
	}
	condition := r.AvailabilityCondition
	if condition != (AvailabilityCondition{}) && condition.Expression == "" {
		return errors.New("AvailabilityCondition has no Expression: write one, or leave Title and Description out")
	}
	if n := utf8.RuneCountInString(condition.Expression); n > maxExpression {
		return fmt.Errorf("AvailabilityCondition.Expression has %d characters: Google takes at most %d", n, maxExpression)
	}
	return nil
}
