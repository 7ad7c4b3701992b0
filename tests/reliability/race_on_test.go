//go:build race

package reliability_test

// raced is whether the race detector slows everything down.
const raced = true
