package template_test

import (
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/keeper"
)

func TestEverySampleEventIsAcceptedForWhatItIs(t *testing.T) {
	t.Parallel()
	tick := time.Date(2026, 1, 2, 3, 5, 0, 0, time.UTC)
	federated := []string{"federated"}
	rotation := func(step string) keeper.Event {
		return keeper.Event{Rotation: &keeper.Rotation{
			Step:               step,
			SecretID:           "arn:aws:secretsmanager:eu-west-1:123456789012:secret:wifmint/reports",
			ClientRequestToken: "1f7a2c9e-6c1d-4b0e-9a57-3d8e5b6f7a10",
		}}
	}
	want := map[string]keeper.Event{
		"minter-schedule.json":           {ScheduledTime: tick},
		"minter-targets.json":            {ScheduledTime: tick, Targets: federated},
		"minter-shard.json":              {ScheduledTime: tick, Shard: keeper.Shard{Index: 0, Of: 4}},
		"minter-force.json":              {Targets: federated, Force: true},
		"minter-eventbridge-rule.json":   {Targets: federated, Force: true},
		"minter-scheduler-envelope.json": {Targets: federated},
		"minter-empty.json":              {},
		"minter-null.json":               {},
		"doctor.json":                    {Doctor: true},
		"rotator-schedule.json":          {ScheduledTime: tick},
		"rotator-canary.json":            {ScheduledTime: tick, Canary: &keeper.Canary{ServiceAccount: "nobody@my-project.iam.gserviceaccount.com"}},
		"rotation-create.json":           rotation("createSecret"),
		"rotation-set.json":              rotation("setSecret"),
		"rotation-test.json":             rotation("testSecret"),
		"rotation-finish.json":           rotation("finishSecret"),
	}
	paths, err := filepath.Glob(filepath.Join(root, "events", "*"))
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]keeper.Event{}
	for _, path := range paths {
		name := filepath.Base(path)
		event, err := keeper.ParseEvent([]byte(readFile(t, "events/"+name)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got[name] = event
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the samples in events/ are not what they should be (-want +got):\n%s", diff)
	}
}
