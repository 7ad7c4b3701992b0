// Nothing is the smallest Lambda extension: it registers and waits for its end,
// which is what every other one costs at least.
package main

import (
	"encoding/json"
	"io"
	"log"
	"net/http"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	url := "http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2020-01-01/extension/"
	register, err := http.NewRequest(http.MethodPost, url+"register", strings.NewReader(`{"events":["INVOKE","SHUTDOWN"]}`))
	if err != nil {
		log.Fatal(err)
	}
	register.Header.Set("Lambda-Extension-Name", filepath.Base(os.Args[0]))
	resp, err := http.DefaultClient.Do(register)
	if err != nil {
		log.Fatal(err)
	}
	_, _ = io.Copy(io.Discard, resp.Body) // or else the next call dials anew
	_ = resp.Body.Close()

	next, err := http.NewRequest(http.MethodGet, url+"event/next", nil)
	if err != nil {
		log.Fatal(err)
	}
	next.Header.Set("Lambda-Extension-Identifier", resp.Header.Get("Lambda-Extension-Identifier"))
	for {
		if waitForEvent(next) == "SHUTDOWN" {
			return
		}
	}
}

func waitForEvent(next *http.Request) string {
	resp, err := http.DefaultClient.Do(next)
	if err != nil {
		log.Fatal(err)
	}
	defer resp.Body.Close()
	var event struct {
		Type string `json:"eventType"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&event); err != nil {
		log.Fatal(err)
	}
	return event.Type
}
