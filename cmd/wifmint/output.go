package main

import (
	"context"
	"io"
	"sync"
)

// output remembers the first write that failed and lets no more through, so that
// a command can print without looking.
type output struct {
	to io.Writer
	// failed ends the command: nobody gets its results.
	failed context.CancelFunc

	mu  sync.Mutex
	err error
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.err != nil {
		return 0, o.err
	}
	n, err := o.to.Write(p)
	if err != nil {
		o.err = err
		o.failed()
	}
	return n, err
}

func (o *output) failure() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.err
}
