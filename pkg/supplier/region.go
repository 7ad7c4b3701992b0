package supplier

import (
	"fmt"
	"strings"
)

// ValidRegion reports whether s is written as AWS's regions are: letters, at
// least one more part of letters, and a number, as in "eu-west-1",
// "us-gov-east-1" or "eusc-de-east-1". It keeps no list, so it knows tomorrow's
// regions too. A Local Zone ("us-west-2-lax-1a") is none.
//
// What passes is one DNS label, which is what makes "sts.{region}.amazonaws.com"
// safe to build.
func ValidRegion(s string) bool {
	last := strings.LastIndexByte(s, '-')
	if last < 0 || len(s) > 63 || !consistsOf(s[last+1:], '0', '9') {
		return false
	}
	words := 0
	for word := range strings.SplitSeq(s[:last], "-") {
		if !consistsOf(word, 'a', 'z') || words == 0 && len(word) < 2 {
			return false
		}
		words++
	}
	return words >= 2
}

// DNSSuffix returns the domain that AWS's services have in the partition of a region,
// as in the SDKs' partitions.json: "amazonaws.com.cn" for "cn-north-1". A region of a
// partition that it does not know is taken for one of the first, "amazonaws.com".
func DNSSuffix(region string) string {
	for _, p := range [...]struct{ regions, suffix string }{
		{"cn-", "amazonaws.com.cn"},
		{"eusc-", "amazonaws.eu"},
		{"us-iso-", "c2s.ic.gov"},
		{"us-isob-", "sc2s.sgov.gov"},
		{"eu-isoe-", "cloud.adc-e.uk"},
		{"us-isof-", "csp.hci.ic.gov"},
	} {
		if strings.HasPrefix(region, p.regions) {
			return p.suffix
		}
	}
	return "amazonaws.com"
}

// regionOfZone returns the region that a zone lies in: "us-west-2" for the
// Availability Zone "us-west-2a", the Local Zone "us-west-2-lax-1a" and the
// Wavelength Zone "us-west-2-wl1-las-wlz-1", and for the region itself. It is
// everything up to the first number; "" if that is no region.
func regionOfZone(zone string) string {
	start := strings.IndexAny(zone, "0123456789")
	if start < 0 {
		return ""
	}
	end := start
	for end < len(zone) && zone[end] >= '0' && zone[end] <= '9' {
		end++
	}
	region, rest := zone[:end], zone[end:]
	switch {
	case !ValidRegion(region):
		return ""
	case rest == "", strings.HasPrefix(rest, "-"), len(rest) == 1 && consistsOf(rest, 'a', 'z'):
		return region
	}
	return ""
}

// consistsOf reports whether s is not empty and has only bytes from lo to hi.
func consistsOf(s string, lo, hi byte) bool {
	for i := range len(s) {
		if s[i] < lo || s[i] > hi {
			return false
		}
	}
	return s != ""
}

// notARegion describes a bad region. A long one is not shown: it may be a
// secret that ended up in the wrong variable (AWS's own have 40 characters).
func notARegion(s string) string {
	const hint = "a region looks like eu-west-1"
	switch {
	case s == "":
		return "an empty region; " + hint
	case len(s) > 32:
		return fmt.Sprintf("a text of %d characters for a region; %s", len(s), hint)
	}
	return fmt.Sprintf("%q, which is no region; %s", s, hint)
}
