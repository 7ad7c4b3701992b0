package keeper

import (
	"bytes"
	"encoding/json"
	stdlog "log"
	"log/slog"
	"net/http"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/wifmint/wifmint/internal/netlog"
)

// StartFunction is what a function does before it takes events: it makes the log
// and reads the environment. With a wrong one it tells Lambda and the log why the
// function cannot start, and ends the process.
func StartFunction() (*Environment, *slog.Logger) {
	log := lambdacontext.NewLogger()
	stdlog.SetFlags(0) // aws-lambda-go prints a failed invocation's JSON through it
	netlog.Hide(os.Stderr)
	env, err := ReadEnvironment(os.Getenv, log)
	if err != nil {
		log.Error("starting the function", "error", err.Error())
		reportInitError(os.Getenv("AWS_LAMBDA_RUNTIME_API"), err)
		os.Exit(1)
	}
	return env, log
}

// reportInitError tells Lambda why the function cannot start, so that whoever
// invokes it reads the reason and not only "exit status 1". aws-lambda-go has
// no call for it.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror
func reportInitError(runtimeAPI string, cause error) {
	body, err := json.Marshal(map[string]any{"errorType": "ConfigError", "errorMessage": cause.Error()})
	if err != nil {
		return // unreachable: two strings
	}
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{}} // never through a proxy
	req, err := http.NewRequest(http.MethodPost, "http://"+runtimeAPI+"/2018-06-01/runtime/init/error", bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Lambda-Runtime-Function-Error-Type", "ConfigError")
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
}
