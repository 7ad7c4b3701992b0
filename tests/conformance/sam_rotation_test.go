package conformance_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/keeper"
)

// rotate has the AWS CLI rotate wifmint/reports to a version, and looks what
// became of it. moto's Secrets Manager takes the steps in AWS's order, each by
// invoking a function of moto's Lambda; that one is a container which hands the
// event on to step, and step to the rotator.
func (w *world) rotate(version string, step func(event string) (answer string)) {
	w.t.Helper()
	before := w.labelled("AWSCURRENT")
	var steps []string
	function := w.motoFunction(func(event string) string {
		var e struct{ Step string }
		_ = json.Unmarshal([]byte(event), &e) // then it has no Step, which is seen below
		steps = append(steps, e.Step)
		answer := step(event)
		if answer != "null" { // moto goes on whatever a step answers
			w.t.Errorf("%s answers %s, want null", e.Step, answer)
		}
		return answer
	})
	w.aws("secretsmanager", "rotate-secret", "--secret-id", "wifmint/reports", "--client-request-token", version,
		"--rotation-lambda-arn", function, "--rotation-rules", "AutomaticallyAfterDays=1")
	if diff := cmp.Diff(keeper.RotationSteps, steps); diff != "" {
		w.t.Errorf("the steps (-want +got):\n%s", diff)
	}
	if current := w.labelled("AWSCURRENT"); !slices.Equal(current, []string{version}) || slices.Equal(current, before) {
		w.t.Errorf("AWSCURRENT is on %v, and was on %v", current, before)
	}
	if got, token := w.stored("wifmint/reports"); got != version || token.Principal != reportsAccount {
		w.t.Errorf("version %s of %s is read", got, token.Principal)
	}
	if previous := w.labelled("AWSPREVIOUS"); !slices.Equal(previous, before) {
		w.t.Errorf("AWSPREVIOUS is on %v, want %v", previous, before)
	}
	// As AWS wants it, for the next rotation to begin; moto would want it nowhere.
	if pending := w.labelled("AWSPENDING"); len(pending) > 0 && !slices.Equal(pending, []string{version}) {
		w.t.Errorf("AWSPENDING is on %v", pending)
	}
}

// motoFunction makes a function of moto's Lambda that answers what answer does,
// and returns its ARN.
func (w *world) motoFunction(answer func(event string) string) string {
	w.t.Helper()
	listener, err := net.Listen("tcp", net.JoinHostPort(dockerHost(w.t), "0"))
	if err != nil {
		w.t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		event, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
		if err != nil {
			w.t.Error(err)
		}
		_, _ = io.WriteString(rw, answer(string(event)))
	})}
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	w.t.Cleanup(func() {
		_ = server.Close()
		<-served
	})

	code := w.motoCode()
	const function = "forward"
	w.aws("iam", "create-role", "--role-name", function, "--assume-role-policy-document", "{}")
	w.aws("lambda", "create-function", "--function-name", function, "--runtime", "provided.al2023", "--handler", "bootstrap",
		"--role", "arn:aws:iam::123456789012:role/"+function, "--zip-file", "fileb://"+code,
		"--environment", "Variables={FORWARD_TO=http://"+listener.Addr().String()+"}")
	return "arn:aws:lambda:" + region + ":123456789012:function:" + function
}

// motoCode is a function's code for moto: nothing, for the image has it all. moto
// keeps a code in a volume that is named after it, so each test has its own.
func (w *world) motoCode() (path string) {
	w.t.Helper()
	var code bytes.Buffer
	z := zip.NewWriter(&code)
	_, err := z.CreateHeader(&zip.FileHeader{Name: w.t.Name(), Modified: time.Now()})
	if err == nil {
		err = z.Close()
	}
	path = w.t.TempDir() + "/function.zip"
	if err == nil {
		err = os.WriteFile(path, code.Bytes(), 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { // moto does it, unless it is interrupted
		_, _ = docker(nil, "volume", "rm", "--force", fmt.Sprintf("%x", sha256.Sum256(code.Bytes())))
	})
	return path
}
