package main

import (
	"context"
	"errors"
	"slices"
	"testing"
)

func TestMeasurementsAreChosenByName(t *testing.T) {
	t.Parallel()
	for only, want := range map[string][]string{
		"":             names(measurements[:]),
		"layer,starts": {"starts", "layer"},
		"reads":        {"reads"},
	} {
		got, err := choose(only)
		if err != nil || !slices.Equal(names(got), want) {
			t.Errorf("%q: got %v, %v, want %v", only, names(got), err, want)
		}
	}
	if _, err := choose("reads,startups"); err == nil {
		t.Error("a name that there is not: no error")
	}
}

func TestPartOfTheMeasurementsIsNotWrittenDown(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel() // so that nothing is measured in any case
	if err := run(ctx, options{only: "sizes", write: true}); err == nil || errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
