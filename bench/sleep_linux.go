package main

import (
	"runtime"
	"syscall"
	"time"
)

// sleepUntil is more punctual than time.Sleep, for which the runtime waits in
// whole milliseconds (epoll_wait). By itself Linux adds 50 µs more, see
// PR_SET_TIMERSLACK in prctl(2).
func sleepUntil(t time.Time) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, syscall.PR_SET_TIMERSLACK, 1, 0)
	for left := time.Until(t); left > 0; left = time.Until(t) {
		wait := syscall.NsecToTimespec(left.Nanoseconds())
		_ = syscall.Nanosleep(&wait, nil) // a signal ends it early
	}
}
