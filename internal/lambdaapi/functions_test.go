package lambdaapi

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

// functionVariable makes the test binary one of the functions below: real
// processes with AWS's own runtime, without a build for each.
const functionVariable = "LAMBDAAPI_TEST_FUNCTION"

func TestMain(m *testing.M) {
	if run := extensions[filepath.Base(os.Args[0])]; run != nil {
		run(&extensionClient{})
		return
	}
	if name := os.Getenv(functionVariable); name != "" {
		runFunction(name)
		return
	}
	os.Exit(m.Run())
}

func runFunction(name string) {
	switch name {
	case "echo":
		lambda.Start(func(event json.RawMessage) (json.RawMessage, error) { return event, nil })
	case "nothing":
		lambda.Start(func() {})
	case "environment":
		lambda.Start(describeEnvironment)
	case "count":
		n := 0
		lambda.Start(func() (string, error) { n++; return fmt.Sprintf("%d of %d", n, os.Getpid()), nil })
	case "fail":
		lambda.Start(func() error { return failure{"no luck"} })
	case "panic":
		lambda.Start(func() { panic("at the disco") })
	case "exit":
		lambda.Start(func() { os.Exit(3) })
	case "hang":
		lambda.Start(func(event json.RawMessage) { fmt.Println("hanging"); hang() })
	case "hang if told to":
		lambda.Start(func(told bool) {
			if told {
				hang()
			}
		})
	case "big":
		lambda.Start(func(n int) (io.Reader, error) { return strings.NewReader(strings.Repeat("x", n)), nil })
	case "stream that breaks":
		lambda.Start(func() (io.Reader, error) {
			return io.MultiReader(strings.NewReader("half"), brokenReader{}), nil
		})
	case "exit in init":
		os.Exit(7)
	case "hang in init":
		hang()
	case "print in init":
		fmt.Println("function starts")
		lambda.Start(func() {})
	case "slow init":
		time.Sleep(150 * time.Millisecond)
		lambda.Start(func() {})
	case "post init error":
		post("init/error", `{"errorType":"Config.Wrong","errorMessage":"no audience"}`)
		hang()
	case "answer and exit":
		post("invocation/"+next()+"/response", `"last words"`)
		os.Exit(1)
	case "break the protocol":
		breakProtocol()
	case "ignore SIGTERM":
		signal.Ignore(syscall.SIGTERM)
		lambda.Start(func() {})
	case "print":
		lambda.Start(func() {
			fmt.Println("out")
			fmt.Fprintln(os.Stderr, "err")
			fmt.Println(strings.Repeat("x", maxLine+1))
			fmt.Print("\nlast words")
			os.Exit(1) // with 0 the race detector waits a second
		})
	case "start a child":
		child := exec.Command(os.Args[0])
		child.Env = []string{functionVariable + "=child", "ADDRESS=" + os.Getenv("ADDRESS")}
		child.Stdout, child.Stderr = os.Stdout, os.Stderr
		if err := child.Start(); err != nil {
			panic(err)
		}
		lambda.Start(func(event json.RawMessage) { os.Exit(1) })
	case "child":
		// The connection tells the test how long this process lives.
		conn, err := net.Dial("tcp", os.Getenv("ADDRESS"))
		if err != nil {
			panic(err)
		}
		_, _ = io.Copy(io.Discard, conn)
	}
}

// hang is longer than any test waits, and ends even if the test binary was killed.
func hang() { time.Sleep(5 * time.Minute) }

type failure struct{ text string }

func (f failure) Error() string { return f.text }

type brokenReader struct{}

func (brokenReader) Read([]byte) (int, error) { return 0, errors.New("the well is dry") }

type description struct {
	RequestID, ARN string
	Deadline       time.Time
	Environ        []string
	Directory      string
}

func describeEnvironment(ctx context.Context) (description, error) {
	lc, _ := lambdacontext.FromContext(ctx)
	deadline, _ := ctx.Deadline()
	directory, err := os.Getwd()
	return description{lc.AwsRequestID, lc.InvokedFunctionArn, deadline, os.Environ(), directory}, err
}

// breakProtocol does what no runtime should, and answers with the statuses it got.
func breakProtocol() {
	id := next()
	statuses := []int{
		post("init/error", `{}`),
		post("invocation/00000000-0000-0000-0000-000000000000/response", `"for nobody"`),
		get("invocation/next").StatusCode,
	}
	answer, _ := json.Marshal(statuses)
	post("invocation/"+id+"/response", string(answer))
	post("invocation/"+id+"/error", `{"errorMessage":"changed my mind"}`)
	next()
}

func next() (id string) { return get("invocation/next").Header.Get("Lambda-Runtime-Aws-Request-Id") }

func get(path string) *http.Response {
	resp, err := http.Get("http://" + os.Getenv("AWS_LAMBDA_RUNTIME_API") + "/2018-06-01/runtime/" + path)
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	return resp
}

func post(path, body string) (status int) {
	resp, err := http.Post("http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2018-06-01/runtime/"+path, "application/json", bytes.NewReader([]byte(body)))
	if err != nil {
		panic(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}
