package keeper

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/impersonate"
	"github.com/wifmint/wifmint/pkg/jsondoc"
)

// Config is the config document: the targets and the credential file they are
// minted with. schema/config.schema.json is the same for editors.
type Config struct {
	Credentials *externalaccount.File
	// CreateSecrets lets the functions create secrets that do not exist.
	CreateSecrets bool
	// Targets are 1 to 10,000, in the order of the document.
	Targets []Target
}

// Target is one token to keep fresh in one secret. A document may write the email
// of a service account in place of a whole target, which is short for an access
// token of that account with CloudPlatformScope, in the secret "wifmint/EMAIL".
type Target struct {
	// Name is unique in a document: a letter or digit, then up to 63 of those, '.', '_' and '-'.
	Name string
	// Secret is a secret's name or ARN. No two targets share one.
	Secret string
	// ServiceAccount is the email to impersonate; empty for a federated token.
	ServiceAccount string
	// Scopes are an access token's, at least one; a federated target that says
	// none has CloudPlatformScope. Empty for an ID token.
	Scopes []string
	// IDTokenAudience makes the token an ID token.
	IDTokenAudience string
	// Lifetime is zero when the document does not say; see DefaultLifetime.
	// Only an impersonated access token's can be chosen, from 600 s to 43200 s.
	Lifetime time.Duration
	// Delegates are the emails of the accounts in between, the first being the
	// one that the federated identity impersonates.
	Delegates []string
	// RefreshAt is the fraction of the lifetime that is left when a refresh
	// becomes due, more than 0 and less than 1. When the document does not
	// say it is DefaultRefreshAt, or for a lifetime under 2000 s the highest
	// that minWriteInterval allows.
	RefreshAt float64
}

// Federated reports whether the target is the minter's.
func (t Target) Federated() bool { return t.ServiceAccount == "" }

const (
	// DefaultLifetime is what Google gives a token when not asked for more.
	DefaultLifetime = time.Hour
	// DefaultRefreshAt is two thirds: a one-hour token is replaced every 20
	// minutes. Of the 40 that are left docs/reliability.md computes the longest
	// outage that nobody notices.
	DefaultRefreshAt = 2.0 / 3

	minLifetime = 600 * time.Second
	maxLifetime = 43200 * time.Second

	// minWriteInterval is the fastest that Secrets Manager takes new versions
	// of one secret for good: it removes old ones above 100, but none before it
	// is a day old, and then refuses more.
	// https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_limits.html
	minWriteInterval = 10 * time.Minute

	maxTargets = 10_000

	// MaxConfigSize bounds a config document, in bytes. It holds maxTargets of the
	// longest usual names.
	MaxConfigSize = 8 << 20
)

// ConfigOptions says what a document may contain.
type ConfigOptions struct {
	// AllowAnyEndpoint lets Google's URLs be http and name any host, see
	// [UnsafeEndpoints].
	AllowAnyEndpoint bool
}

// LoadConfig finds the document: value itself when its first character is '{'
// (after any space), else the file it names, relative to taskRoot (when set) or
// the working directory. It fails like [ParseConfig], or because there is no such file.
func LoadConfig(value, taskRoot string, o ConfigOptions) (*Config, error) {
	text := strings.TrimSpace(strings.TrimPrefix(value, "\ufeff"))
	switch {
	case text == "":
		return nil, errors.New("reading the config document: WIFMINT_CONFIG is empty; set it to the document itself, or to the path of its file")
	case text[0] == '{':
		return ParseConfig([]byte(text), o)
	case strings.Contains(text, "{"), len(text) > 1024: // not shown, as there may be secrets in it
		return nil, errors.New("reading the config document: WIFMINT_CONFIG is neither a document, which starts with '{', nor a path; write one of the two, as it is")
	case taskRoot != "" && !filepath.IsAbs(text):
		text = filepath.Join(taskRoot, text)
	}
	data, err := readBounded(text)
	if err != nil {
		return nil, fmt.Errorf("reading the config document that WIFMINT_CONFIG names: %w", err)
	}
	config, err := ParseConfig(data, o)
	if err != nil {
		return nil, fmt.Errorf("reading the config document %s:\n%w", text, err)
	}
	return config, nil
}

// readBounded reads as much of a file as it takes to refuse it for its size.
func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, MaxConfigSize+1))
}

// ParseConfig reads a config document. It fails with a [jsondoc.Problems]: all
// of them at once.
func ParseConfig(data []byte, o ConfigOptions) (*Config, error) {
	doc := jsondoc.ParseMax(data, MaxConfigSize)
	root := doc.Root().Required(`write an object with "credentials" and "targets"`)
	root.Fields("$schema", "credentials", "create_secrets", "targets")
	root.Get("$schema").Text()

	config := &Config{CreateSecrets: root.Get("create_secrets").Bool()}
	credentials := root.Get("credentials").Required(`paste the JSON that "gcloud iam workload-identity-pools create-cred-config" wrote`)
	config.Credentials = externalaccount.ReadFile(credentials, externalaccount.FileOptions{AllowAnyEndpoint: o.AllowAnyEndpoint})
	if config.Credentials != nil && config.Credentials.AWS == nil && doc.Err() == nil {
		credentials.Get("credential_source").Problem("a source of another kind than AWS",
			"paste a file that was made with --aws: the functions prove who they are with their AWS role")
	}
	config.Targets = readTargets(root.Get("targets").Required(`write an array of targets, such as [{"name": "federated", "secret": "wifmint/federated"}]`))
	if err := doc.Err(); err != nil {
		return nil, err
	}
	return config, nil
}

func readTargets(v jsondoc.Value) []Target {
	elements := v.Elements()
	switch n := len(elements); {
	case n == 0:
		v.Problem("an empty array", "write at least one target")
	case n > maxTargets:
		v.Problem(strconv.Itoa(n)+" targets", fmt.Sprintf("write at most %d, and the rest in another document", maxTargets))
		return nil
	}
	targets := make([]Target, len(elements))
	for i, e := range elements {
		targets[i] = readTarget(e.Required("write a target, or remove it"))
	}
	reportDuplicates(elements, targets)
	return targets
}

func readTarget(v jsondoc.Value) Target {
	if v.IsText() {
		return readShorthand(v)
	}
	v.Fields("name", "secret", "service_account", "scopes", "id_token_audience", "lifetime", "delegates", "refresh_at")
	const (
		wantName     = "write a name of at most 64 letters, digits, '.', '_' and '-' that starts with a letter or digit"
		wantSecret   = `write the name of a secret in Secrets Manager, of letters, digits and /_+=.@-, or its ARN`
		wantAccount  = `write the email of a service account, such as "reports@PROJECT.iam.gserviceaccount.com"`
		wantAudience = `write the audience that the receiver expects, such as "https://api.example.run.app"`
	)
	t := Target{
		Name:            v.Get("name").Required(wantName).Matching(isTargetName, wantName),
		Secret:          v.Get("secret").Required(wantSecret).Matching(isSecret, wantSecret),
		ServiceAccount:  v.Get("service_account").Matching(impersonate.ValidServiceAccount, wantAccount),
		IDTokenAudience: v.Get("id_token_audience").Matching(isAudience, wantAudience),
	}
	switch {
	case v.Get("id_token_audience").Present():
		v.Get("service_account").Required("write the email of the service account that the ID token is for")
		forbid(v, "Google gives ID tokens none and one hour", "scopes", "lifetime")
		t.Delegates = readDelegates(v.Get("delegates"))
	case !v.Get("service_account").Present():
		forbid(v, "it goes with a service_account, and this target is federated", "lifetime", "delegates")
		t.Scopes = readScopes(v.Get("scopes"))
		if t.Scopes == nil {
			t.Scopes = []string{CloudPlatformScope}
		}
	default:
		t.Scopes = readScopes(v.Get("scopes").Required(wantScopes))
		t.Lifetime = readLifetime(v.Get("lifetime"))
		t.Delegates = readDelegates(v.Get("delegates"))
	}
	t.RefreshAt = readRefreshAt(v, t.Lifetime)
	return t
}

// readShorthand reads a target of which only the service account is said.
func readShorthand(v jsondoc.Value) Target {
	email := v.Matching(impersonate.ValidServiceAccount, `write the email of a service account, such as "reports@PROJECT.iam.gserviceaccount.com", or an object in braces`)
	if email == "" {
		return Target{}
	}
	name := shorthandName(email)
	if !isTargetName(name) {
		v.Problem("", "write an object with a name of its own: the email makes none of at most 64 characters that starts with a letter or digit")
	}
	return Target{
		Name:           name,
		Secret:         "wifmint/" + email, // the template's name for it
		ServiceAccount: email,
		Scopes:         []string{CloudPlatformScope},
		RefreshAt:      DefaultRefreshAt,
	}
}

// forbid reports fields that a target of this kind cannot have.
func forbid(v jsondoc.Value, why string, fields ...string) {
	for _, name := range fields {
		if f := v.Get(name); f.Present() {
			f.Problem("", "remove it: "+why)
		}
	}
}

const wantScopes = `write at least one scope, such as ["https://www.googleapis.com/auth/cloud-platform"]`

func readScopes(v jsondoc.Value) []string {
	const want = `write one scope, such as "https://www.googleapis.com/auth/bigquery" or "openid"`
	var scopes []string
	for _, e := range v.Elements() {
		scopes = append(scopes, e.Required(want).Matching(isScope, want))
	}
	if v.Present() && scopes == nil {
		v.Problem("an empty array", wantScopes)
	}
	return scopes
}

// readDelegates takes emails, and the resource names that Google's API calls
// delegates by.
func readDelegates(v jsondoc.Value) []string {
	const want = `write the email of a service account, such as "deputy@PROJECT.iam.gserviceaccount.com"`
	email := func(s string) string { return strings.TrimPrefix(s, "projects/-/serviceAccounts/") }
	var delegates []string
	for _, e := range v.Elements() {
		delegate := e.Required(want).Matching(func(s string) bool { return impersonate.ValidServiceAccount(email(s)) }, want)
		delegates = append(delegates, email(delegate))
	}
	return delegates
}

func readLifetime(v jsondoc.Value) time.Duration {
	const want = `write a duration in whole seconds such as "3600s", from 600s to 43200s`
	return parseLifetime(v.Matching(isLifetime, want))
}

// readRefreshAt reads refresh_at, and refuses what would write the secret more
// often than every minWriteInterval. lifetime zero is the default one.
func readRefreshAt(v jsondoc.Value, lifetime time.Duration) float64 {
	length, at := v.Get("lifetime"), v.Get("refresh_at")
	highest := highestRefreshAt(lifetime)
	if highest <= 0 {
		length.Problem("", fmt.Sprintf("write at least %q: Secrets Manager takes a new version every 10 minutes, "+
			"so the token could not be refreshed before it expires", shortestLifetime(0)))
	}
	if highest <= 0 || length.Present() && lifetime == 0 { // then lifetime is to be mended first
		highest = 1
	}
	if !at.Present() {
		return min(DefaultRefreshAt, highest)
	}
	x := at.Float()
	switch {
	case x <= 0 || x >= 1:
		at.Problem("", "write the fraction of the lifetime that is left when a refresh is due, between 0 and 1, such as 0.667")
	case x > highest:
		want := "write at most " + strconv.FormatFloat(math.Floor(highest*1e4)/1e4, 'f', -1, 64)
		if longer := shortestLifetime(x); length.Present() && isLifetime(longer) {
			want += fmt.Sprintf(`, or "lifetime": %q`, longer)
		}
		at.Problem("", want+": Secrets Manager takes a new version of a secret every 10 minutes")
	}
	return x
}

// highestRefreshAt is the refresh_at at which a secret is written just as often
// as Secrets Manager takes it; not positive if none is. Between two writes lies
// at least
//
//	(1 - maxJitter) * (1 - refresh_at) * lifetime
func highestRefreshAt(lifetime time.Duration) float64 {
	if lifetime == 0 {
		lifetime = DefaultLifetime
	}
	return 1 - minWriteInterval.Seconds()/(1-maxJitter)/lifetime.Seconds()
}

// shortestLifetime is the same rule solved for the lifetime, as the document writes it.
func shortestLifetime(refreshAt float64) string {
	return strconv.Itoa(int(math.Ceil(minWriteInterval.Seconds()/(1-maxJitter)/(1-refreshAt)))) + "s"
}

// reportDuplicates reports names and secrets that an earlier target has. The
// name of a secret and an ARN with that name are the same secret.
func reportDuplicates(elements []jsondoc.Value, targets []Target) {
	type claim struct {
		owner string // "" when only the secret's name is told
		by    int
	}
	names, secrets := map[string]int{}, map[string][]claim{}
	for i, t := range targets {
		if first, taken := names[t.Name]; taken && t.Name != "" {
			reportDuplicate(elements[i], "name", fmt.Sprintf("the name of targets[%d], %s", first, jsondoc.Quote(t.Name)), "write a name of its own")
			if elements[i].IsText() {
				continue // most likely the same account twice, which is one mistake
			}
		} else {
			names[t.Name] = i
		}
		if t.Secret == "" {
			continue
		}
		owner, name := splitSecret(t.Secret)
		claims := secrets[name]
		first := slices.IndexFunc(claims, func(c claim) bool { return c.owner == owner || c.owner == "" || owner == "" })
		if first >= 0 {
			reportDuplicate(elements[i], "secret", fmt.Sprintf("the secret of targets[%d], %s", claims[first].by, jsondoc.Quote(t.Secret)),
				"write a secret of its own: two targets would overwrite each other's tokens")
		} else {
			secrets[name] = append(claims, claim{owner, i})
		}
	}
}

// reportDuplicate reports a field, or the shorthand that stands for it.
func reportDuplicate(e jsondoc.Value, field, found, want string) {
	if e.IsText() {
		e.Problem(found, "remove it, or write an object with a name and a secret of its own")
		return
	}
	e.Get(field).Problem(found, want)
}
