package tokenstore

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat() // 2020-12 only annotates formats unless told otherwise
	schema, err := compiler.Compile("../../schema/token.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func validate(t *testing.T, schema *jsonschema.Schema, document string) error {
	t.Helper()
	instance, err := jsonschema.UnmarshalJSON(strings.NewReader(document))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(instance)
}

func TestSchemaAgreesWithParse(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for name, tc := range documentTests() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			document := edited(t, tc.token, tc.edits...)
			if err := validate(t, schema, document); (err == nil) != (tc.want == "") {
				t.Errorf("the schema says %v about %s, Parse says %q", err, document, tc.want)
			}
		})
	}
}

func TestSchemaRefusesAMarshalledToken(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, token := range []Token{accessToken(), federatedToken(), idToken()} {
		masked, err := json.Marshal(token)
		if err != nil {
			t.Fatal(err)
		}
		if validate(t, schema, string(masked)) == nil {
			t.Errorf("the schema takes %s", masked)
		}
	}
}

// Editors show descriptions, so every property has one.
func TestSchemaDescribesEveryFieldOfTheDocument(t *testing.T) {
	t.Parallel()
	schema := compileSchema(t)
	for _, token := range []Token{accessToken(), idToken()} {
		var fields map[string]any
		if err := json.Unmarshal([]byte(encode(t, token)), &fields); err != nil {
			t.Fatal(err)
		}
		for name := range fields {
			if p := schema.Properties[name]; p == nil || p.Description == "" {
				t.Errorf("the schema does not describe %q", name)
			}
		}
	}
}
