package reliability_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/uuid"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// TestRandomFaultsBreakNoInvariant has two minters and two rotators work on the same
// secrets, by schedule and by rotation, while calls fail in every way, clocks jump,
// credentials expire, and a person pauses targets and resumes them. inspector tells
// what holds at each call and after each round.
//
// A seed decides everything that this test does. What it does not decide is the
// order in which goroutines run that are ready at once, and the jitter of the
// clients' retries, so that a rare failure may take WIFMINT_SEED with -count.
func TestRandomFaultsBreakNoInvariant(t *testing.T) {
	t.Parallel()
	var total, paused atomic.Int64
	least := int64(size(100_000, 3_000))
	first, replay := firstSeed(t)
	t.Cleanup(func() {
		figure(t, "faults: %d invocations, %d pauses, from WIFMINT_SEED=%d on", total.Load(), paused.Load(), first)
	})
	episodes := uint64(least/140 + 1)
	if replay {
		episodes, least = 1, 0
	}
	t.Run("seeds", func(t *testing.T) {
		for seed := first; seed < first+episodes; seed++ {
			t.Run(fmt.Sprintf("WIFMINT_SEED=%d", seed), func(t *testing.T) {
				t.Parallel()
				synctest.Test(t, func(t *testing.T) {
					e := newEpisode(t, seed)
					total.Add(e.run(60))
					paused.Add(int64(e.pauses.begun))
				})
			})
		}
	})
	if !t.Failed() && (total.Load() < least || paused.Load() == 0) {
		t.Errorf("only %d invocations and %d pauses", total.Load(), paused.Load())
	}
}

// episode is the history of a seed.
type episode struct {
	*inspector
	rng       *rand.Rand
	functions []*function
	// versions are the rotations that were begun last, by secret.
	versions map[string]string
}

func newEpisode(t *testing.T, seed uint64) *episode {
	w := newWorld(t, seed, targets(2, 1, 1, ""))
	e := &episode{inspector: newInspector(w), rng: rand.New(rand.NewPCG(seed, 1)), versions: map[string]string{}}
	for _, name := range []string{"minter", "minter", "rotator", "rotator"} {
		e.functions = append(e.functions, w.function(name, &clock{}))
	}
	w.cloud.SetRotationFunction(rotationFunction, func(context.Context, fakecloud.RotationEvent) error {
		return errors.New("the test takes the steps itself")
	})
	return e
}

const rotationFunction = "arn:aws:lambda:eu-west-1:123456789012:function:wifmint-rotator"

// run returns how many invocations there were.
func (e *episode) run(rounds int) (n int64) {
	for e.number = range rounds {
		n += e.playRound()
		if e.t.Failed() {
			e.t.Logf("round %d had the faults %+v, and clocks ahead by %v", e.number, e.inspector.round.faults, e.inspector.round.clocks)
			return n
		}
	}
	return n
}

func (e *episode) playRound() int64 {
	time.Sleep(pick(e.rng, 0, 30*time.Second, 5*time.Minute, 5*time.Minute, 5*time.Minute, 12*time.Minute, 12*time.Minute, 25*time.Minute, 70*time.Minute))
	r := e.begin()
	calls := e.plan()
	act := e.person(r)
	jump := e.setClocks(r)
	expiring := e.setKey(r)
	r.forced = slices.ContainsFunc(slices.Concat(calls...), func(c call) bool { return c.force })
	var mend []func()
	for _, fault := range e.faults(expiring) {
		r.faults = append(r.faults, fault)
		mend = append(mend, e.cloud.Fault(fault))
	}
	var all sync.WaitGroup
	for _, sequence := range calls {
		delay := pick(e.rng, 0, 0, time.Second, 3*time.Second)
		all.Go(func() {
			time.Sleep(delay)
			for _, c := range sequence {
				if e.invoke(r, c) != nil && c.step != "" {
					return // as Secrets Manager does
				}
			}
		})
	}
	all.Go(jump)
	all.Go(act)
	all.Wait()
	for _, m := range mend {
		m()
	}
	e.newKey(time.Time{})
	e.settle(r)
	e.end(r)
	return int64(len(r.done))
}

// call is one invocation to make.
type call struct {
	f       *function
	payload string
	force   bool
	step    string // of a rotation; empty for a tick
}

func (e *episode) invoke(r *round, c call) error {
	report, err := c.f.invoke(e.t.Context(), c.payload)
	r.add(done{c, report, err, time.Now()})
	return err
}

// plan draws a round's invocations: sequences that run at the same time.
func (e *episode) plan() (all [][]call) {
	for range 1 + e.rng.IntN(3) {
		f := e.functions[e.rng.IntN(len(e.functions))]
		switch {
		case f.name == "rotator" && e.rng.IntN(3) == 0:
			all = append(all, e.rotation(f))
		case e.rng.IntN(12) == 0:
			all = append(all, []call{{f: f, payload: `{"force": true}`, force: true}})
		case e.rng.IntN(8) == 0:
			all = append(all, []call{{f: f, payload: pick(e.rng, `{"shard": "0/2"}`, `{"shard": "1/2"}`)}})
		default:
			all = append(all, []call{{f: f, payload: pick(e.rng, "{}", "null", `{"scheduled_time": "2026-01-02T03:04:05Z"}`)}})
		}
		if e.rng.IntN(5) == 0 {
			all = append(all, all[len(all)-1]) // delivered twice
		}
	}
	return all
}

// rotation draws the steps of a rotation, each one possibly left out, repeated or
// out of turn; they all are of one that is under way, or of one that is over.
func (e *episode) rotation(f *function) (steps []call) {
	name := pick(e.rng, "wifmint/access-0", "wifmint/id-0")
	version := e.rotate(name)
	if version == "" {
		return []call{{f: f, payload: "{}"}}
	}
	order := keeper.RotationSteps
	if e.rng.IntN(3) == 0 {
		order = nil
		for range 1 + e.rng.IntN(6) {
			order = append(order, pick(e.rng, keeper.RotationSteps...))
		}
	}
	secret, _ := e.cloud.Secret(name)
	for _, step := range order {
		payload, err := json.Marshal(map[string]string{"Step": step, "SecretId": secret.ARN, "ClientRequestToken": version, "RotationToken": "planted-rotation-token"})
		if err != nil {
			e.t.Fatal(err)
		}
		steps = append(steps, call{f: f, payload: string(payload), step: step})
	}
	return steps
}

// rotate is the version of the rotation that Secrets Manager works at: the one that
// is under way, else a new one, or, late, one that is over.
func (e *episode) rotate(name string) string {
	secret, exists := e.cloud.Secret(name)
	if !exists {
		return ""
	}
	if last := e.versions[name]; last != "" && e.rng.IntN(6) == 0 {
		return last
	}
	pending, has := secret.Labelled("AWSPENDING")
	if current, _ := secret.Labelled("AWSCURRENT"); has && pending.ID != current.ID {
		return pending.ID
	}
	var id uuid.UUID
	for i := range id {
		id[i] = byte(e.rng.UintN(256))
	}
	_, err := e.store().Client.RotateSecret(e.t.Context(), &secretsmanager.RotateSecretInput{
		SecretId: &name, ClientRequestToken: aws.String(id.String()), RotationLambdaARN: aws.String(rotationFunction),
	})
	if err != nil {
		e.t.Fatalf("round %d: starting a rotation: %v", e.number, err)
	}
	e.versions[name] = id.String()
	e.rotated(id.String())
	return id.String()
}

// setClocks lets some of the functions' clocks jump, to stay wrong until they jump
// again: most often back. It returns a jump that comes within the round.
func (e *episode) setClocks(r *round) (jump func()) {
	wrong := func() int64 { return e.rng.Int64N(int64(20*time.Minute)) - int64(10*time.Minute) }
	for _, f := range e.functions {
		switch e.rng.IntN(12) {
		case 0:
			f.clock.ahead.Store(wrong())
		case 1, 2, 3:
			f.clock.ahead.Store(0)
		}
		r.clocks = append(r.clocks, f.clock.offset())
	}
	if e.rng.IntN(12) > 0 {
		return func() {}
	}
	f, delay, to := e.functions[e.rng.IntN(len(e.functions))], pick(e.rng, 0, time.Second, 10*time.Second), wrong()
	r.clocks = append(r.clocks, time.Duration(to))
	return func() {
		time.Sleep(delay)
		f.clock.ahead.Store(to)
	}
}

// setKey sometimes takes the functions' credentials away, or lets them expire in the
// round.
func (e *episode) setKey(r *round) (expiring bool) {
	switch e.rng.IntN(30) {
	case 0:
		e.key.Store(nil)
		r.noKey = true
	case 1, 2:
		e.newKey(time.Now().Add(time.Duration(e.rng.Int64N(int64(10 * time.Second)))))
		r.expires = true
	}
	return r.expires
}

// faults draws what goes wrong in a round: often nothing, most often one service.
func (e *episode) faults(expiring bool) (all []fakecloud.Fault) {
	if expiring { // between the signing and the exchange
		all = append(all, fakecloud.Fault{Service: "google-sts", Latency: 8 * time.Second, Times: 2})
	}
	if e.rng.IntN(3) == 0 {
		return all
	}
	for range pick(e.rng, 1, 1, 1, 1, 2) {
		service := pick(e.rng, "secretsmanager", "secretsmanager", "google-sts", "aws-sts", "iamcredentials", "tokeninfo")
		for range 1 + e.rng.IntN(2) {
			all = append(all, anyFault(e.rng, service))
		}
	}
	return all
}

func anyFault(rng *rand.Rand, service string) fakecloud.Fault {
	f := fakecloud.Fault{
		Service: service, Skip: pick(rng, 0, 0, 0, 1, 2, 5), Times: pick(rng, 0, 0, 1, 1, 2, 3, 5, 12), AfterEffect: rng.IntN(2) == 0,
		Probability: pick(rng, 0, 0, 0.3, 0.7),
	}
	switch rng.IntN(7) {
	case 0, 1:
		f.Status = pick(rng, 400, 401, 403, 404, 408, 429, 500, 502, 503, 504, 302)
		f.Body = pick(rng, "", "<html>", "{", `{"__type": "ThrottlingException"}`, `{"__type": "AccessDeniedException", "message": "no"}`,
			`{"__type": "InternalServiceError"}`, `{"error": "invalid_grant", "error_description": "no"}`, `{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}`)
	case 2:
		f.Hang = true
	case 3:
		f.Reset = true
	case 4:
		f.TruncateBody = pick(rng, -1, 1, 50, 200)
	case 5:
		f.Status, f.Body = 200, pick(rng, "", "<html>", "{", "[]", `{"access_token": "ya29.cut`, `{"accessToken": `, "\x00\xff")
	case 6:
		f.Latency = pick(rng, time.Second, 4*time.Second, 9*time.Second, 15*time.Second, 130*time.Second)
	}
	return f
}

func pick[T any](rng *rand.Rand, from ...T) T { return from[rng.IntN(len(from))] }
