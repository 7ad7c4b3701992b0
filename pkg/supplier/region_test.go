package supplier

import (
	"strings"
	"testing"
)

func TestOnlyARegionIsTakenForOne(t *testing.T) {
	t.Parallel()
	for _, region := range []string{
		"eu-west-1", "us-gov-east-1", "us-iso-east-1", "us-isob-east-1", "us-isof-south-1", "eu-isoe-west-1",
		"ap-southeast-7", "eusc-de-east-1", "cn-northwest-1", "il-central-1", "mx-central-1", "us-east-12",
	} {
		if !ValidRegion(region) {
			t.Errorf("%q is refused", region)
		}
	}
	for _, region := range []string{
		"", "eu", "eu-west", "eu-west-", "eu-1", "e-west-1", "-west-1", "eu--1", "eu-west-1a", "us-west-2-lax-1", "us-west-2-lax-1a",
		"EU-west-1", "eu-west-1 ", "eu-west-1\n", "eu-west-1.evil", "eu-west-1/x", "eu-west-1@evil", "eu-west-1#", "eu-wést-1", "aws-global",
		"{region}", "eu-west-" + strings.Repeat("1", 60),
	} {
		if ValidRegion(region) {
			t.Errorf("%q is accepted", region)
		}
	}
}

func TestTheRegionOfAZone(t *testing.T) {
	t.Parallel()
	for zone, want := range map[string]string{
		"us-west-2a":               "us-west-2",
		"eu-west-1":                "eu-west-1",
		"us-west-2-lax-1a":         "us-west-2", // Local Zone
		"us-east-1-wl1-bos-wlz-1":  "us-east-1", // Wavelength Zone
		"us-gov-east-1c":           "us-gov-east-1",
		"us-isob-east-1b":          "us-isob-east-1",
		"eusc-de-east-1a":          "eusc-de-east-1",
		"ap-southeast-12b":         "ap-southeast-12",
		"":                         "",
		"a":                        "",
		"us-west-2ab":              "",
		"us-west-2A":               "",
		"us-west-2.evil.example":   "",
		"<html>404</html>":         "",
		"evil.example/us-west-2a":  "",
		"us-west-2a\nus-west-2b":   "",
		"US-WEST-2a":               "",
		"usw2-az1":                 "", // a zone id tells no region
		strings.Repeat("a-", 40):   "",
		"us-west-" + "9999" + "zz": "",
	} {
		if got := regionOfZone(zone); got != want {
			t.Errorf("regionOfZone(%q) = %q, want %q", zone, got, want)
		}
	}
}

// Whatever comes in, nothing but a region goes into a host name.
func FuzzRegionOfZone(f *testing.F) {
	for _, s := range []string{"us-west-2a", "us-west-2-lax-1a", "us-east-1-wl1-bos-wlz-1", "", "x.y/1", "eu-west-1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, zone string) {
		region := regionOfZone(zone)
		if region != "" && (!ValidRegion(region) || !strings.HasPrefix(zone, region) || strings.ContainsAny(region, "./@:#?% ")) {
			t.Errorf("regionOfZone(%q) = %q", zone, region)
		}
		if ValidRegion(zone) && region != zone {
			t.Errorf("the region %q lies in %q", zone, region)
		}
	})
}
