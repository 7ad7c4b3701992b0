package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// processorTime is how many seconds the threads of a process have run, see
// "Documentation/scheduler/sched-stats.rst" in the kernel's sources: in
// nanoseconds, where the times of proc_pid_stat(5) are in hundredths of a second. A
// thread that has ended is left out; Go's seldom end.
func processorTime(pid int) (float64, error) {
	threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/schedstat", pid))
	if err != nil || len(threads) == 0 {
		return 0, errors.Join(fmt.Errorf("reading the processor time of process %d: it has no threads", pid), err)
	}
	var total float64
	for _, path := range threads {
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		ran, _, _ := strings.Cut(string(text), " ")
		nanoseconds, parseErr := strconv.ParseFloat(ran, 64)
		if err := errors.Join(err, parseErr); err != nil {
			return 0, fmt.Errorf("reading the processor time of process %d: %w", pid, err)
		}
		total += nanoseconds / 1e9
	}
	return total, nil
}
