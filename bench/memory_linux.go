package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// readMemory reads VmRSS and VmHWM of a process, see proc_pid_status(5).
func readMemory(pid int) (memory, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return memory{}, fmt.Errorf("reading the memory of the process: %w", err)
	}
	var m memory
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(value), "kB")), 64)
		if err != nil {
			continue
		}
		switch name {
		case "VmRSS":
			m.resident = kib * 1024
		case "VmHWM":
			m.peak = kib * 1024
		}
	}
	if m.resident == 0 || m.peak == 0 {
		return memory{}, fmt.Errorf("reading the memory of the process: its status has no VmRSS or no VmHWM")
	}
	return m, nil
}
