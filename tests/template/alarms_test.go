package template_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/keeper"
)

const runbooks = "https://github.com/wifmint/wifmint/blob/main/docs/runbooks/"

// alarms returns the template's alarms by their names in it.
func alarms(t *testing.T) map[string]string {
	t.Helper()
	template := readFile(t, "template.yaml")
	found := map[string]string{}
	for _, name := range sortedMatches(`(?m)^ +(?:- )?([\w&{}]+):\n +Type: AWS::CloudWatch::Alarm$`, template) {
		if _, loop, ok := strings.Cut(name, "Of&{"); ok { // block finds keys, and this one is in a list
			for in, element := range loops {
				if element+"}" == loop && strings.Contains(block(t, template, "Resources", in), name) {
					found[name] = block(t, template, "Resources", in)
				}
			}
			continue
		}
		found[name] = block(t, template, "Resources", name)
	}
	if len(found) != strings.Count(template, "Type: AWS::CloudWatch::Alarm\n") {
		t.Fatalf("found %d alarms", len(found))
	}
	return found
}

func TestEveryAlarmCallsSomebodyAndTellsWhatToRead(t *testing.T) {
	t.Parallel()
	var told []string
	for name, alarm := range alarms(t) {
		page := regexp.MustCompile(regexp.QuoteMeta(runbooks) + `([a-z-]+\.md)`).FindStringSubmatch(value(t, alarm, "AlarmDescription"))
		if page == nil {
			t.Errorf("%s has no runbook", name)
			continue
		}
		told = append(told, page[1])
		for _, key := range []string{"AlarmActions", "OKActions"} {
			if got := value(t, alarm, key); got != "[!If [HasAlarmTopic, !Ref AlarmTopicArn, !Ref AlarmTopic]]" {
				t.Errorf("%s of %s are %s", key, name, got)
			}
		}
		if !strings.HasPrefix(value(t, alarm, "AlarmName"), "!Sub ") || !strings.Contains(value(t, alarm, "AlarmName"), "${AWS::StackName}-") {
			t.Errorf("%s has the same name in every stack", name)
		}
	}
	entries, err := os.ReadDir(filepath.Join(root, "docs", "runbooks"))
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, e := range entries {
		written = append(written, e.Name())
	}
	if diff := cmp.Diff(sortedSet(told), sortedSet(written)); diff != "" {
		t.Errorf("the runbooks that alarms name (-) are not those that are written (+):\n%s", diff)
	}
}

// Silence is what a schedule that somebody disabled sounds like.
func TestSilenceIsAnAlarmWhereSomethingIsToBeHeard(t *testing.T) {
	t.Parallel()
	for name, alarm := range alarms(t) {
		want := "notBreaching"
		if strings.Contains(alarm, "MetricName: SecondsRemaining") || strings.Contains(alarm, "MetricName: CanaryRefused") {
			want = "breaching"
		}
		if got := value(t, alarm, "TreatMissingData"); got != want {
			t.Errorf("missing data is %s to %s, want %s", got, name, want)
		}
	}
}

func TestAlarmsAndDashboardUseMetricsThatTheFunctionsWrite(t *testing.T) {
	t.Parallel()
	source := sourceOf(t, "./functions/rotator")
	for _, name := range []string{"SecondsRemaining", "Paused", "Minted", "Failed", "MintLatency", "CanaryRefused"} {
		if len(stringsOf(source, regexp.MustCompile("^"+name+"$"))) == 0 {
			t.Errorf("no function writes %s", name)
		}
		if template := readFile(t, "template.yaml"); !strings.Contains(template, "MetricName: "+name) && !strings.Contains(template, `MetricName=\"`+name) {
			t.Errorf("nobody looks at %s", name)
		}
	}
	ours := 0
	for name, alarm := range alarms(t) {
		for _, m := range regexp.MustCompile(`Namespace: wifmint\n +MetricName: (\w+)\n`).FindAllStringSubmatch(alarm, -1) {
			ours++
			if len(stringsOf(source, regexp.MustCompile("^"+m[1]+"$"))) == 0 {
				t.Errorf("%s watches %s, which nobody writes", name, m[1])
			}
		}
	}
	if ours != 7 {
		t.Errorf("the alarms watch %d metrics of the functions", ours)
	}
}

// CloudFormation has to come to the name that the functions give an account's target.
func TestAnAccountsAlarmIsOfItsTarget(t *testing.T) {
	t.Parallel()
	alarm := block(t, readFile(t, "template.yaml"), "Resources", "Fn::ForEach::TokensExpiring")
	const first = `!Select [0, !Split [.gserviceaccount.com, !Select [0, !Split [.iam.gserviceaccount.com, !Join [., !Split ["@", !Ref AlarmedAccount]]]]]]`
	if n := strings.Count(alarm, "Value: "+first+"\n"); n != 2 {
		t.Fatalf("%d metrics have the target's name, want 2", n)
	}
	for _, email := range []string{
		account, "123-compute@developer.gserviceaccount.com", "sa@iam-project.iam.gserviceaccount.com",
		"a.iam@p.iam.gserviceaccount.com", "sa@project.example.com.iam.gserviceaccount.com",
	} {
		config, err := keeper.ParseConfig([]byte(documentOf(t, email)), keeper.ConfigOptions{})
		if err != nil {
			t.Fatal(err)
		}
		name, _, _ := strings.Cut(strings.Join(strings.Split(email, "@"), "."), ".iam.gserviceaccount.com")
		name, _, _ = strings.Cut(name, ".gserviceaccount.com")
		if want := config.Targets[1].Name; name != want {
			t.Errorf("the alarm is of target %q, want %q", name, want)
		}
	}
}

// What is replaced in time is no alarm, and what is not is one while there is life.
func TestAnHoursTokenThatIsReplacedInTimeIsNoAlarm(t *testing.T) {
	t.Parallel()
	threshold, err := strconv.Atoi(value(t, block(t, readFile(t, "template.yaml"), "Parameters", "AlarmSecondsRemaining"), "Default"))
	if err != nil {
		t.Fatal(err)
	}
	const tick = 5 * time.Minute
	// Due at the earliest just after a tick, so seen at the next.
	healthy := time.Duration(keeper.DefaultRefreshAt*float64(keeper.DefaultLifetime)) - tick
	alarm := time.Duration(threshold) * time.Second
	if healthy <= alarm {
		t.Errorf("a healthy token may have %v left, the alarm is at %v", healthy, alarm)
	}
	if left := alarm - 2*tick; left < 15*time.Minute {
		t.Errorf("after three looks %v are left", left)
	}
	for name, a := range alarms(t) {
		if strings.Contains(a, "SecondsRemaining\n") && (value(t, a, "EvaluationPeriods") != "3" || value(t, a, "Period") != "300" || value(t, a, "Threshold") != "!Ref AlarmSecondsRemaining") {
			t.Errorf("%s looks at something else", name)
		}
	}
}

func TestTheDurationsAlarmIsAtFourFifthsOfTheTimeout(t *testing.T) {
	t.Parallel()
	timeout, err := strconv.Atoi(value(t, block(t, readFile(t, "template.yaml"), "Globals"), "Timeout"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range functions {
		if got, want := value(t, alarms(t)[name+"Duration"], "Threshold"), strconv.Itoa(timeout*800); got != want {
			t.Errorf("the alarm on the %s's duration is at %s ms, want %s", name, got, want)
		}
	}
	if dashboard := block(t, readFile(t, "template.yaml"), "Resources", "Dashboard"); !strings.Contains(dashboard, `{"label": "timeout", "value": `+strconv.Itoa(timeout*1000)+`}`) {
		t.Error("the dashboard shows another timeout")
	}
}

func TestTheCanarysScheduleSendsAnEventThatTheRotatorAccepts(t *testing.T) {
	t.Parallel()
	schedule := block(t, readFile(t, "template.yaml"), "Resources", "Rotator", "Events", "Canary")
	input := strings.Trim(strings.TrimPrefix(value(t, schedule, "Input"), "!Sub "), "'")
	got, err := keeper.ParseEvent([]byte(strings.ReplaceAll(input, "${CanaryServiceAccount}", account)))
	if want := (keeper.Event{Canary: &keeper.Canary{ServiceAccount: account}}); err != nil || !cmp.Equal(want, got) {
		t.Errorf("the schedule asks for %+v: %v", got, err)
	}
	if got := value(t, schedule, "State"); got != "!If [HasCanary, ENABLED, DISABLED]" {
		t.Errorf("the schedule is %s", got)
	}
	if got := value(t, schedule, "Arn"); got != "!GetAtt Failures.Arn" {
		t.Errorf("what is not delivered goes to %s", got)
	}
}

func TestTheDashboardIsJSON(t *testing.T) {
	t.Parallel()
	_, body, found := strings.Cut(block(t, readFile(t, "template.yaml"), "Resources", "Dashboard"), "DashboardBody: !Sub |\n")
	if !found {
		t.Fatal("there is no body")
	}
	body = regexp.MustCompile(`\$\{[\w:.]+\}`).ReplaceAllString(body, "1")
	var dashboard struct {
		Widgets []struct{ X, Y, Width, Height int }
	}
	if err := json.Unmarshal([]byte(body), &dashboard); err != nil {
		t.Fatal(err)
	}
	for i, w := range dashboard.Widgets {
		if w.Width == 0 || w.Height == 0 || w.X+w.Width > 24 {
			t.Errorf("widget %d is not on the dashboard: %+v", i, w)
		}
	}
}
