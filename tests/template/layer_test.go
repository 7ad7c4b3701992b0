package template_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const layer = "./layers/metadata"

// Lambda starts what is in /opt/extensions, and a layer is what is below /opt.
func TestTheLayerIsBuiltBySAMAndByCI(t *testing.T) {
	t.Parallel()
	const extension = "extensions/wifmint-metadata"
	if want := "\nbuild-MetadataLayer:\n\t$(GOBUILD) -o \"$(ARTIFACTS_DIR)/" + extension + "\" " + layer + "\n"; !strings.Contains(readFile(t, "Makefile"), want) {
		t.Errorf("the Makefile has no %q", want)
	}
	if !strings.Contains(readFile(t, ".ci/bootstraps"), "check MetadataLayer "+extension+" ") {
		t.Error(".ci/bootstraps does not build it")
	}
	resource := block(t, readFile(t, "template.yaml"), "Resources", "MetadataLayer")
	for key, want := range map[string]string{
		"BuildMethod":             "makefile",
		"BuildArchitecture":       "!Ref Architecture",
		"ContextPath":             "!Sub deploy/sam/${Architecture}",
		"ContentUri":              ".",
		"CompatibleArchitectures": "[!Ref Architecture]",
	} {
		if got := value(t, resource, key); got != want {
			t.Errorf("%s is %s, want %s", key, got, want)
		}
	}
}

// Two stacks share neither a layer nor a parameter, and what one has deployed
// another can rely on until its own next deployment.
func TestOtherStacksFindTheLayerAndKeepTheirs(t *testing.T) {
	t.Parallel()
	template := readFile(t, "template.yaml")
	resource := block(t, template, "Resources", "MetadataLayer")
	if got := value(t, resource, "RetentionPolicy"); got != "Retain" {
		t.Errorf("versions are not retained: %s", got)
	}
	parameter := block(t, template, "Resources", "MetadataLayerParameter")
	for text, key := range map[string]string{resource: "LayerName", parameter: "Name"} {
		if got := value(t, text, key); !strings.Contains(got, "${AWS::StackName}") {
			t.Errorf("%s is the same in every stack: %s", key, got)
		}
	}
	for what, text := range map[string]string{
		"the parameter": parameter, "the output": block(t, template, "Outputs", "MetadataLayerArn"),
	} {
		if got := value(t, text, "Value"); got != "!Ref MetadataLayer" {
			t.Errorf("%s tells %s", what, got)
		}
	}
	if got := value(t, block(t, template, "Outputs", "MetadataLayerParameterName"), "Value"); got != "!Ref MetadataLayerParameter" {
		t.Errorf("the output tells %s", got)
	}
	if strings.Contains(template, "Export:") {
		t.Error("an output is exported: a stack that imports it keeps this one from changing it")
	}
}

// Who may read one secret may use the layer.
func TestTheLayerDoesWhatAReaderMay(t *testing.T) {
	t.Parallel()
	if diff := cmp.Diff([]string{"GetSecretValue"}, sortedSet(secretsManagerCalls(t, layer))); diff != "" {
		t.Errorf("the layer's calls (-want +got):\n%s", diff)
	}
}

func TestTheLayerReadsTheVariablesOfItsContract(t *testing.T) {
	t.Parallel()
	want := []string{"WIFMINT_METADATA_ADDR", "WIFMINT_SECRETS"}
	got := sortedSet(stringsOf(sourceOf(t, layer), regexp.MustCompile(`^WIFMINT_[A-Z_]+$`)))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
