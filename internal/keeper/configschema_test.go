package keeper

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"pgregory.net/rapid"

	"github.com/wifmint/wifmint/pkg/impersonate"
)

func TestThePatternsOfTheSchemaAreTheParsersGrammar(t *testing.T) {
	t.Parallel()
	type pattern struct{ Pattern string }
	var schema struct {
		Defs struct {
			Email, Delegate pattern
			Target          struct {
				Properties struct {
					Name, Secret, Lifetime pattern
					Audience               pattern `json:"id_token_audience"`
					Scopes                 struct{ Items pattern }
				}
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(readSchema(t), &schema); err != nil {
		t.Fatal(err)
	}
	fields := schema.Defs.Target.Properties
	for _, tt := range []struct {
		name    string
		pattern pattern
		grammar func(string) bool
		// near makes strings of which some are in the grammar.
		near string
	}{
		{"name", fields.Name, isTargetName, `[a-zA-Z0-9._ é-]{0,70}`},
		{"secret", fields.Secret, isSecret, `[a-zA-Z0-9/_+=.@:é-]{0,20}|arn:aws(-cn|-us-gov|-|x|):secretsmanager:[a-z]{1,3}-[a-z]{0,4}-[0-9]?:[0-9]{11,12}:secret:[a-z?-]{0,9}`},
		{"lifetime", fields.Lifetime, isLifetime, `0?[1-9][0-9]{1,4}[sm]?|43[0-9]{3}s|[56][0-9]{2}s`},
		{"audience", fields.Audience, isAudience, `[!-~ é\n]{0,5}`},
		{"scope", fields.Scopes.Items, isScope, `(https?://)?[ -~é]{0,4}`},
		{"email", schema.Defs.Email, impersonate.ValidServiceAccount, `[a-z._@+-]{0,3}@?([a-z._-]{0,3}\.?)?(developer)?\.?gserviceaccount\.com?`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			compiled := regexp.MustCompile(tt.pattern.Pattern)
			rapid.Check(t, func(t *rapid.T) {
				s := rapid.StringMatching(tt.near).Draw(t, "string")
				if got, want := compiled.MatchString(s), tt.grammar(s); got != want {
					t.Fatalf("%q is accepted by the schema: %v, by the parser: %v", s, got, want)
				}
			})
		})
	}
}

func TestTheDefaultsOfTheSchemaAreTheCodes(t *testing.T) {
	t.Parallel()
	var schema struct {
		Properties struct {
			CreateSecrets struct{ Default bool } `json:"create_secrets"`
			Targets       struct{ MaxItems int }
		}
		Defs struct {
			Target struct {
				Properties struct {
					Scopes    struct{ Default []string }
					Lifetime  struct{ Default string }
					RefreshAt struct{ Default float64 } `json:"refresh_at"`
				}
			}
		} `json:"$defs"`
	}
	if err := json.Unmarshal(readSchema(t), &schema); err != nil {
		t.Fatal(err)
	}
	config, err := ParseConfig([]byte(target(``)), ConfigOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defaults := schema.Defs.Target.Properties
	if diff := cmp.Diff(config.Targets[0].Scopes, defaults.Scopes.Default); diff != "" {
		t.Error(diff)
	}
	if got := parseLifetime(defaults.Lifetime.Default); got != DefaultLifetime {
		t.Errorf("lifetime is %s", got)
	}
	if got := defaults.RefreshAt.Default; math.Abs(got-DefaultRefreshAt) > 0.0005 || math.Abs(got-config.Targets[0].RefreshAt) > 0.0005 {
		t.Errorf("refresh_at is %v", got)
	}
	if schema.Properties.CreateSecrets.Default != config.CreateSecrets || schema.Properties.Targets.MaxItems != maxTargets {
		t.Errorf("%+v", schema.Properties)
	}
}

func readSchema(t testing.TB) []byte {
	t.Helper()
	data, err := os.ReadFile("../../schema/config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func compileSchema(t testing.TB) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(readSchema(t)))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("config.schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("config.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// validate is what the schema says about a document.
func validate(t testing.TB, schema *jsonschema.Schema, doc string) error {
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(doc))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(instance)
}
