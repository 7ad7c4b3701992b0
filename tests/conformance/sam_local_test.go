package conformance_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/wifmint/wifmint/internal/keeper"
)

// eventsOfMinter are the files of events/ for the minter, and what becomes of its
// one target when they come in this order.
var eventsOfMinter = []struct{ file, outcome string }{
	{"minter-schedule.json", "minted"},
	{"minter-scheduler-envelope.json", "fresh"},
	{"minter-targets.json", "fresh"},
	{"minter-shard.json", "fresh"}, // which its target is of
	{"minter-empty.json", "fresh"},
	{"minter-null.json", "fresh"},
	{"minter-force.json", "minted"},
	{"minter-eventbridge-rule.json", "minted"},
}

func TestTheFunctionsTakeEveryFileOfEventsInSAMsContainers(t *testing.T) {
	needImages(t)
	w := newWorld(t, dockerHost(t))
	for _, e := range eventsOfMinter {
		w.holds(w.localInvoke("Minter", e.file), "minter", e.outcome)
	}
	w.holds(w.localInvoke("Rotator", "rotator-schedule.json"), "rotator", "minted minted")
	// The files name a version, and are in the order of the steps.
	files := []string{"rotation-create.json", "rotation-set.json", "rotation-test.json", "rotation-finish.json"}
	event, err := keeper.ParseEvent([]byte(content(t, root+"/events/"+files[0])))
	if err != nil {
		t.Fatal(err)
	}
	w.rotate(event.Rotation.ClientRequestToken, func(string) string {
		file := files[0]
		files = files[1:]
		return w.localInvoke("Rotator", file)
	})
}

func TestBoto3InvokesTheFunctionsInSAMsContainersAndTheAWSCLIRotatesThroughThem(t *testing.T) {
	needImages(t)
	w := newWorld(t, dockerHost(t))
	w.callers["AWS_ENDPOINT_URL_LAMBDA"] = w.sam("local", "start-lambda", "--host", "127.0.0.1", "--port", "0", "--warm-containers", "LAZY").serve(t)

	w.holds(w.invoke("Minter", `{}`), "minter", "minted")
	w.holds(w.invoke("Minter", `{}`), "minter", "fresh")
	failed := w.boto3("lambda", "invoke", map[string]any{"FunctionName": "Minter", "Payload": `{"targets": ["reports"]}`})
	if failed["FunctionError"] != "Unhandled" || !strings.Contains(failed["Payload"].(string), "EventError") {
		t.Errorf("another function's target: %v", failed)
	}

	accepted := w.boto3("lambda", "invoke", map[string]any{"FunctionName": "Rotator", "InvocationType": "Event", "Payload": `{}`})
	if accepted["StatusCode"] != 202.0 || accepted["Payload"] != "" {
		t.Errorf("the asynchronous call: %v", accepted)
	}
	w.eventually("the rotator has stored its tokens", func() bool {
		stored := 0
		for _, result := range w.store().ReadMany(t.Context(), []string{"wifmint/reports", "wifmint/api"}) {
			if result.Current.Usable() {
				stored++
			}
		}
		return stored == 2
	})
	w.holds(w.invoke("Rotator", `{}`), "rotator", "fresh fresh")
	w.rotate(uuid.NewString(), func(event string) string { return w.invoke("Rotator", event) })
}

// invoke is a synchronous call through boto3.
func (w *world) invoke(function, event string) string {
	w.t.Helper()
	out := w.boto3("lambda", "invoke", map[string]any{"FunctionName": function, "InvocationType": "RequestResponse", "Payload": event})
	if out["StatusCode"] != 200.0 || out["FunctionError"] != nil {
		w.t.Errorf("%v", out)
	}
	return out["Payload"].(string)
}

func (w *world) eventually(what string, holds func() bool) {
	w.t.Helper()
	deadline := time.After(time.Minute)
	for tick := time.Tick(100 * time.Millisecond); !holds(); {
		select {
		case <-tick:
		case <-deadline:
			w.t.Fatalf("not in a minute: %s", what)
		}
	}
}
