package googleapi

import "strings"

// Advice is what a person can make of one of Google's errors.
type Advice struct {
	// Code is that of the errors it is for; empty for any.
	Code string
	// Text is a part of their message, in any case of letters; empty for any.
	Text string
	// Means says what is wrong, and Fix what to change: fixed texts that tell
	// nothing of a request.
	Means, Fix string
}

// String is how an error's text ends; empty for the zero Advice.
func (a Advice) String() string {
	if a.Means == "" {
		return ""
	}
	return "; " + a.Means + ": " + a.Fix
}

// Advise finds the first advice for an error, or the zero one. The more telling
// ones stand before the more general.
func Advise(list []Advice, code, message string) Advice {
	message = strings.ToLower(message)
	for _, a := range list {
		if (a.Code == "" || a.Code == code) && strings.Contains(message, strings.ToLower(a.Text)) {
			return a
		}
	}
	return Advice{}
}
