package keeper

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/hostilejson"
)

func TestEveryFormOfAnEventIsRead(t *testing.T) {
	t.Parallel()
	scheduled := time.Date(2026, 1, 2, 3, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name, payload string
		want          Event
	}{
		{"nothing", "", Event{}},
		{"null", "null", Event{}},
		{"an empty object", "{}", Event{}},
		{"white space around an empty object", " {}\n", Event{}},
		{"the schedule's Input", `{"scheduled_time":"2026-01-02T03:00:00Z"}`, Event{ScheduledTime: scheduled}},
		{"every field", `{"scheduled_time":"2026-01-02T03:00:00Z","targets":["a","b"],"force":true,"shard":"1/4"}`,
			Event{ScheduledTime: scheduled, Targets: []string{"a", "b"}, Force: true, Shard: Shard{1, 4}}},
		{"fields that are null", `{"scheduled_time":null,"targets":null,"force":null,"shard":null}`, Event{}},
		{"a placeholder that sam local leaves unexpanded", `{"scheduled_time":"<aws.scheduler.scheduled-time>"}`, Event{}},
		{"a rule's envelope", `{"version":"0","source":"aws.events","detail-type":"Scheduled Event","resources":[],"detail":{"force":true}}`, Event{Force: true}},
		{"a rule's envelope with nothing in it", `{"source":"aws.events","detail-type":"Scheduled Event","detail":{}}`, Event{}},
		{"Scheduler's envelope with a string", `{"source":"aws.scheduler","detail-type":"Scheduled Event","detail":"{}"}`, Event{}},
		{"Scheduler's envelope with fields in the string", `{"source":"aws.scheduler","detail-type":"Scheduled Event","detail":"{\"shard\":\"0/2\"}"}`, Event{Shard: Shard{0, 2}}},
		{"a call for the doctor", `{"doctor":true,"targets":["a"]}`, Event{Doctor: true, Targets: []string{"a"}}},
		{"a rotation", `{"Step":"createSecret","SecretId":"arn:x","ClientRequestToken":"t"}`,
			Event{Rotation: &Rotation{Step: "createSecret", SecretID: "arn:x", ClientRequestToken: "t"}}},
		{"a rotation with a RotationToken", `{"Step":"finishSecret","SecretId":"arn:x","ClientRequestToken":"t","RotationToken":"planted-secret"}`,
			Event{Rotation: &Rotation{Step: "finishSecret", SecretID: "arn:x", ClientRequestToken: "t"}}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			got, err := ParseEvent([]byte(tc.payload))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("event (-want +got):\n%s", diff)
			}
		})
	}
}

func TestRefusedEventsNameKeysAndNoValues(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct{ name, payload, want string }{
		{"no object", `["planted"]`, "not a JSON object"},
		{"a string", `"planted"`, "not a JSON object"},
		{"broken JSON", `{"targets":["planted"`, "not a JSON object"},
		{"two documents", `{} {"a":"planted"}`, "not a JSON object"},
		{"another shape", `{"Records":[{"body":"planted"}],"zz":1}`, `"Records", "zz"`},
		{"one unknown key among known ones", `{"force":true,"target":"planted"}`, `"target"`},
		{"another case", `{"Force":true}`, `"Force"`},
		{"targets as a string", `{"targets":"planted"}`, "targets is not a list"},
		{"a number among the targets", `{"targets":["a",7]}`, "targets is not a list"},
		{"no targets in the list", `{"targets":[],"force":true}`, "leave it out for every target"},
		{"a shard with a sign", `{"shard":"+0/4"}`, "shard is not i/n"},
		{"a shard with zeros before", `{"shard":"00/01"}`, "shard is not i/n"},
		{"an empty target", `{"targets":[""]}`, "empty name"},
		{"force as a string", `{"force":"true"}`, "force is not true or false"},
		{"a scheduled time that is a number", `{"scheduled_time":1}`, "scheduled_time is not a string"},
		{"a shard that is a number", `{"shard":1}`, "shard is not a string"},
		{"an empty shard", `{"shard":""}`, "shard is not i/n"},
		{"a shard past the end", `{"shard":"4/4"}`, "shard is not i/n"},
		{"a negative shard", `{"shard":"-1/4"}`, "shard is not i/n"},
		{"a shard of none", `{"shard":"0/0"}`, "shard is not i/n"},
		{"a shard without n", `{"shard":"1"}`, "shard is not i/n"},
		{"a shard of too many", `{"shard":"0/99999999"}`, "shard is not i/n"},
		{"a shard with more behind it", `{"shard":"0/4planted"}`, "shard is not i/n"},
		{"an envelope whose detail is a list", `{"source":"x","detail-type":"y","detail":["planted"]}`, "detail is neither"},
		{"an envelope whose detail is a text", `{"source":"x","detail-type":"y","detail":"planted"}`, "detail is neither"},
		{"an envelope with an unknown detail", `{"source":"x","detail-type":"y","detail":{"bucket":"planted"}}`, `"bucket"`},
		{"an unknown step", `{"Step":"planted","SecretId":"s","ClientRequestToken":"t"}`, "unknown Step"},
		{"a rotation without a secret", `{"Step":"createSecret","ClientRequestToken":"planted"}`, "SecretId"},
		{"a rotation with an empty token", `{"Step":"createSecret","SecretId":"s","ClientRequestToken":""}`, "ClientRequestToken"},
		{"a rotation with more", `{"Step":"createSecret","SecretId":"s","ClientRequestToken":"t","Extra":"planted"}`, `"Extra"`},
		{"a rotation whose RotationToken is no string", `{"Step":"createSecret","SecretId":"s","ClientRequestToken":"t","RotationToken":7}`, "RotationToken"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, err := ParseEvent([]byte(tc.payload))
			var typed *EventError
			if !errors.As(err, &typed) {
				t.Fatalf("got %v, want an *EventError", err)
			}
			if !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %q, want it to say %q", err, tc.want)
			}
			if strings.Contains(err.Error(), "planted") {
				t.Errorf("the error shows a value: %q", err)
			}
		})
	}
}

func TestAnEventSelectsTargets(t *testing.T) {
	t.Parallel()
	owned := []Target{{Name: "a"}, {Name: "b"}, {Name: "c"}, {Name: "d"}, {Name: "e"}}
	all := append([]Target{{Name: "rotated", ServiceAccount: "r@p.iam.gserviceaccount.com"}}, owned...)
	for _, tc := range []struct {
		name  string
		event Event
		want  string // names, or what the error says
	}{
		{"all of them", Event{}, "a b c d e"},
		{"some, in the document's order, once each", Event{Targets: []string{"d", "a", "d"}}, "a d"},
		{"the first of two shards", Event{Shard: Shard{0, 2}}, "a c e"},
		{"the second of two shards", Event{Shard: Shard{1, 2}}, "b d"},
		{"a shard beyond the targets", Event{Shard: Shard{7, 9}}, ""},
		{"named ones within a shard", Event{Targets: []string{"a", "b"}, Shard: Shard{1, 2}}, "b"},
		{"an unknown one", Event{Targets: []string{"zzz"}}, `no target "zzz"`},
		{"another function's", Event{Targets: []string{"rotated"}}, "not the minter's"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			targets, err := tc.event.Select("minter", owned, all)
			if err != nil {
				if tc.want == "" || !strings.Contains(err.Error(), tc.want) {
					t.Errorf("got %v, want %q", err, tc.want)
				}
				return
			}
			var names []string
			for _, target := range targets {
				names = append(names, target.Name)
			}
			if got := strings.Join(names, " "); got != tc.want {
				t.Errorf("got %q, want %q", got, tc.want)
			}
		})
	}
}

func TestShardsTakeEveryTargetOnce(t *testing.T) {
	t.Parallel()
	var owned []Target
	for i := range 103 {
		owned = append(owned, Target{Name: string(rune('a'+i%26)) + strings.Repeat("x", i/26)})
	}
	for n := 1; n < 12; n++ {
		taken := map[string]int{}
		for i := range n {
			targets, err := Event{Shard: Shard{i, n}}.Select("minter", owned, owned)
			if err != nil {
				t.Fatal(err)
			}
			for _, target := range targets {
				taken[target.Name]++
			}
		}
		if len(taken) != len(owned) {
			t.Errorf("%d shards take %d of %d targets", n, len(taken), len(owned))
		}
		for name, times := range taken {
			if times != 1 {
				t.Errorf("%d shards take %s %d times", n, name, times)
			}
		}
	}
}

func FuzzParseEvent(f *testing.F) {
	files, _ := filepath.Glob("../../events/*.json")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, valid := range []string{
		`{"targets":["a"],"force":true,"shard":"0/2"}`, `{"canary":{"service_account":"a@p.iam.gserviceaccount.com"}}`, `{"source":"x","detail-type":"y","detail":{"targets":["a"]}}`,
		`{"Step":"createSecret","SecretId":"s","ClientRequestToken":"t","RotationToken":"r"}`,
	} {
		for _, seed := range hostilejson.Seeds(valid) {
			f.Add([]byte(seed))
		}
	}
	f.Add([]byte(`{"source":"x","detail-type":"y","detail":"{\"shard\":\"0/2\"}"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		e, err := ParseEvent(data)
		if err != nil {
			if !errors.As(err, new(*EventError)) {
				t.Fatalf("not an *EventError: %v", err)
			}
			if len(err.Error()) > 2000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if e.Shard.Of != 0 && (e.Shard.Index < 0 || e.Shard.Index >= e.Shard.Of) {
			t.Fatalf("shard %+v", e.Shard)
		}
		if e.Rotation != nil && (e.Force || e.Targets != nil || e.Rotation.SecretID == "" || e.Rotation.ClientRequestToken == "") {
			t.Fatalf("rotation %+v", e)
		}
	})
}
