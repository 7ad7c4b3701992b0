package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// program starts a function that can work on a fleet, and tells the event that
// makes it do so.
type program func(context.Context, fleet, fakecloud.Endpoints) (*lambdaapi.Environment, []byte, error)

// fleetTimeout is the longest that Lambda lets a function work.
const fleetTimeout = 15 * time.Minute

// asDeployed is the fleet's own function.
func asDeployed(built paths) program {
	return func(ctx context.Context, f fleet, cloud fakecloud.Endpoints) (*lambdaapi.Environment, []byte, error) {
		e, err := startWith(ctx, built[f.keeper()], fleetTimeout, cloud, f.document())
		return e, []byte(`{}`), err
	}
}

// asWrittenToday is lambdas/impersonating, which works on so many accounts at once.
func asWrittenToday(bootstrap string, concurrency int) program {
	return func(ctx context.Context, f fleet, cloud fakecloud.Endpoints) (*lambdaapi.Environment, []byte, error) {
		accounts := make([]string, f.targets)
		for i := range accounts {
			accounts[i] = email(i)
		}
		event, err := json.Marshal(object{"accounts": accounts, "concurrency": concurrency, "token_url": cloud.TokenURL, "iam_url": cloud.IAMCredentials})
		if err != nil {
			return nil, nil, err
		}
		e, err := lambdaapi.Start(ctx, lambdaapi.Function{Bootstrap: bootstrap, Timeout: fleetTimeout, Env: environment(cloud)})
		return e, event, err
	}
}

// fleetRuns are runs of a program over the same fleet, each from a cold start
// in a cloud of its own.
type fleetRuns struct {
	seconds         sample
	google, secrets sample // calls
	peak            sample // bytes of memory; empty where it cannot be told
	response        sample // bytes
	made            calls  // of the latest run that made other calls than were needed, or else of the first
	lost            int    // targets without a new token after a run that was to give them one
}

// run adds a run.
func (r *fleetRuns) run(ctx context.Context, f fleet, start program) error {
	cloud, err := f.cloud()
	if err != nil {
		return err
	}
	server, err := cloud.Serve()
	if err != nil {
		return err
	}
	defer server.Close()
	e, event, err := start(ctx, f, server.Endpoints())
	if err != nil {
		return err
	}
	defer e.Close()

	result, err := e.Invoke(ctx, event)
	if err == nil && result.Error != nil {
		err = result.Error
	}
	if err != nil {
		return err
	}
	memory, err := readMemory(e.PID())
	if err != nil {
		return err
	}
	r.add(f, result, memory, cloud)
	return nil
}

func (r *fleetRuns) add(f fleet, result lambdaapi.Result, m memory, cloud *fakecloud.Cloud) {
	made, needed := callsTo(cloud), f.needed()
	if r.made == nil || !maps.Equal(made, needed) {
		r.made = made
	}
	r.lost += needed["PutSecretValue"] - made["PutSecretValue"]
	r.seconds = append(r.seconds, result.Duration.Seconds())
	r.google = append(r.google, float64(cloud.Count("google-sts", "")+cloud.Count("iamcredentials", "")))
	r.secrets = append(r.secrets, float64(cloud.Count("secretsmanager", "")))
	r.response = append(r.response, float64(len(result.Payload)))
	if m.peak != 0 {
		r.peak = append(r.peak, m.peak)
	}
}

// losses tells what is left out of a program's time.
func (r fleetRuns) losses() string {
	if r.lost == 0 {
		return ""
	}
	return fmt.Sprintf(", tokens not stored: %d", r.lost)
}
