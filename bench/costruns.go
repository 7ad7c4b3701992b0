package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"
)

// How often runs over a fleet are measured, and cold starts that get one token.
const (
	keepingRounds   = 5
	coldStartRounds = 20
)

// platformLogBytes are those of the two lines that Lambda itself adds to each
// invocation's, platform.start and platform.report as JSON.
const platformLogBytes = 450

// months are what bills are computed for.
var months = [...]struct {
	stack
	demand
}{
	{stack{0}, demand{50, 1000}},
	{stack{0}, demand{50, 100_000}},
	{stack{50}, demand{50, 1000}},
	{stack{200}, demand{50, 1000}},
}

// measureCost computes bills from invocations of the functions with calls that take
// 50 ms, and with connections that were closed since the last one, as 5 minutes do.
func measureCost(ctx context.Context, built paths, _ effort) ([]row, error) {
	if !tappable() {
		return nil, nil
	}
	one := fleet{targets: 1, federated: true, latency: callLatency}
	account := fleet{targets: 1, latency: callLatency}
	cold, err := measureColdStarts(ctx,
		func() (*deployment, error) { return deployReader(ctx, built, one) },
		func() (*deployment, error) { return deployPeer(ctx, built, one, true) },
		func() (*deployment, error) { return deployPeer(ctx, built, account, true) })
	if err != nil {
		return nil, fmt.Errorf("measuring cold starts: %w", err)
	}
	reading, exchange, impersonation := cold[0], cold[1], cold[2]

	kept := map[int]keeping{} // by service accounts; the minter has none
	var rows, watching []row
	for _, m := range months {
		for _, accounts := range []int{0, m.accounts} {
			if _, measured := kept[accounts]; measured {
				continue
			}
			f := fleet{targets: max(1, accounts), federated: accounts == 0, latency: callLatency}
			if kept[accounts], err = measureKeeping(ctx, built, f); err != nil {
				return nil, fmt.Errorf("measuring what is billed for %v: %w", f, err)
			}
		}
		functions, each := []keeping{kept[0]}, exchange
		if m.accounts > 0 {
			functions, each = append(functions, kept[m.accounts]), impersonation
		}
		u := m.stack.usage(functions...)
		rows = append(rows, costRow(m.stack, m.demand, m.reading(u, reading).bill(), m.federating(each).bill()))
		if w := watchingRow(m.stack, u.bill()); len(watching) == 0 || watching[len(watching)-1] != w {
			watching = append(watching, w)
		}
	}
	return append(rows, watching...), nil
}

// measureKeeping measures the runs of a fleet's function that find nothing due, and
// those that find everything due. In earnest the rotator reads the minter's token
// where here it makes an exchange, which is a cent a month.
func measureKeeping(ctx context.Context, built paths, f fleet) (keeping, error) {
	progress("measuring what is billed for %v", f)
	var k keeping
	metrics := map[string]bool{}
	for _, due := range []bool{false, true} {
		f.due = due
		r, cold, err := measureRuns(ctx, built, f, metrics)
		if err != nil {
			return k, err
		}
		k.cold = max(k.cold, cold)
		if due {
			k.due = r
		} else {
			k.fresh = r
		}
	}
	k.metrics = len(metrics)
	return k, nil
}

// measureRuns also returns the seconds that a cold start adds.
func measureRuns(ctx context.Context, built paths, f fleet, metrics map[string]bool) (invocation, float64, error) {
	lines := journal{metrics: metrics}
	d, err := deploy(ctx, built, f, lines.add)
	if err != nil {
		return invocation{}, 0, err
	}
	defer d.close()
	next := d.invoke
	if f.due {
		next = d.mint
	}
	first, err := next(ctx)
	if err != nil {
		return invocation{}, 0, err
	}
	var seconds, calls sample
	for range keepingRounds {
		d.hangUp()
		v, err := next(ctx)
		if err != nil {
			return invocation{}, 0, err
		}
		seconds = append(seconds, billed(v.seconds, v.processor))
		calls = append(calls, v.made.total()-float64(v.made["exchange"]+v.made["generateAccessToken"]))
	}
	d.env.Close() // the last lines have come
	cold := billed(d.env.InitDuration().Seconds()+first.seconds, first.processor) - seconds.median()
	return invocation{seconds.median(), calls.median(), float64(lines.bytes)/(1+keepingRounds) + platformLogBytes}, cold, nil
}

// measureColdStarts is the seconds billed for each function's start and first
// invocation.
func measureColdStarts(ctx context.Context, start ...func() (*deployment, error)) ([]float64, error) {
	progress("starting %d functions for a token, %d times", len(start), coldStartRounds)
	seconds := make([]sample, len(start))
	err := inTurns(coldStartRounds, len(start), func(_, i int) error {
		took, err := measureColdStart(ctx, start[i])
		seconds[i] = append(seconds[i], took)
		return err
	})
	medians := make([]float64, len(start))
	for i, s := range seconds {
		medians[i] = s.median()
	}
	return medians, err
}

func measureColdStart(ctx context.Context, start func() (*deployment, error)) (float64, error) {
	d, err := start()
	if err != nil {
		return 0, err
	}
	defer d.close()
	v, err := d.invoke(ctx)
	return billed(d.env.InitDuration().Seconds()+v.seconds, v.processor), err
}

// deployReader starts the least that reads a token.
func deployReader(ctx context.Context, built paths, f fleet) (*deployment, error) {
	w, err := tappedFleet(f)
	if err != nil {
		return nil, err
	}
	text, err := storedToken(email(0), time.Now()).Encode()
	if err != nil {
		w.close()
		return nil, err
	}
	w.cloud.PutSecret("wifmint/federated", string(text))
	d := &deployment{of: smOnly, tapped: w, event: []byte(`{}`)}
	return d, d.start(ctx, built, nil, nil)
}

// journal measures the lines of a function and notes their metrics.
type journal struct {
	mu      sync.Mutex
	bytes   int
	metrics map[string]bool // by name and dimensions
}

// add takes a line, one in the embedded metric format among them.
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.bytes += len(line) + 1
	var fields map[string]any
	var head struct {
		AWS struct {
			CloudWatchMetrics []struct {
				Namespace  string
				Dimensions [][]string
				Metrics    []struct{ Name string }
			}
		} `json:"_aws"`
	}
	if json.Unmarshal([]byte(line), &head) != nil || json.Unmarshal([]byte(line), &fields) != nil {
		return // no metrics
	}
	for _, directive := range head.AWS.CloudWatchMetrics {
		for _, dimensions := range directive.Dimensions {
			key := []string{directive.Namespace}
			for _, name := range dimensions {
				key = append(key, fmt.Sprint(name, "=", fields[name]))
			}
			for _, m := range directive.Metrics {
				j.metrics[strings.Join(append(key, m.Name), " ")] = true
			}
		}
	}
}
