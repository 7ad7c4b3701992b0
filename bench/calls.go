package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// countCalls has the real minter work against fake clouds, which count what
// it asks them for.
func countCalls(ctx context.Context, bootstrap string) ([]row, error) {
	var rows []row
	for _, run := range []struct {
		what    string
		targets int
		age     time.Duration // of tokens that live for an hour
		need    calls
	}{
		{"calls for a fresh target", 1, 0, calls{"GetSecretValue": 1}},
		{"calls for a due target", 1, 50 * time.Minute, calls{"GetSecretValue": 1, "exchange": 1, "PutSecretValue": 1}},
		{"calls for 45 fresh targets", 45, 0, calls{"BatchGetSecretValue": 3}},
	} {
		made, err := callsOfRun(ctx, bootstrap, run.targets, run.age)
		if err != nil {
			return nil, fmt.Errorf("counting %s: %w", run.what, err)
		}
		ratio := made.total() / run.need.total()
		if !maps.Equal(made, run.need) {
			ratio = max(ratio, 1.01) // as many, or fewer, but not those: never within the budget
		}
		rows = append(rows, row{what: run.what, ratio: ratio, budget: 1, this: "made " + made.String(), that: "needed " + run.need.String()})
	}
	return rows, nil
}

// calls counts calls by what was asked for.
type calls map[string]int

func (c calls) total() (n float64) {
	for _, count := range c {
		n += float64(count)
	}
	return n
}

func (c calls) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c)) {
		parts = append(parts, fmt.Sprintf("%d %s", c[name], name))
	}
	return strings.Join(parts, ", ")
}

// callsOfRun runs the minter twice, and returns the calls of the second run: the
// first stores the tokens, which are then made as old as age.
func callsOfRun(ctx context.Context, bootstrap string, targets int, age time.Duration) (calls, error) {
	cloud := fakecloud.New(fakecloud.Options{Region: region})
	cloud.AddAWSKey(fakecloud.AWSKey{
		AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, SessionToken: sessionToken,
		ARN: "arn:aws:sts::123456789012:assumed-role/minter/minter",
	})
	cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012", TokenLifetime: time.Hour})
	server, err := cloud.Serve()
	if err != nil {
		return nil, err
	}
	defer server.Close()
	e, err := startAgainst(ctx, bootstrap, server.Endpoints(), targets)
	if err != nil {
		return nil, err
	}
	defer e.Close()

	if err := invoke(ctx, e); err != nil {
		return nil, err
	}
	if err := makeOlder(cloud, age); err != nil {
		return nil, err
	}
	cloud.ResetCalls()
	if err := invoke(ctx, e); err != nil {
		return nil, err
	}
	made := calls{}
	for _, call := range cloud.Calls() {
		switch call.Service {
		case "aws-sts": // asked by the fake Google, not by the minter
		case "google-sts":
			made["exchange"]++
		default:
			made[call.Operation]++
		}
	}
	return made, nil
}

// startAgainst starts the minter with a document of so many targets.
func startAgainst(ctx context.Context, bootstrap string, cloud fakecloud.Endpoints, targets int) (*lambdaapi.Environment, error) {
	type object = map[string]any
	var list []object
	for i := range targets {
		name := fmt.Sprintf("target-%02d", i)
		list = append(list, object{"name": name, "secret": "wifmint/" + name, "scopes": []string{scope}})
	}
	document, err := json.Marshal(object{
		"credentials": object{
			"type": "external_account", "audience": audience, "subject_token_type": subjectTokenType, "token_url": cloud.TokenURL,
			"credential_source": object{"environment_id": "aws1"},
		},
		"create_secrets": true,
		"targets":        list,
	})
	if err != nil {
		return nil, err
	}
	return lambdaapi.Start(ctx, lambdaapi.Function{Bootstrap: bootstrap, Timeout: time.Minute, Env: map[string]string{
		"AWS_REGION": region, "AWS_ACCESS_KEY_ID": accessKeyID, "AWS_SECRET_ACCESS_KEY": secretAccessKey, "AWS_SESSION_TOKEN": sessionToken,
		"AWS_ENDPOINT_URL_SECRETS_MANAGER": cloud.SecretsManager,
		"WIFMINT_UNSAFE_ENDPOINTS":         "allow",
		"WIFMINT_CONFIG":                   string(document),
	}})
}

func invoke(ctx context.Context, e *lambdaapi.Environment) error {
	result, err := e.Invoke(ctx, []byte(`{}`))
	if err == nil && result.Error != nil {
		err = result.Error
	}
	return err
}

// makeOlder moves the times of every stored token back.
func makeOlder(cloud *fakecloud.Cloud, age time.Duration) error {
	if age == 0 {
		return nil
	}
	for _, s := range cloud.Secrets() {
		current, found := s.Labelled("AWSCURRENT")
		if !found {
			return errors.New("the minter stored nothing in " + s.Name)
		}
		token, err := tokenstore.Parse([]byte(current.Value))
		if err != nil {
			return err
		}
		token.MintedAt, token.Expiry = token.MintedAt.Add(-age), token.Expiry.Add(-age)
		text, err := token.Encode()
		if err != nil {
			return err
		}
		cloud.PutSecret(s.Name, string(text))
	}
	return nil
}
