package doctor

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/internal/setup"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

func TestAHealthyWorldIsFoundHealthyAndLeftAsItWas(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		config := w.parsed()
		w.keep(config, time.Minute)
		before := w.cloud.Secrets()
		checks := w.walk(config)
		for _, c := range checks {
			if c.Status != OK || c.Found == "" || c.Means+c.Fix+c.Cause != "" {
				t.Errorf("%+v", c)
			}
		}
		after := w.cloud.Secrets()
		for i := range before {
			if len(after[i].Versions) != len(before[i].Versions) || len(after[i].Versions[0].Labels) != 1 {
				t.Errorf("%s was written: %+v", before[i].Name, after[i].Versions)
			}
		}
		if n := w.cloud.Count("secretsmanager", "PutSecretValue"); n != len(before) {
			t.Errorf("%d tries to write, of %d secrets", n, len(before))
		}
	})
}

// The order is that in which a token goes, and the document's, whoever is done first.
func TestHopsAreToldInOrder(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.cloud.Fault(fakecloud.Fault{Service: "secretsmanager", Resource: "wifmint/federated", Latency: time.Second})
		var got []string
		for _, c := range w.examine() {
			got = append(got, strings.TrimSuffix(c.Check+" "+c.Target, " "))
		}
		want := []string{
			"config", "aws-credentials", "aws-region", "aws-sts", "google-sts", "clock", "aws-identity", "sts",
			"secret-read federated", "secret-fresh federated", "secret-write federated",
			"impersonate reports", "secret-read reports", "secret-fresh reports", "secret-write reports",
			"impersonate api", "secret-read api", "secret-fresh api", "secret-write api",
		}
		if !slices.Equal(got, want) {
			t.Errorf("told %q", got)
		}
	})
}

func TestAFunctionLooksAtItsOwnSecretsAndAtEveryImpersonation(t *testing.T) {
	t.Parallel()
	for function, want := range map[string][]string{"minter": {"federated"}, "rotator": {"reports", "api"}} {
		inWorld(t, func(w *world) {
			w.function = function
			var read, impersonated []string
			for _, c := range w.examine() {
				if c.Function != function {
					t.Errorf("%+v is not the %s's", c, function)
				}
				switch c.Check {
				case checkRead:
					read = append(read, c.Target)
				case checkImpersonate:
					impersonated = append(impersonated, c.Target)
				}
			}
			if !slices.Equal(read, want) || !slices.Equal(impersonated, []string{"reports", "api"}) {
				t.Errorf("the %s reads %q and impersonates for %q", function, read, impersonated)
			}
		})
	}
}

func TestWhatStandsBehindAFailureIsSkippedAndSaysSo(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.provider.Disabled = true
		for _, c := range w.examine() {
			switch {
			case c.Check == checkImpersonate && (c.Status != Skipped || c.Found != "not tried: sts comes first" || c.Fix != ""):
				t.Errorf("%+v", c)
			case strings.HasPrefix(c.Check, "secret-") && c.Status != OK: // which need no Google
				t.Errorf("%+v", c)
			}
		}
	})
}

// A function in a VPC may have no way to AWS STS, and need none.
func TestAWSSTSOutOfReachIsNoFailure(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.hosts["sts.eu-west-1.amazonaws.com"] = noSuchHost
		for _, c := range w.examine() {
			want := OK
			if c.Check == checkAWSSTS || c.Check == checkAWSIdentity {
				want = Skipped
			}
			if c.Status != want {
				t.Errorf("%+v", c)
			}
		}
	})
}

// The DNS of a VPC may know no AWS STS: that says nothing against a region that an
// account has to enable.
func TestARegionIsNotBlamedForDNS(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.env["AWS_REGION"] = "eu-south-2"
		w.hosts["sts.eu-south-2.amazonaws.com"], w.hosts["sts.us-east-1.amazonaws.com"] = noSuchHost, noSuchHost
		for _, c := range w.examine() {
			if c.Check == checkAWSSTS && c.Status != Skipped {
				t.Errorf("%+v", c)
			}
		}
	})
}

// Whoever is no function is never handed a command that changes something.
func TestAPersonIsNotToldToLetThemselvesIn(t *testing.T) {
	t.Parallel()
	for d := range diagnoses {
		if !d.ofRole {
			continue
		}
		for _, check := range d.checks {
			got := diagnose("", check, &finding{code: append(d.codes, "")[0], text: d.text})
			if got.cause != NotTheFunction || strings.Contains(got.fix, "update-") || strings.Contains(got.fix, "binding") || strings.Contains(got.fix, "put-") {
				t.Errorf("%s at %s tells a person %s: %s", d.cause, check, got.cause, got.fix)
			}
		}
	}
}

// Else the script would stop at what this made.
func TestTheMappingIsThatOfSetup(t *testing.T) {
	t.Parallel()
	if script := (setup.Answers{}).Script(); !strings.Contains(script, "\nrole=\""+roleExpression+"\"\n") {
		t.Errorf("the script does not map to %s", roleExpression)
	}
}

func TestTheSourcesOfCredentialsAreToldApart(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.env["AWS_ACCESS_KEY_ID"], w.env["AWS_SECRET_ACCESS_KEY"] = "", ""
		if c := w.examine()[1]; c.Check != checkAWSCredentials || !strings.Contains(c.Found, "; ") {
			t.Errorf("%+v", c)
		}
	})
}

func TestARNsAreOfTheIdentitysPartition(t *testing.T) {
	t.Parallel()
	n := names{"REGION": "cn-north-1"}
	n.addIdentity("arn:aws-cn:sts::123456789012:assumed-role/minter-role/session", "123456789012")
	n.addTarget(keeper.Target{Secret: "wifmint/reports"})
	if n["ROLE_ARN"] != "arn:aws-cn:iam::123456789012:role/minter-role" || n["SECRET_ARN"] != "arn:aws-cn:secretsmanager:cn-north-1:123456789012:secret:wifmint/reports-??????" {
		t.Errorf("%v", n)
	}
}

func TestANameThatIsTooLongIsLeftOut(t *testing.T) {
	t.Parallel()
	for length, want := range map[int]string{longestName: "ask " + strings.Repeat("x", longestName), longestName + 1: "ask ARN"} {
		if got := (names{"ARN": strings.Repeat("x", length)}).fill("ask {ARN}"); got != want {
			t.Errorf("of %d bytes: %q", length, got)
		}
	}
}

func TestASecretThatTheNextRunCreatesIsNotMissing(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		w.onlyHere()
		config := w.parsed()
		config.CreateSecrets = true
		for _, c := range w.walk(config) {
			switch c.Check {
			case checkFresh:
				if c.Status != Skipped {
					t.Errorf("%+v", c)
				}
			case checkWrite:
				if c.Status != Skipped || !strings.Contains(c.Fix, "simulate-principal-policy --policy-source-arn arn:aws:iam::123456789012:role/minter-role") {
					t.Errorf("%+v", c)
				}
			default:
				if c.Status != OK {
					t.Errorf("%+v", c)
				}
			}
		}
	})
}

// Whatever hangs, the walk ends within its time, and tells of every hop.
func TestAWalkEndsInTime(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		for _, service := range []string{"iamcredentials", "secretsmanager"} {
			w.cloud.Fault(fakecloud.Fault{Service: service, Hang: true})
		}
		began := time.Now()
		checks := w.examine()
		if took := time.Since(began); took > walkTimeout {
			t.Errorf("it took %v", took)
		}
		if len(checks) != 19 {
			t.Errorf("%d checks:\n%s", len(checks), show(checks))
		}
	})
}

func TestAnEventNamesTheTargets(t *testing.T) {
	t.Parallel()
	inWorld(t, func(w *world) {
		config := w.parsed()
		w.keep(config, time.Minute)
		report, err := w.open(config).Answer(w.t.Context(), keeper.Event{Doctor: true, Targets: []string{"api"}})
		if err != nil || slices.ContainsFunc(report.Checks, func(c Check) bool { return c.Target != "" && c.Target != "api" }) {
			t.Errorf("answered %+v, %v", report, err)
		}
		if _, err := w.open(config).Answer(w.t.Context(), keeper.Event{Targets: []string{"nobody"}}); err == nil {
			t.Error("a target that is none is taken")
		}
	})
}

// A proxy that the machine trusts is no failure, and is told.
func TestATrustedProxyIsTold(t *testing.T) {
	t.Parallel()
	if told := (glimpse{host: "sts.googleapis.com", issuer: "Corp Proxy"}).describe("Google"); !strings.Contains(told, `"Corp Proxy", not by Google`) {
		t.Error(told)
	}
	if told := (glimpse{host: "sts.googleapis.com", issuer: "Google Trust Services"}).describe("Google"); told != "sts.googleapis.com answers" {
		t.Error(told)
	}
}
