package keeper

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/impersonate"
)

// Canary is a service account that nobody may impersonate. As long as Google
// refuses it, a refusal is still worth something: a binding that is too wide, on
// the project or the organisation, makes every other check green and this one fail.
type Canary struct{ ServiceAccount string }

// CanaryReport is the response to a canary event.
type CanaryReport struct {
	Function string       `json:"function"`
	Canary   CanaryResult `json:"canary"`
}

// CanaryResult is what became of it. There is none that is not refused: that is
// a *[CanaryError].
type CanaryResult struct {
	ServiceAccount string `json:"service_account"`
	Refused        bool   `json:"refused"`
}

// CanaryError is a canary that Google did not refuse.
type CanaryError struct {
	ServiceAccount string
	// Failure is why nothing is known; nil when Google gave the token, which is
	// the alarming case.
	Failure *Failure
	err     error
}

func (e *CanaryError) Error() string {
	if e.Failure == nil {
		return fmt.Sprintf("trying the canary: Google gave a token of %s, which must be refused; see who has "+
			"roles/iam.serviceAccountTokenCreator or roles/iam.workloadIdentityUser on it, on its project and above", e.ServiceAccount)
	}
	return fmt.Sprintf("trying the canary %s: whether it is refused is not known: %s: %s", e.ServiceAccount, e.Failure.Leg, e.Failure.Message)
}

func (e *CanaryError) Unwrap() error { return e.err }

// TryCanary asks for a token of the canary's account in the way that a target's is
// asked for, and fails with a *[CanaryError] unless Google denies the permission to.
// A token that it gets is dropped: it is not stored, logged or returned, and
// lives for the shortest time there is.
func (k *Keeper) TryCanary(ctx context.Context, c Canary) (*CanaryReport, error) {
	b, cancel := newBudget(ctx)
	defer cancel()
	_, err := k.Minting()(b.ctx, Target{
		Name: "canary", ServiceAccount: c.ServiceAccount, Scopes: []string{CloudPlatformScope}, Lifetime: minLifetime,
	})
	attrs := []slog.Attr{slog.String("function", k.Function), slog.String("service_account", c.ServiceAccount)}
	switch {
	case err == nil:
		k.Log.LogAttrs(ctx, slog.LevelError, "canary", append(attrs, slog.String("outcome", "granted"))...)
		k.Metrics.canary(k.Now(), k.Function, c, 0)
		return nil, &CanaryError{ServiceAccount: c.ServiceAccount}
	case denied(err):
		k.Log.LogAttrs(ctx, slog.LevelInfo, "canary", append(attrs, slog.String("outcome", "refused"))...)
		k.Metrics.canary(k.Now(), k.Function, c, 1)
		return &CanaryReport{k.Function, CanaryResult{c.ServiceAccount, true}}, nil
	}
	f := failure(err)
	k.Log.LogAttrs(ctx, slog.LevelError, "canary", append(attrs, slog.String("outcome", "unknown"), slog.Any("error", f))...)
	return nil, &CanaryError{c.ServiceAccount, f, err}
}

// accessTokenPermission is what it takes to have an account's tokens.
const accessTokenPermission = "iam.serviceAccounts.getAccessToken"

// denied reports whether Google refuses for want of the permission, which it names.
// An API that is not enabled, or a perimeter of VPC Service Controls, is
// PERMISSION_DENIED too and says nothing about who has it.
func denied(err error) bool {
	e, ok := errors.AsType[*impersonate.Error](err)
	return ok && e.HTTPStatus == http.StatusForbidden && e.Code == "PERMISSION_DENIED" && strings.Contains(e.Message, accessTokenPermission)
}

// canary writes whether it was refused, 1 or 0; nothing when that is not known. The
// account is a dimension: whoever may invoke the function may name any, and that
// another one is refused must not quiet the alarm, which is about its own.
func (m *Metrics) canary(now time.Time, function string, c Canary, refused int) {
	if m == nil || m.Out == nil {
		return
	}
	line := struct {
		AWS            metricHeader `json:"_aws"`
		Function       string       `json:"function"`
		ServiceAccount string       `json:"service_account"`
		CanaryRefused  int          `json:"CanaryRefused"`
	}{Function: function, ServiceAccount: c.ServiceAccount, CanaryRefused: refused}
	line.AWS.Timestamp = now.UnixMilli()
	line.AWS.CloudWatchMetrics = []metricDirective{{Namespace: namespace, Dimensions: [][]string{{"function", "service_account"}}, Metrics: []metric{{"CanaryRefused", "Count"}}}}
	m.put(line)
}

func parseCanary(fields eventFields) (Event, error) {
	if unknown := unknownKeys(fields, func(k string) bool { return k == "canary" || k == "scheduled_time" }); len(unknown) > 0 {
		return Event{}, &EventError{"a canary event with the keys " + quoteKeys(unknown) + ", which do not go with it"}
	}
	var canary map[string]json.RawMessage
	var account string
	if json.Unmarshal(fields["canary"], &canary) != nil || json.Unmarshal(canary["service_account"], &account) != nil ||
		len(canary) != 1 || !impersonate.ValidServiceAccount(account) {
		return Event{}, &EventError{`canary is not an object with the email of a service account, such as {"service_account": "nobody@PROJECT.iam.gserviceaccount.com"}`}
	}
	var scheduled string
	if raw := fields["scheduled_time"]; raw != nil && json.Unmarshal(raw, &scheduled) != nil {
		return Event{}, &EventError{"scheduled_time is not a string"}
	}
	e := Event{Canary: &Canary{account}}
	e.ScheduledTime, _ = time.Parse(time.RFC3339, scheduled) // of another form: see parseInput
	return e, nil
}
