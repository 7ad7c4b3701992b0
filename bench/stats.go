package main

import (
	"fmt"
	"math"
	"slices"
)

// sample is repeated measurements of one thing.
type sample []float64

// quantile is the value below which the fraction q of the measurements lies,
// interpolated between neighbours.
func (s sample) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	at := q * float64(len(sorted)-1)
	below := int(at)
	above := min(below+1, len(sorted)-1)
	return sorted[below] + (at-float64(below))*(sorted[above]-sorted[below])
}

func (s sample) median() float64 { return s.quantile(0.5) }

// ratio is that of the medians.
func (s sample) ratio(to sample) float64 { return s.median() / to.median() }

// minus is what each measurement has more than the one of the same round.
func (s sample) minus(other sample) sample {
	difference := make(sample, len(s))
	for i := range s {
		difference[i] = s[i] - other[i]
	}
	return difference
}

// unit is what a measurement is shown in: so many of it make one of the
// measurement's own unit.
type unit struct {
	name     string
	perOne   float64
	decimals int
}

var (
	seconds      = unit{" s", 1, 2}
	milliseconds = unit{" ms", 1e3, 2}
	microseconds = unit{" µs", 1e6, 1}
	nanoseconds  = unit{" ns", 1e9, 1}
	mebibytes    = unit{" MiB", 1.0 / (1 << 20), 2}
	kibibytes    = unit{" KiB", 1.0 / (1 << 10), 1}
	pieces       = unit{"", 1, 0}
)

func (u unit) of(x float64) string {
	if u.decimals == 0 {
		return thousands(int(math.Round(x * u.perOne)))
	}
	return fmt.Sprintf("%.*f", u.decimals, x*u.perOne)
}

// in shows the median and, in brackets, the quartiles if they differ.
func (s sample) in(u unit) string {
	low, middle, high := u.of(s.quantile(0.25)), u.of(s.median()), u.of(s.quantile(0.75))
	if low == high {
		return middle + u.name
	}
	return fmt.Sprintf("%s%s (%s to %s)", middle, u.name, low, high)
}

// thousands is a number as people read it.
func thousands(n int) string {
	if n < 1000 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s,%03d", thousands(n/1000), n%1000)
}
