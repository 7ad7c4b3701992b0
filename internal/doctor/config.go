package doctor

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/wifmint/wifmint/pkg/jsondoc"
)

// Refused tells of a document that is not even taken: a check for each of its
// problems, which err is, and the others as not tried.
func Refused(err error, document []byte, tell func(Check)) {
	v := &visit{tell: tell, names: names{}, blocked: map[string]bool{}}
	var problems jsondoc.Problems
	if !errors.As(err, &problems) {
		problems = jsondoc.Problems{{Want: err.Error()}}
	}
	for _, p := range problems {
		v.tellProblem(p, document)
	}
	v.blocked[checkConfig] = true
	for _, check := range []string{checkAWSCredentials, checkAWSRegion, checkAWSSTS, checkGoogleSTS, checkClock, checkAWSIdentity, checkSTS} {
		v.skip(Check{Check: check, Found: "not tried: " + checkConfig + " comes first"})
	}
}

func (v *visit) tellProblem(p jsondoc.Problem, document []byte) {
	f := &finding{code: "config", found: oneLine(p.String())}
	if p.Path == "credentials.audience" || p.Path == "audience" {
		audience := audienceOf(document)
		v.names.addAudience(audience)
		v.names["PROJECT_ID"] = v.names["NUMBER"]
		switch {
		case v.names["NUMBER"] != "" && !consistsOf(v.names["NUMBER"], "0123456789"):
			f.code = "audience-project-id"
		case v.names["POOL"] != "" && v.names["PROVIDER"] == "":
			f.code = "audience-pool"
		}
	}
	v.tell(v.failed(Check{Check: checkConfig}, f))
}

// audienceOf reads what it can of a document that has problems.
func audienceOf(document []byte) string {
	type file struct{ Audience string }
	var d struct {
		file
		Credentials file
	}
	_ = json.Unmarshal([]byte(strings.TrimPrefix(string(document), "\ufeff")), &d)
	return d.Credentials.Audience + d.Audience // one of them
}
