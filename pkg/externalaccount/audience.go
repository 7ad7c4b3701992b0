package externalaccount

import (
	"slices"
	"strings"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
	"github.com/wifmint/wifmint/pkg/jsondoc"
)

const audienceForm = `"//iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"`

// checkAudience reports an audience that Google STS would not know. Google
// answers all of them alike, with "invalid_target", hence the care to tell one
// mistake from another. It returns whether the provider is a workforce pool's.
func checkAudience(v jsondoc.Value, audience, universe string) (workforce bool) {
	name, want := trimHost(audience, universe)
	if want != "" {
		v.Problem("", want)
		return false
	}
	parts := strings.Split(name, "/")
	if slices.ContainsFunc(parts, func(part string) bool { return !consistsOf(part, digits+letters+"_-.") }) {
		v.Problem("", "write "+audienceForm+", of which each part is letters, digits, _, - and .")
		return false
	}
	switch {
	case matches(parts, "projects/*/locations/*/workloadIdentityPools/*"), matches(parts, "locations/*/workforcePools/*"):
		v.Problem("a pool", `add "/providers/PROVIDER": the audience is a provider of the pool`)
	case matches(parts, "locations/*/workforcePools/*/providers/*"):
		return true
	case !matches(parts, "projects/*/locations/*/workloadIdentityPools/*/providers/*"):
		v.Problem("", "write "+audienceForm)
		return false
	}
	if project := parts[1]; parts[0] == "projects" && !consistsOf(project, digits) {
		v.Problem("the project id "+jsondoc.Quote(project),
			"write the project's number, which `gcloud projects describe PROJECT_ID --format=\"value(projectNumber)\"` prints")
	}
	return parts[0] == "locations"
}

// trimHost takes //iam.UNIVERSE/ off, or tells what stands in its place.
func trimHost(audience, universe string) (name, want string) {
	for _, host := range []string{googleapi.DefaultUniverse, universe} {
		if name, ok := strings.CutPrefix(audience, "//iam."+host+"/"); ok && !strings.HasSuffix(name, "/") && strings.TrimSpace(name) == name {
			return name, ""
		}
	}
	switch {
	case strings.TrimSpace(audience) != audience:
		return "", "remove the space around it"
	case strings.HasPrefix(audience, "principal"):
		return "", "write the provider itself, " + audienceForm + ": principals are for IAM bindings"
	case strings.HasPrefix(audience, "https:"), strings.HasPrefix(audience, "http:"):
		return "", `remove what stands before "//": the audience is a name, not a URL`
	case strings.HasPrefix(audience, "iam."), strings.HasPrefix(audience, "/iam."):
		return "", `start it with "//iam."`
	case strings.HasPrefix(audience, "projects/"), strings.HasPrefix(audience, "locations/"):
		return "", `put "//iam.googleapis.com/" in front of it`
	case strings.HasSuffix(audience, "/"):
		return "", "remove the slash at its end"
	case strings.HasPrefix(audience, "//iam."):
		return "", `start it with "//iam.googleapis.com/", or name its universe in universe_domain`
	}
	return "", "write " + audienceForm
}

// matches compares part by part; "*" stands for any one.
func matches(parts []string, pattern string) bool {
	return slices.EqualFunc(parts, strings.Split(pattern, "/"), func(part, want string) bool {
		return want == "*" || part == want
	})
}
