package reliability_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// killing is a function that is killed at its work.
type killing struct {
	function, targets string
	// due are the secrets that hold a token that is good, but due; the others hold
	// nothing.
	due []string
	// minter has the minter run before, for the rotator to use its token.
	minter bool
	// steps are the rotation's before the one that is killed; nil for a tick.
	steps    []string
	rotation bool
	// overtaken has the schedule store a better token then.
	overtaken bool
}

var killings = map[string]killing{
	"minter, first tokens":                  {function: "minter", targets: targets(2, 0, 0, "")},
	"minter, first token of one secret":     {function: "minter", targets: targets(1, 0, 0, "")},
	"minter, due tokens":                    {function: "minter", targets: targets(2, 0, 0, ""), due: []string{"wifmint/federated-0", "wifmint/federated-1"}},
	"rotator, first token":                  {function: "rotator", targets: targets(0, 0, 1, "")},
	"rotator, due tokens, exchanging":       {function: "rotator", targets: targets(0, 1, 1, ""), due: []string{"wifmint/access-0", "wifmint/id-0"}},
	"rotator, due token, with the minter's": {function: "rotator", targets: targets(1, 1, 0, ""), due: []string{"wifmint/access-0"}, minter: true},
	"rotator, createSecret":                 {function: "rotator", targets: targets(1, 1, 0, ""), due: []string{"wifmint/access-0"}, minter: true, rotation: true},
	"rotator, createSecret, exchanging":     {function: "rotator", targets: targets(0, 1, 0, ""), due: []string{"wifmint/access-0"}, rotation: true},
	"rotator, setSecret":                    {function: "rotator", targets: targets(0, 1, 0, ""), due: []string{"wifmint/access-0"}, rotation: true, steps: keeper.RotationSteps[:1]},
	"rotator, testSecret":                   {function: "rotator", targets: targets(0, 1, 0, ""), due: []string{"wifmint/access-0"}, rotation: true, steps: keeper.RotationSteps[:2]},
	"rotator, finishSecret":                 {function: "rotator", targets: targets(0, 1, 0, ""), due: []string{"wifmint/access-0"}, rotation: true, steps: keeper.RotationSteps[:3]},
	"rotator, finishSecret, overtaken":      {function: "rotator", targets: targets(0, 1, 0, ""), due: []string{"wifmint/access-0"}, rotation: true, steps: keeper.RotationSteps[:3], overtaken: true},
}

// TestAKillInAnyCallLosesNothing kills the real bootstraps in every call that they
// make, before the call has its effect and after, and again in the repetition. The
// calls are counted at the cloud; no time plays a part.
func TestAKillInAnyCallLosesNothing(t *testing.T) {
	t.Parallel()
	var cases atomic.Int64
	t.Cleanup(func() { figure(t, "kills: %d runs, each killed once or twice", cases.Load()) })
	for name, k := range killings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			calls := k.calls(t)
			for at := range calls {
				for _, after := range []bool{false, true} {
					again := []int{-1}
					if soak() {
						for second := range calls {
							again = append(again, second)
						}
					}
					for _, second := range again {
						t.Run(fmt.Sprintf("call %d of %d, after its effect %v, then call %d", at, calls, after, second), func(t *testing.T) {
							t.Parallel()
							k.survive(t, at, second, after)
							cases.Add(1)
						})
					}
				}
			}
		})
	}
}

// killed is a world in which a function is about to work.
type killed struct {
	*served
	killing
	t       *testing.T
	e       *lambdaapi.Environment
	config  *keeper.Config
	version string // of the rotation
	before  map[string]int
}

func (k killing) prepare(t *testing.T) *killed {
	s := serve(t, k.targets)
	config, err := keeper.ParseConfig([]byte(s.env["WIFMINT_CONFIG"]), keeper.ConfigOptions{AllowAnyEndpoint: true})
	if err != nil {
		t.Fatal(err)
	}
	w := &killed{served: s, killing: k, t: t, config: config, before: map[string]int{}}
	if k.minter {
		if failed := w.invoke(s.start(t, "minter"), "{}"); failed != nil {
			t.Fatal(failed)
		}
	}
	for _, name := range k.due {
		w.holdsDue(name)
	}
	w.e = s.start(t, k.function)
	if k.rotation {
		w.startRotation("rotation-of-the-test-of-kills-000001")
	}
	for _, step := range k.steps {
		if failed := w.rotate(step); failed != nil {
			t.Fatal(failed)
		}
	}
	if k.overtaken {
		w.overtake()
	}
	for _, target := range config.Targets {
		secret, _ := s.Secret(target.Secret)
		w.before[target.Secret] = len(secret.Versions)
	}
	s.ResetCalls()
	return w
}

// holdsDue puts a token into a secret that is good for another 10 minutes.
func (w *killed) holdsDue(name string) {
	at := slices.IndexFunc(w.config.Targets, func(t keeper.Target) bool { return t.Secret == name })
	token := w.config.Identity(w.config.Targets[at])
	token.Value, token.Expiry, token.MintedAt = secret.New("ya29.old"), time.Now().Add(10*time.Minute), time.Now().Add(-50*time.Minute)
	w.put(name, token)
}

// overtake puts what the rotation has minted once more, as if it expired later.
func (w *killed) overtake() {
	secret, _ := w.Secret("wifmint/access-0")
	pending, _ := secret.Labelled("AWSPENDING")
	token, err := tokenstore.Parse([]byte(pending.Value))
	if err != nil {
		w.t.Fatal(err)
	}
	token.Expiry = token.Expiry.Add(time.Hour)
	w.put("wifmint/access-0", token)
}

func (w *killed) put(name string, token tokenstore.Token) {
	value, err := token.Encode()
	if err != nil {
		w.t.Fatal(err)
	}
	w.PutSecret(name, string(value))
}

// startRotation has Secrets Manager begin a rotation. A version's id has 32
// characters at least.
func (w *killed) startRotation(version string) {
	w.version = version
	w.SetRotationFunction(rotationFunction, func(context.Context, fakecloud.RotationEvent) error {
		return errors.New("the test takes the steps itself")
	})
	admin := secretsmanager.New(secretsmanager.Options{
		Region: region, BaseEndpoint: aws.String(w.env["AWS_ENDPOINT_URL_SECRETS_MANAGER"]),
		Credentials: credentials.NewStaticCredentialsProvider(key.AccessKeyID, key.SecretAccessKey, key.SessionToken),
	})
	_, err := admin.RotateSecret(w.t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: aws.String("wifmint/access-0"), ClientRequestToken: &version, RotationLambdaARN: aws.String(rotationFunction),
	})
	if err != nil {
		w.t.Fatalf("starting a rotation: %v", err)
	}
}

func (w *killed) invoke(e *lambdaapi.Environment, event string) *lambdaapi.FunctionError {
	result, err := e.Invoke(w.t.Context(), []byte(event))
	if err != nil {
		w.t.Fatal(err)
	}
	w.collect(string(result.Payload))
	return result.Error
}

func (w *killed) rotate(step string) *lambdaapi.FunctionError {
	secret, _ := w.Secret("wifmint/access-0")
	return w.invoke(w.e, fmt.Sprintf(`{"Step": %q, "SecretId": %q, "ClientRequestToken": %q, "RotationToken": "planted-rotation-token"}`, step, secret.ARN, w.version))
}

// over reports whether a rotation has ended without its version as the current one.
func (w *killed) over() bool {
	secret, _ := w.Secret("wifmint/access-0")
	at := slices.IndexFunc(secret.Versions, func(v fakecloud.SecretVersion) bool { return v.ID == w.version })
	return len(secret.Versions[at].Labels) == 0
}

// work is what is killed; repeat is what AWS does then: Lambda repeats the tick, and
// Secrets Manager the whole rotation.
func (w *killed) work() *lambdaapi.FunctionError {
	if w.rotation {
		return w.rotate(keeper.RotationSteps[len(w.steps)])
	}
	return w.invoke(w.e, "{}")
}

func (w *killed) repeat() *lambdaapi.FunctionError {
	if !w.rotation {
		return w.work()
	}
	over := w.over()
	for _, step := range keeper.RotationSteps {
		failed := w.rotate(step)
		if over && failed != nil && strings.Contains(failed.Message, "its rotation is over") {
			return nil // it was killed when it had done its work
		}
		if failed != nil {
			return failed
		}
	}
	return nil
}

// calls counts what the work calls when nobody kills it.
func (k killing) calls(t *testing.T) int {
	w := k.prepare(t)
	if failed := w.work(); failed != nil {
		t.Fatal(failed)
	}
	return w.Count("", "")
}

func (k killing) survive(t *testing.T, first, second int, after bool) {
	w := k.prepare(t)
	w.OnCall(func(c fakecloud.Call) {
		w.alwaysGood(c)
		if c.Err == "fault: hang" {
			w.e.Kill()
		}
	})
	w.Fault(fakecloud.Fault{Skip: first, Times: 1, Hang: true, AfterEffect: after})
	if failed := w.work(); failed == nil || failed.Type != "Runtime.ExitError" || !strings.Contains(failed.Message, "killed") {
		t.Fatalf("the function was not killed: %v", failed)
	}
	if second >= 0 { // it may have less to do, and end before that
		spare := w.Fault(fakecloud.Fault{Skip: second, Times: 1, Hang: true, AfterEffect: after})
		if failed := w.repeat(); failed != nil && failed.Type != "Runtime.ExitError" {
			t.Fatalf("the repetition failed: %v", failed)
		}
		spare()
	}
	if failed := w.repeat(); failed != nil {
		t.Fatalf("the last repetition failed: %v", failed)
	}
	w.endsFresh()
	if w.rotation {
		w.startRotation("rotation-of-the-test-of-kills-000002")
		if failed := w.repeat(); failed != nil {
			t.Errorf("the next rotation: %v", failed)
		}
	}
	if shown := shownIn(w.output()); shown != "" {
		t.Errorf("the functions let out %q", shown)
	}
}

// alwaysGood: who had a token has a good one at every call.
func (w *killed) alwaysGood(c fakecloud.Call) {
	for _, name := range w.due {
		secret, _ := w.Secret(name)
		current, _ := secret.Labelled("AWSCURRENT")
		token, err := tokenstore.Parse([]byte(current.Value))
		if err != nil || !token.Expiry.After(time.Now()) {
			w.t.Errorf("at %s of %s the current token of %s is %v, %v", c.Operation, c.Resource, name, token, err)
		}
	}
}

// endsFresh: each target of the function has one version more than before, which
// is the current one, a token that Google takes, and not pending besides another.
func (w *killed) endsFresh() {
	for _, target := range w.config.Targets {
		if target.Federated() != (w.function == "minter") {
			continue
		}
		secret, _ := w.Secret(target.Secret)
		current, _ := secret.Labelled("AWSCURRENT")
		token, err := tokenstore.Parse([]byte(current.Value))
		if err != nil || time.Until(token.Expiry) < 55*time.Minute {
			w.t.Errorf("%s ends with %v, %v", target.Secret, token, err)
		}
		if _, good := w.LookupToken(token.Value.Reveal()); !good {
			w.t.Errorf("%s ends with a token that is none of Google's", target.Secret)
		}
		want := w.before[target.Secret] + 1
		if w.rotation { // its version was there before it had a value
			want = w.before[target.Secret]
			if (current.ID == w.version) == w.overtaken {
				w.t.Errorf("%s ends with version %s, the rotation's is %s", target.Secret, current.ID, w.version)
			}
		}
		if n := len(secret.Versions); n != want || slices.ContainsFunc(secret.Versions, func(v fakecloud.SecretVersion) bool { return v.Value == "" }) {
			w.t.Errorf("%s ends with %d versions, want %d with a value each: %v", target.Secret, n, want, secret.Versions)
		}
		if pending, has := secret.Labelled("AWSPENDING"); has && pending.ID != current.ID {
			w.t.Errorf("%s ends with %s pending", target.Secret, pending.ID)
		}
	}
}
