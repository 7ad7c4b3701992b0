package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

type localCommand struct {
	JSON bool `help:"Print one JSON object a line; the last is the summary."`
}

const (
	modulePath    = "github.com/wifmint/wifmint"
	localRegion   = "eu-west-1"
	localTimeout  = 5 * time.Minute
	localAudience = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/aws/providers/lambda"
)

// The AWS identities of the play: the functions' roles, another Lambda's that
// reads the tokens, and a person's. Their keys are worth nothing outside the
// fake account.
var (
	minterRole   = localRole("minter")
	rotatorRole  = localRole("rotator")
	consumerRole = localRole("consumer")
	operatorRole = localRole("operator")
)

func localRole(name string) fakecloud.AWSKey {
	return fakecloud.AWSKey{
		AccessKeyID:     "ASIALOCAL" + strings.ToUpper(name),
		SecretAccessKey: "local-" + name + "-secret-access-key",
		SessionToken:    "local-" + name + "-session-token",
		ARN:             "arn:aws:sts::123456789012:assumed-role/wifmint-" + name + "/" + name,
	}
}

const (
	reportsAccount = "reports@demo-project.iam.gserviceaccount.com"
	callerAccount  = "caller@demo-project.iam.gserviceaccount.com"
)

// localConfig is the config document of the play.
const localConfig = `{
  "credentials": {
    "type": "external_account",
    "audience": %q,
    "subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
    "token_url": %q,
    "service_account_impersonation_url": %q,
    "credential_source": {
      "environment_id": "aws1",
      "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    }
  },
  "create_secrets": true,
  "targets": [
    {"name": "federated", "secret": "wifmint/federated"},
    {"name": "reports", "secret": "wifmint/reports", "service_account": "` + reportsAccount + `", "scopes": ["https://www.googleapis.com/auth/bigquery"]},
    {"name": "api", "secret": "wifmint/api", "service_account": "` + callerAccount + `", "id_token_audience": "https://api.example.run.app"}
  ]
}`

// play is the main job on this machine: the real functions between a fake
// AWS and a fake Google.
type play struct {
	module string // the checkout
	dir    string // for what is built
	cloud  *fakecloud.Cloud
	server *fakecloud.Server
	config *keeper.Config
	env    map[string]string
	tell   narrator
	fresh  map[string]bool // by target

	mu   sync.Mutex
	logs []string // the functions' output, told when something fails
}

func (c *localCommand) Run(w *world) error {
	ctx, cancel := context.WithTimeout(w.ctx, localTimeout)
	defer cancel()
	module, err := checkout()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "wifmint-local-")
	if err != nil {
		return fmt.Errorf("making a folder for the built functions: %w", err)
	}
	defer os.RemoveAll(dir)

	p := &play{module: module, dir: dir, fresh: map[string]bool{}, tell: newNarrator(w, c.JSON)}
	err = p.run(ctx)
	p.tell.summary(p.targets(), len(p.fresh), err)
	if err != nil && len(p.logs) > 0 && w.ctx.Err() == nil { // not for one who has gone
		fmt.Fprintln(w.stderr, "what the functions logged:")
		for _, line := range p.logs {
			fmt.Fprintln(w.stderr, line)
		}
	}
	return err
}

// log keeps a line of a function's output. Each function has a goroutine of its own.
func (p *play) log(line string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.logs = append(p.logs, line)
}

func (p *play) run(ctx context.Context) error {
	p.tell.title()
	bootstraps := map[string]string{}
	for _, function := range []string{"minter", "rotator"} {
		bootstrap, err := p.build(ctx, function)
		if err != nil {
			return err
		}
		bootstraps[function] = bootstrap
	}
	if err := p.openCloud(); err != nil {
		return err
	}
	defer p.server.Close()
	minter, err := p.start(ctx, "minter", bootstraps["minter"], minterRole)
	if err != nil {
		return err
	}
	defer minter.Close()
	rotator, err := p.start(ctx, "rotator", bootstraps["rotator"], rotatorRole)
	if err != nil {
		return err
	}
	defer rotator.Close()

	p.tell.scene("The minter's schedule fires: there is no token yet")
	if err := p.invoke(ctx, minter, "minter", "minter-schedule.json", keeper.Minted); err != nil {
		return err
	}
	p.tell.scene("It fires again: a fresh token is left alone")
	if err := p.invoke(ctx, minter, "minter", "minter-schedule.json", keeper.Fresh); err != nil {
		return err
	}
	p.tell.scene("The rotator's schedule fires: one federated token serves every service account")
	if err := p.invoke(ctx, rotator, "rotator", "rotator-schedule.json", keeper.Minted); err != nil {
		return err
	}
	p.tell.scene("A person rotates a secret: Secrets Manager calls the rotator for its four steps")
	if err := p.rotate(ctx, rotator, "wifmint/reports"); err != nil {
		return err
	}
	p.tell.scene("Another Lambda reads the tokens: one call each, no Google key, no federation library")
	return p.readAll(ctx)
}

// checkout finds the folder of this module above the working directory.
func checkout() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("finding the working directory: %w", err)
	}
	for {
		mod, err := os.ReadFile(filepath.Join(dir, "go.mod"))
		if err == nil && strings.HasPrefix(string(mod), "module "+modulePath+"\n") {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", usageError{errors.New("local builds the functions from source: run it in a checkout of " + modulePath)}
		}
		dir = parent
	}
}

func (p *play) build(ctx context.Context, function string) (string, error) {
	began := time.Now()
	bootstrap, err := lambdaapi.Build(ctx, p.module, "./functions/"+function, filepath.Join(p.dir, function))
	if errors.Is(err, exec.ErrNotFound) {
		return "", errors.New("building the functions: there is no go command in PATH; install Go 1.26 or later, from https://go.dev/dl")
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(bootstrap)
	if err != nil {
		return "", fmt.Errorf("building %s: %w", function, err)
	}
	p.tell.built(function, info.Size(), time.Since(began))
	return bootstrap, nil
}

// openCloud starts the fakes and writes the config document that points at them.
func (p *play) openCloud() (err error) {
	p.cloud = fakecloud.New(fakecloud.Options{Region: localRegion})
	for _, role := range []fakecloud.AWSKey{minterRole, rotatorRole, consumerRole, operatorRole} {
		p.cloud.AddAWSKey(role)
	}
	p.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: reportsAccount})
	p.cloud.AddServiceAccount(fakecloud.ServiceAccount{Email: callerAccount})
	p.cloud.AddProvider(fakecloud.Provider{Audience: localAudience, AWSAccount: "123456789012"})
	p.cloud.OnCall(p.tell.call)
	if p.server, err = p.cloud.Serve(); err != nil {
		return fmt.Errorf("starting the fake cloud: %w", err)
	}
	document := fmt.Sprintf(localConfig, localAudience, p.server.Endpoints().TokenURL, p.server.Endpoints().IAMCredentials)
	if p.config, err = keeper.ParseConfig([]byte(document), keeper.ConfigOptions{AllowAnyEndpoint: true}); err != nil {
		return err
	}
	p.env = map[string]string{
		"WIFMINT_CONFIG":                   document,
		"WIFMINT_UNSAFE_ENDPOINTS":         "allow",
		"WIFMINT_TOKENINFO_URL":            p.server.Endpoints().TokenInfo,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": p.server.Endpoints().SecretsManager,
		"AWS_REGION":                       localRegion,
		"AWS_LAMBDA_LOG_FORMAT":            "JSON",
	}
	return nil
}

func (p *play) start(ctx context.Context, function, bootstrap string, role fakecloud.AWSKey) (*lambdaapi.Environment, error) {
	env := map[string]string{
		"AWS_ACCESS_KEY_ID":     role.AccessKeyID,
		"AWS_SECRET_ACCESS_KEY": role.SecretAccessKey,
		"AWS_SESSION_TOKEN":     role.SessionToken,
	}
	for k, v := range p.env {
		env[k] = v
	}
	e, err := lambdaapi.Start(ctx, lambdaapi.Function{
		Name: "wifmint-" + function, Bootstrap: bootstrap, TaskRoot: p.module, Env: env,
		Timeout: 30 * time.Second, Output: p.log,
	})
	if err != nil {
		return nil, err
	}
	p.tell.started(function, role.ARN, e.InitDuration())
	return e, nil
}

// invoke hands a function one of the files of events/ and checks that every
// target ended as the scene has it.
func (p *play) invoke(ctx context.Context, e *lambdaapi.Environment, function, file string, want keeper.Outcome) error {
	event, err := os.ReadFile(filepath.Join(p.module, "events", file))
	if err != nil {
		return fmt.Errorf("reading the event: %w", err)
	}
	p.tell.event(function, filepath.Join("events", file))
	result, err := e.Invoke(ctx, event)
	if err != nil {
		return err
	}
	if result.Error != nil {
		return fmt.Errorf("invoking the %s: %w", function, result.Error)
	}
	var report keeper.Report
	if err := json.Unmarshal(result.Payload, &report); err != nil {
		return fmt.Errorf("reading the answer of the %s: %w", function, err)
	}
	p.tell.report(&report, result.Duration)
	for _, r := range report.Results {
		if r.Outcome != want {
			return fmt.Errorf("target %s ended %s, not %s", r.Target, r.Outcome, want)
		}
	}
	return nil
}

// rotate rotates a secret as "aws secretsmanager rotate-secret" does, with the
// rotator as its function.
func (p *play) rotate(ctx context.Context, rotator *lambdaapi.Environment, secretID string) error {
	const arn = "arn:aws:lambda:" + localRegion + ":123456789012:function:wifmint-rotator"
	var failed error // RotateSecret itself answers well whatever its function says
	p.cloud.SetRotationFunction(arn, func(ctx context.Context, step fakecloud.RotationEvent) error {
		failed = p.rotationStep(ctx, rotator, step)
		return failed
	})
	defer p.cloud.SetRotationFunction(arn, nil)
	_, err := p.client(operatorRole).RotateSecret(ctx, &secretsmanager.RotateSecretInput{
		SecretId: &secretID, RotationLambdaARN: aws.String(arn), RotationRules: &types.RotationRulesType{AutomaticallyAfterDays: aws.Int64(1)},
	})
	if err := cmp.Or(failed, err); err != nil {
		return fmt.Errorf("rotating %s: %w", secretID, err)
	}
	return nil
}

// rotationStep hands the rotator the step's file of events/ with this
// rotation's secret and version in it.
func (p *play) rotationStep(ctx context.Context, rotator *lambdaapi.Environment, step fakecloud.RotationEvent) error {
	file := "rotation-" + strings.TrimSuffix(step.Step, "Secret") + ".json"
	p.tell.event("rotator", filepath.Join("events", file))
	sample, err := os.ReadFile(filepath.Join(p.module, "events", file))
	if err != nil {
		return fmt.Errorf("reading the event: %w", err)
	}
	event := map[string]string{}
	if err := json.Unmarshal(sample, &event); err != nil {
		return fmt.Errorf("reading the event %s: %w", file, err)
	}
	event["SecretId"], event["ClientRequestToken"], event["RotationToken"] = step.SecretId, step.ClientRequestToken, step.RotationToken
	payload, err := json.Marshal(event)
	if err != nil {
		return err
	}
	result, err := rotator.Invoke(ctx, payload)
	if err != nil {
		return err
	}
	if result.Error != nil {
		return result.Error
	}
	p.tell.step(step.Step, result.Duration)
	return nil
}

func (p *play) client(role fakecloud.AWSKey) *secretsmanager.Client {
	return secretsmanager.New(secretsmanager.Options{
		Region:       localRegion,
		BaseEndpoint: aws.String(p.server.Endpoints().SecretsManager),
		Credentials:  credentials.NewStaticCredentialsProvider(role.AccessKeyID, role.SecretAccessKey, role.SessionToken),
	})
}

// readAll reads every target's secret as its consumer would, and asks Google
// whether the token in it is good.
func (p *play) readAll(ctx context.Context) error {
	client := p.client(consumerRole)
	for _, t := range p.config.Targets {
		value, err := client.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &t.Secret})
		if err != nil {
			return fmt.Errorf("reading %s as a consumer: %w", t.Secret, err)
		}
		token, err := tokenstore.Parse([]byte(aws.ToString(value.SecretString)))
		if err != nil {
			return err
		}
		issued, ok := p.cloud.LookupToken(token.Value.Reveal())
		if !ok || !issued.Expires.After(time.Now()) {
			return fmt.Errorf("the token in %s is none that Google would accept", t.Secret)
		}
		p.fresh[t.Name] = true
		p.tell.read(t.Secret, token)
	}
	return nil
}

// targets counts the targets; none before the document is read.
func (p *play) targets() int {
	if p.config == nil {
		return 0
	}
	return len(p.config.Targets)
}
