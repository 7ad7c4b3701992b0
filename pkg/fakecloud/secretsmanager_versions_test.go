package fakecloud_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// The cases are rotations as they were recorded at AWS.
func TestLabelsMoveAsInAWS(t *testing.T) {
	t.Parallel()
	type step struct {
		put      int      // the version to put, with labels
		labels   []string // nil: none given
		move     string   // or a label to move from a version to another
		from, to int
		want     map[string]string
	}
	for _, test := range []struct {
		name  string
		steps []step
	}{
		{"AWSPREVIOUS follows AWSCURRENT and no label is left behind", []step{
			{put: 2, want: map[string]string{*token(1): "AWSPREVIOUS", *token(2): "AWSCURRENT"}},
			{put: 3, want: map[string]string{*token(1): "", *token(2): "AWSPREVIOUS", *token(3): "AWSCURRENT"}},
		}},
		{"labels of one's own do not touch AWSCURRENT", []step{
			{put: 2, labels: []string{"one", "two"}, want: map[string]string{*token(1): "AWSCURRENT", *token(2): "one two"}},
			{put: 3, labels: []string{"two", "three"}, want: map[string]string{*token(1): "AWSCURRENT", *token(2): "one", *token(3): "three two"}},
		}},
		{"a finished rotation leaves AWSPENDING on the current version, and the next one takes it away", []step{
			{put: 2, labels: []string{"AWSPENDING"}, want: map[string]string{*token(1): "AWSCURRENT", *token(2): "AWSPENDING"}},
			{move: "AWSCURRENT", from: 1, to: 2, want: map[string]string{*token(1): "AWSPREVIOUS", *token(2): "AWSCURRENT AWSPENDING"}},
			{put: 3, labels: []string{"AWSPENDING"}, want: map[string]string{*token(1): "AWSPREVIOUS", *token(2): "AWSCURRENT", *token(3): "AWSPENDING"}},
			{move: "AWSCURRENT", from: 2, to: 3, want: map[string]string{*token(1): "", *token(2): "AWSPREVIOUS", *token(3): "AWSCURRENT AWSPENDING"}},
		}},
		{"a version that stops being current is not pending either", []step{
			{put: 2, labels: []string{"AWSPENDING"}, want: map[string]string{*token(1): "AWSCURRENT", *token(2): "AWSPENDING"}},
			{move: "AWSCURRENT", from: 1, to: 2, want: map[string]string{*token(1): "AWSPREVIOUS", *token(2): "AWSCURRENT AWSPENDING"}},
			{put: 3, want: map[string]string{*token(1): "", *token(2): "AWSPREVIOUS", *token(3): "AWSCURRENT"}},
		}},
		{"rolling back swaps AWSCURRENT and AWSPREVIOUS", []step{
			{put: 2, want: map[string]string{*token(1): "AWSPREVIOUS", *token(2): "AWSCURRENT"}},
			{move: "AWSCURRENT", from: 2, to: 1, want: map[string]string{*token(1): "AWSCURRENT", *token(2): "AWSPREVIOUS"}},
		}},
		{"a label can be taken away", []step{
			{put: 2, labels: []string{"mine"}, want: map[string]string{*token(1): "AWSCURRENT", *token(2): "mine"}},
			{move: "mine", from: 2, want: map[string]string{*token(1): "AWSCURRENT", *token(2): ""}},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := fakecloud.New(fakecloud.Options{})
			s := secretsClient(c)
			if _, err := s.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("a"), SecretString: aws.String("1"), ClientRequestToken: token(1)}); err != nil {
				t.Fatal(err)
			}
			for i, step := range test.steps {
				var err error
				if step.put > 0 {
					_, err = s.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
						SecretId: aws.String("a"), SecretString: aws.String("v"), ClientRequestToken: token(step.put), VersionStages: step.labels,
					})
				} else {
					in := &secretsmanager.UpdateSecretVersionStageInput{SecretId: aws.String("a"), VersionStage: &step.move, RemoveFromVersionId: token(step.from)}
					if step.to > 0 {
						in.MoveToVersionId = token(step.to)
					}
					_, err = s.UpdateSecretVersionStage(t.Context(), in)
				}
				if err != nil {
					t.Fatalf("step %d: %v", i, err)
				}
				if diff := cmp.Diff(step.want, stages(t, c, "a")); diff != "" {
					t.Fatalf("after step %d (-want +got):\n%s", i, diff)
				}
			}
		})
	}
}

func TestTheFirstVersionIsCurrentWhateverItsLabels(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	ctx := t.Context()
	_, err := s.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: aws.String("a")})
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId: aws.String("a"), SecretString: aws.String("v"), ClientRequestToken: token(1), VersionStages: []string{"mine"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{*token(1): "AWSCURRENT mine"}, stages(t, c, "a")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestTheSamePutTwiceIsOne(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	c.PutSecret("a", "first")
	for range 2 {
		_, err := s.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String("v"), ClientRequestToken: token(1)})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		_, err := s.CreateSecret(t.Context(), &secretsmanager.CreateSecretInput{Name: aws.String("b"), SecretString: aws.String("v"), ClientRequestToken: token(1)})
		if err != nil {
			t.Fatal(err)
		}
	}
	if a, b := stages(t, c, "a"), stages(t, c, "b"); len(a) != 2 || len(b) != 1 {
		t.Errorf("versions: %v and %v", a, b)
	}
}

func TestOfAThousandConcurrentPutsWithOneTokenExactlyOneWins(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	c.PutSecret("a", "first")
	var mu sync.Mutex
	var winners []string
	codes := map[string]int{}
	var wg sync.WaitGroup
	start := make(chan struct{})
	for i := range 1000 {
		wg.Go(func() {
			<-start
			value := fmt.Sprint("value ", i)
			_, err := s.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: &value, ClientRequestToken: token(1)})
			mu.Lock()
			defer mu.Unlock()
			codes[refusalCode(err)]++
			if err == nil {
				winners = append(winners, value)
			}
		})
	}
	close(start)
	wg.Wait()
	if diff := cmp.Diff(map[string]int{"": 1, "ResourceExistsException": 999}, codes); diff != "" {
		t.Fatalf("answers by code (-want +got):\n%s", diff)
	}
	secret, _ := c.Secret("a")
	if current, _ := secret.Labelled("AWSCURRENT"); current.Value != winners[0] || len(secret.Versions) != 2 {
		t.Errorf("the secret holds %q in %d versions, %q won", current.Value, len(secret.Versions), winners[0])
	}
}

// What it is for shows under the race detector.
func TestEverythingMayHappenAtOnce(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	c.PutSecret("a", "v")
	var wg sync.WaitGroup
	for i := range 50 {
		wg.Go(func() {
			askSecretsManager(t, c, "PutSecretValue", map[string]any{"SecretId": "a", "SecretString": "v", "ClientRequestToken": *token(i)})
			askSecretsManager(t, c, "CreateSecret", map[string]any{"Name": fmt.Sprint("b", i)})
			askSecretsManager(t, c, "ListSecretVersionIds", map[string]any{"SecretId": "a"})
			askSecretsManager(t, c, "TagResource", map[string]any{"SecretId": "a", "Tags": []map[string]string{{"Key": "k", "Value": fmt.Sprint(i)}}})
			c.PutSecret("c", fmt.Sprint(i))
			c.Deny("GetSecretValue", "nothing")()
			c.DenyKMS("none")()
			c.Fault(fakecloud.Fault{Operation: "none"})()
			c.LimitWrites(0)
			c.Secrets()
			c.Calls()
		})
	}
	wg.Wait()
	if secrets := c.Secrets(); len(secrets) != 52 || len(secrets[0].Versions) != 51 {
		t.Errorf("%d secrets, %d versions of the first", len(secrets), len(secrets[0].Versions))
	}
}

func TestAPutEveryTenMinutesIsSustainedAndMoreIsNot(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		name    string
		every   time.Duration
		refused bool
	}{
		{"every ten minutes", 10 * time.Minute, false},
		{"every nine minutes", 9 * time.Minute, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			clock := newClock(morning)
			c := fakecloud.New(fakecloud.Options{Now: clock.now})
			s := secretsClient(c)
			c.PutSecret("a", "v")
			for n := range 1000 {
				clock.advance(tc.every)
				_, err := s.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String("v"), ClientRequestToken: token(n)})
				secret, _ := c.Secret("a")
				if err != nil {
					if !tc.refused || refusalCode(err) != "LimitExceededException" || len(secret.Versions) != 150 {
						t.Errorf("put %d with %d versions: %v", n, len(secret.Versions), err)
					}
					return
				}
				if current, _ := secret.Labelled("AWSCURRENT"); current.ID != *token(n) {
					t.Fatalf("after put %d the current version is %s", n, current.ID)
				}
			}
			if tc.refused {
				t.Error("a thousand puts, and none was refused")
			}
		})
	}
}

func TestVersionsGoAboveAHundredOnceTheyAreADayOld(t *testing.T) {
	t.Parallel()
	clock := newClock(morning)
	c := fakecloud.New(fakecloud.Options{Now: clock.now})
	s := secretsClient(c)
	c.PutSecret("a", "v")
	put := func(n int) {
		t.Helper()
		if _, err := s.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{SecretId: aws.String("a"), SecretString: aws.String("v"), ClientRequestToken: token(n)}); err != nil {
			t.Fatal(err)
		}
	}
	for n := range 110 {
		put(n)
	}
	if secret, _ := c.Secret("a"); len(secret.Versions) != 111 {
		t.Fatalf("%d versions on the first day", len(secret.Versions))
	}
	clock.advance(24 * time.Hour)
	put(110)
	secret, _ := c.Secret("a")
	if len(secret.Versions) != 100 || secret.Versions[0].ID != *token(11) {
		t.Errorf("%d versions, the oldest %s; want 100 from %s on", len(secret.Versions), secret.Versions[0].ID, *token(11))
	}
}

func TestAVersionWithALabelIsNeverRemoved(t *testing.T) {
	t.Parallel()
	clock := newClock(morning)
	c := fakecloud.New(fakecloud.Options{Now: clock.now})
	s := secretsClient(c)
	c.PutSecret("a", "v")
	put := func(n int, labels ...string) {
		_, err := s.PutSecretValue(t.Context(), &secretsmanager.PutSecretValueInput{
			SecretId: aws.String("a"), SecretString: aws.String("v"), ClientRequestToken: token(n), VersionStages: labels,
		})
		if err != nil {
			t.Fatalf("put %d: %v", n, err)
		}
		clock.advance(time.Hour)
	}
	put(0, "keep")
	for n := range 300 {
		put(n + 1)
	}
	if secret, _ := c.Secret("a"); len(secret.Versions) != 100 || secret.Versions[0].ID != *token(0) {
		t.Errorf("%d versions, the oldest is %s", len(secret.Versions), secret.Versions[0].ID)
	}
}

// Whatever is done to a secret, every label sits on one version, AWSCURRENT is
// never lost, and reading yields what it sits on.
func TestNoLabelIsLostOrOnTwoVersions(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		clock := newClock(morning)
		c := fakecloud.New(fakecloud.Options{Now: clock.now})
		c.SetRotationFunction("arn:function", func(context.Context, fakecloud.RotationEvent) error { return nil })
		c.PutSecret("a", "first")

		label := rapid.SampledFrom([]string{"AWSCURRENT", "AWSPREVIOUS", "AWSPENDING", "x", "y"})
		version := rapid.Map(rapid.IntRange(0, 5), func(n int) string { return *token(n) })
		rt.Repeat(map[string]func(*rapid.T){
			"put": func(rt *rapid.T) {
				in := map[string]any{
					"SecretId": "a", "ClientRequestToken": version.Draw(rt, "token"),
					"SecretString": rapid.SampledFrom([]string{"v", "w"}).Draw(rt, "value"),
				}
				if rapid.Bool().Draw(rt, "labels given") {
					in["VersionStages"] = rapid.SliceOfN(label, 1, 3).Draw(rt, "labels")
				}
				askSecretsManager(rt, c, "PutSecretValue", in)
			},
			"move": func(rt *rapid.T) {
				l := label.Draw(rt, "label")
				secret, _ := c.Secret("a")
				in := map[string]any{"SecretId": "a", "VersionStage": l}
				if holder, held := secret.Labelled(l); held && rapid.Bool().Draw(rt, "from the right one") {
					in["RemoveFromVersionId"] = holder.ID
				}
				if rapid.Bool().Draw(rt, "to") {
					in["MoveToVersionId"] = rapid.SampledFrom(secret.Versions).Draw(rt, "to version").ID
				}
				askSecretsManager(rt, c, "UpdateSecretVersionStage", in)
			},
			"update": func(rt *rapid.T) {
				askSecretsManager(rt, c, "UpdateSecret", map[string]any{"SecretId": "a", "ClientRequestToken": version.Draw(rt, "token"), "SecretString": "u"})
			},
			"rotate": func(rt *rapid.T) {
				askSecretsManager(rt, c, "RotateSecret", map[string]any{
					"SecretId": "a", "ClientRequestToken": version.Draw(rt, "token"), "RotationLambdaARN": "arn:function",
					"RotateImmediately": rapid.Bool().Draw(rt, "immediately"),
				})
			},
			"wait": func(*rapid.T) { clock.advance(25 * time.Hour) },
			"": func(rt *rapid.T) {
				secret, _ := c.Secret("a")
				seen := map[string]bool{}
				for _, v := range secret.Versions {
					for _, l := range v.Labels {
						if seen[l] {
							rt.Fatalf("%s sits on two versions: %+v", l, secret.Versions)
						}
						seen[l] = true
					}
				}
				current, found := secret.Labelled("AWSCURRENT")
				if !found || current.Value == "" {
					rt.Fatalf("AWSCURRENT is lost, or on nothing: %+v", secret.Versions)
				}
				got := askSecretsManager(rt, c, "GetSecretValue", map[string]any{"SecretId": "a"})
				if got["VersionId"] != current.ID || got["SecretString"] != current.Value {
					rt.Fatalf("read %v, the current version is %+v", got, current)
				}
			},
		})
	})
}

// askSecretsManager is a call without the SDK, which takes most of the time of
// a thousand calls. The answer may be a refusal.
func askSecretsManager(t rapid.TB, c *fakecloud.Cloud, operation string, in map[string]any) (out map[string]any) {
	body, _ := json.Marshal(in)
	r, _ := http.NewRequest(http.MethodPost, "https://secretsmanager.us-east-1.amazonaws.com/", bytes.NewReader(body))
	r.Header.Set("X-Amz-Target", "secretsmanager."+operation)
	answer, err := c.RoundTrip(r)
	if err == nil {
		err = json.NewDecoder(answer.Body).Decode(&out)
	}
	if err != nil {
		t.Errorf("%s: %v", operation, err)
	}
	return out
}

func TestVersionsWithoutLabelsAreListedOnlyOnRequest(t *testing.T) {
	t.Parallel()
	c := fakecloud.New(fakecloud.Options{})
	s := secretsClient(c)
	for range 3 {
		c.PutSecret("a", "v")
	}
	for deprecated, want := range map[bool]string{false: "AWSPREVIOUS AWSCURRENT", true: "- AWSPREVIOUS AWSCURRENT"} {
		got, err := s.ListSecretVersionIds(t.Context(), &secretsmanager.ListSecretVersionIdsInput{SecretId: aws.String("a"), IncludeDeprecated: &deprecated})
		if err != nil {
			t.Fatal(err)
		}
		var labels []string
		for _, v := range got.Versions {
			if v.VersionStages == nil {
				v.VersionStages = []string{"-"}
			}
			labels = append(labels, v.VersionStages...)
		}
		if list := strings.Join(labels, " "); list != want {
			t.Errorf("IncludeDeprecated %v: %s, want %s", deprecated, list, want)
		}
	}
}
