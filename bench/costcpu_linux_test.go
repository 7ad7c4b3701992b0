package main

import (
	"os"
	"testing"
	"time"
)

func TestTheProcessorTimeOfAProcessGrowsAsItRuns(t *testing.T) {
	t.Parallel()
	before, err := processorTime(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	for start := time.Now(); time.Since(start) < 50*time.Millisecond; {
	}
	after, err := processorTime(os.Getpid())
	if err != nil || after <= before {
		t.Errorf("%v s, then %v s, %v", before, after, err)
	}
	if _, err := processorTime(0); err == nil {
		t.Error("a process that there is not: no error")
	}
}
