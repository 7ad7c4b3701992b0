package main

import (
	"maps"
	"testing"
	"time"
)

func TestTheBoundOfARunIsWhatLatencyQuotaAndConcurrencyAddUpTo(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	for _, test := range []struct {
		name string
		fleet
		want time.Duration
	}{
		{"one batch is one read", fleet{targets: 20, due: false, latency: 50 * ms}, 50 * ms},
		{"four batches are read at once", fleet{targets: 80, due: false, latency: 50 * ms}, 50 * ms},
		{"a fifth batch is another read", fleet{targets: 100, due: false, latency: 50 * ms}, 100 * ms},
		{"without latency the writes are 20 ms apart", fleet{targets: 20, due: true, latency: 0}, 19 * 20 * ms},
		{"a read, an exchange, an impersonation, 20 writes", fleet{targets: 20, due: true, latency: 50 * ms}, (50 + 50 + 50 + 19*20 + 50) * ms},
		{"three reads, an exchange, an impersonation, 200 writes", fleet{targets: 200, due: true, latency: 50 * ms}, (3*50 + 50 + 50 + 199*20 + 50) * ms},
		{"slow calls keep 16 workers busy for longer than the quota: 2 turns of 2 calls", fleet{targets: 20, due: true, latency: 1000 * ms}, (1000 + 1000 + 2*2*1000) * ms},
		{"and 7 turns of 2 calls", fleet{targets: 100, due: true, latency: 1000 * ms}, (2*1000 + 1000 + 7*2*1000) * ms},
		{"half a batch is a read", fleet{targets: 10, due: false, latency: 50 * ms}, 50 * ms},
		{"federated tokens share no exchange", fleet{targets: 20, due: true, latency: 50 * ms, federated: true}, (50 + 50 + 19*20 + 50) * ms},
	} {
		if got := test.bound(); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}

func TestARotatorsRunNeedsOneExchangeAndAMintersOneForEachToken(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		fleet
		want calls
	}{
		{fleet{targets: 200, due: true}, calls{"exchange": 1, "generateAccessToken": 200, "BatchGetSecretValue": 10, "PutSecretValue": 200}},
		{fleet{targets: 10_000}, calls{"BatchGetSecretValue": 500}},
		{fleet{targets: 10, due: true, federated: true}, calls{"exchange": 10, "BatchGetSecretValue": 1, "PutSecretValue": 10}},
		{fleet{targets: 10, federated: true}, calls{"BatchGetSecretValue": 1}},
	} {
		if got := test.needed(); !maps.Equal(got, test.want) {
			t.Errorf("%v: got %v, want %v", test.fleet, got, test.want)
		}
	}
}

func TestCallsAreWithinTheirBudgetOnlyIfTheyAreTheNeededOnes(t *testing.T) {
	t.Parallel()
	needed := calls{"exchange": 1, "PutSecretValue": 2}
	for _, test := range []struct {
		name string
		made calls
		over bool
	}{
		{"the needed ones", calls{"exchange": 1, "PutSecretValue": 2}, false},
		{"one more", calls{"exchange": 2, "PutSecretValue": 2}, true},
		{"one fewer", calls{"exchange": 1, "PutSecretValue": 1}, true},
		{"as many, but others", calls{"exchange": 2, "PutSecretValue": 1}, true},
	} {
		if r := callsRow(test.name, test.made, needed); r.exceeded() != test.over {
			t.Errorf("%s: %s", test.name, r.verdict())
		}
	}
}
