package keeper

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"time"
)

// InitError tells Lambda why the function cannot start, so that whoever
// invokes it reads the reason and not only "exit status 1". aws-lambda-go has
// no call for it.
// https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html#runtimes-api-initerror
func InitError(getenv func(string) string, log *slog.Logger, cause error) {
	log.Error("starting the function", "error", cause.Error())
	body, err := json.Marshal(map[string]any{"errorType": "ConfigError", "errorMessage": cause.Error()})
	if err != nil {
		return // unreachable: two strings
	}
	client := http.Client{Timeout: 2 * time.Second, Transport: &http.Transport{}} // never through a proxy
	url := "http://" + getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/init/error"
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return
	}
	req.Header.Set("Lambda-Runtime-Function-Error-Type", "ConfigError")
	if resp, err := client.Do(req); err == nil {
		_ = resp.Body.Close()
	}
}
