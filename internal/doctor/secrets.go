package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/smithy-go"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// held is what a target's secret holds.
type held struct {
	tokenstore.Current
	// awaited: there is no secret yet, and the next run creates it.
	awaited bool
}

func (b *branch) read(ctx context.Context) (string, *finding) {
	if region := regionOfARN(b.target.Secret); region != "" && b.names["REGION"] != "" && region != b.names["REGION"] {
		b.names["OTHER_REGION"] = region
		return "", foundf("secret-elsewhere", "the secret's ARN is of %s, and this is %s", region, b.names["REGION"])
	}
	current, err := b.on.Environment.Store.Read(ctx, b.target.Secret)
	if err != nil {
		f := observe(err)
		if f.code == "AccessDeniedException" && strings.Contains(f.text, textKMS) || f.code == "DecryptionFailure" {
			b.nameKey(ctx)
		}
		return "", f
	}
	b.held.Current = current
	if current.ARN != "" {
		b.names["SECRET_ARN"] = current.ARN
	}
	if current.VersionID != "" {
		return fmt.Sprintf("%s, version %.8s", b.target.Secret, current.VersionID), nil
	}
	return b.missing(ctx)
}

// missing tells a secret that is not there from one without a value.
func (b *branch) missing(ctx context.Context) (string, *finding) {
	_, err := b.on.Environment.Store.Client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &b.target.Secret})
	if refused, ok := errors.AsType[*types.ResourceNotFoundException](err); ok && strings.Contains(refused.ErrorMessage(), textNoValue) {
		return "", foundf("secret-empty", "%s has no value yet", b.target.Secret)
	}
	if region := b.lookElsewhere(ctx); region != "" {
		b.names["OTHER_REGION"] = region
		return "", foundf("secret-elsewhere", "%s is not in %s but in %s", b.target.Secret, b.names["REGION"], region)
	}
	if b.on.Environment.Store.Create && !strings.HasPrefix(b.target.Secret, "arn:") {
		b.held.awaited = true
		return b.target.Secret + " is not there yet; create_secrets has the next run create it", nil
	}
	return "", foundf("secret-missing", "there is no secret %s in %s", b.target.Secret, b.names["REGION"])
}

func regionOfARN(secret string) string {
	if parts := strings.Split(secret, ":"); parts[0] == "arn" && len(parts) > 3 {
		return parts[3]
	}
	return ""
}

// overdue is how long a token may be due: three ticks of the template's schedule.
const overdue = 15 * time.Minute

func (b *branch) fresh(context.Context) (string, *finding) {
	if b.held.awaited {
		return "", &finding{skip: true, found: "there is no secret yet"}
	}
	want, now, token := b.on.Environment.Config.Identity(b.target), b.on.now(), b.held.Token
	expiry := token.Expiry.Format(time.RFC3339)
	switch pause := b.held.Pause(); {
	case pause != nil:
		return "", foundf("paused", "%s", pause)
	case b.held.Malformed != nil:
		return "", foundf("malformed", "%s", b.held.Malformed)
	case !token.SameIdentity(want):
		return "", foundf("other-identity", "the secret holds a token of kind %s for %s, which is not what the document asks for", token.Kind, token.Principal)
	case !token.Credible(now):
		return "", foundf("incredible", "the token says that it was minted at %s and expires at %s", token.MintedAt.Format(time.RFC3339), expiry)
	case !token.Expiry.After(now):
		return "", foundf("expired", "the token expired at %s, %v ago", expiry, now.Sub(token.Expiry).Round(time.Minute))
	// Of a younger one the times cannot be true as of then, which is due, too.
	case now.Sub(token.MintedAt) > overdue && keeper.Due(b.target, want, b.held.Current, now.Add(-overdue)):
		return "", foundf("overdue", "the token has been due for %v or more and expires at %s", overdue, expiry)
	}
	return fmt.Sprintf("good for %v more", token.Expiry.Sub(now).Round(time.Minute)), nil
}

// probe is a value that is never stored; probeStage, the label that its version would
// have otherwise, and which nobody reads.
const (
	probe      = "wifmint doctor asks whether it may write here"
	probeStage = "WIFMINT-DOCTOR"
)

// write finds out whether the identity may put values, by a put that cannot be carried
// out: under the id of the version that is there, of which Secrets Manager takes no
// other value. Who may not put is told so; who may is told that the version exists.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_PutSecretValue.html
func (b *branch) write(ctx context.Context) (string, *finding) {
	if b.held.awaited {
		return "", &finding{skip: true, found: "not to be known before there is a secret", fix: b.names.fill(fixSimulate)}
	}
	_, err := b.on.Environment.Store.Client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: &b.held.ARN, ClientRequestToken: &b.held.VersionID, SecretString: aws.String(probe), VersionStages: []string{probeStage},
	})
	if _, ok := errors.AsType[*types.ResourceExistsException](err); ok {
		return "allowed; nothing was written", nil
	}
	if err == nil {
		return "", foundf("", "Secrets Manager took another value for a version that is there, which AWS's has never done: check AWS_ENDPOINT_URL_SECRETS_MANAGER")
	}
	refused, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		f := observe(err)
		f.found = "Secrets Manager was not reached: " + f.code
		return "", f
	}
	f := &finding{code: refused.ErrorCode(), found: "Secrets Manager: " + oneLine(refused.ErrorCode())}
	switch f.code {
	case "AccessDeniedException", "EncryptionFailure": // whose messages have nothing of the request in them but names
		f.text = refused.ErrorMessage()
		f.found += ": " + oneLine(f.text)
		b.nameKey(ctx)
	}
	if slices.Contains(throttled[:], f.code) {
		f.code = codeQuota
	}
	return "", f
}
