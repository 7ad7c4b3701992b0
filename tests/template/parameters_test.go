package template_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wifmint/wifmint/internal/keeper"
)

const (
	audience = "//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-pool/providers/aws-provider"
	account  = "reports@my-project.iam.gserviceaccount.com"
)

// documentOf is the config document that CloudFormation makes of parameters.
func documentOf(t *testing.T, accounts ...string) string {
	t.Helper()
	template := readFile(t, "template.yaml")
	config := block(t, template, "Globals", "Variables", "WIFMINT_CONFIG")
	_, text, found := strings.Cut(config, "!Sub |\n")
	text, rest, ends := strings.Cut(text, "              #")
	join := regexp.MustCompile(`- HasServiceAccounts\n +- !Join \["", \['(.+)', !Join \['(.+)', !Ref ServiceAccounts\], '(.+)'\]\]\n +- ""\n +- "(.+)"\n`).FindStringSubmatch(rest)
	if !found || !ends || join == nil {
		t.Fatalf("WIFMINT_CONFIG holds no document:\n%s", config)
	}
	text = strings.NewReplacer("${GoogleProviderAudience}", audience, "${SecretName}",
		value(t, block(t, template, "Parameters", "SecretName"), "Default")).Replace(text)
	if strings.Contains(text, "${") {
		t.Errorf("the document refers to something else: %s", text)
	}
	if len(accounts) > 0 {
		text += join[1] + strings.Join(accounts, join[2]) + join[3]
	}
	return text + join[4]
}

func TestTheParametersAloneMakeAConfigDocument(t *testing.T) {
	t.Parallel()
	cloudPlatform := []string{keeper.CloudPlatformScope}
	federated := keeper.Target{Name: "federated", Secret: "wifmint/federated", Scopes: cloudPlatform, RefreshAt: keeper.DefaultRefreshAt}
	impersonated := func(name, email string) keeper.Target {
		return keeper.Target{Name: name, Secret: "wifmint/" + email, ServiceAccount: email, Scopes: cloudPlatform, RefreshAt: keeper.DefaultRefreshAt}
	}
	const other = "b@my-project.iam.gserviceaccount.com"
	for name, c := range map[string]struct {
		accounts []string
		want     []keeper.Target
	}{
		"the provider":                     {nil, []keeper.Target{federated}},
		"the provider and an account":      {[]string{account}, []keeper.Target{federated, impersonated("reports.my-project", account)}},
		"the provider and several of them": {[]string{account, other}, []keeper.Target{federated, impersonated("reports.my-project", account), impersonated("b.my-project", other)}},
	} {
		config, err := keeper.ParseConfig([]byte(documentOf(t, c.accounts...)), keeper.ConfigOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(c.want, config.Targets); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if config.CreateSecrets || config.Credentials.Audience != audience {
			t.Errorf("%s: the document is %+v", name, config)
		}
	}
}

// Lambda takes 4 KB of variables, names and values.
func TestAsManyAccountsFitAsTheParameterSays(t *testing.T) {
	t.Parallel()
	size := len(documentOf(t)) + len(`, "", ""`) + 60*(len(account)+len(`", "`))
	for _, name := range overridable {
		size += len(name)
	}
	const key = "arn:aws:kms:ap-southeast-1:123456789012:key/01234567-89ab-cdef-0123-456789abcdef"
	if size += len(key); size > 4096 {
		t.Errorf("60 accounts need %d bytes", size)
	}
	if !strings.Contains(block(t, readFile(t, "template.yaml"), "Parameters", "ServiceAccounts"), "Some 60 fit") {
		t.Error("the parameter says something else")
	}
}

func TestTheSampleDocumentIsValid(t *testing.T) {
	t.Parallel()
	if _, err := keeper.ParseConfig([]byte(readFile(t, "config/wifmint.json")), keeper.ConfigOptions{}); err != nil {
		t.Error(err)
	}
}

func TestTheAudienceParameterRefusesTheUsualTraps(t *testing.T) {
	t.Parallel()
	parameter := block(t, readFile(t, "template.yaml"), "Parameters", "GoogleProviderAudience")
	pattern, err := regexp.Compile(value(t, parameter, "AllowedPattern"))
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		audience string
		want     bool
	}{
		"the full resource name":          {"//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-pool/providers/aws-provider", true},
		"nothing, for ConfigPath":         {"", true},
		"the project's id":                {"//iam.googleapis.com/projects/my-project/locations/global/workloadIdentityPools/aws-pool/providers/aws-provider", false},
		"the pool":                        {"//iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-pool", false},
		"a URL":                           {"https://iam.googleapis.com/projects/123456789012/locations/global/workloadIdentityPools/aws-pool/providers/aws-provider", false},
		"a quote that ends JSON's string": {`//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/aws-pool/providers/aws","x":"`, false},
	} {
		if got := pattern.MatchString(c.audience); got != c.want {
			t.Errorf("%s: accepted is %v, want %v", name, got, c.want)
		}
	}
}

func TestTheAccountParametersTakeEmailsOnly(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"ServiceAccounts", "RotatedServiceAccounts"} {
		parameter := block(t, readFile(t, "template.yaml"), "Parameters", name)
		pattern, err := regexp.Compile(value(t, parameter, "AllowedPattern"))
		if err != nil {
			t.Fatal(err)
		}
		// CloudFormation matches each element. An empty list is one empty element,
		// which would make a loop of one.
		for element, want := range map[string]bool{
			value(t, parameter, "Default"): true,
			account:                        true,
			"123-compute@developer.gserviceaccount.com": true,
			"":                          false,
			"reports":                   false,
			"someone@example.com":       false,
			"serviceAccount:" + account: false,
			`a", "b@my-project.iam.gserviceaccount.com`:               false,
			"${AWS::Region}@my-project.iam.gserviceaccount.com":       false,
			"a@my-project.iam.gserviceaccount.com\nb.iam.example.com": false,
		} {
			if got := pattern.MatchString(element); got != want {
				t.Errorf("%s: %q is taken: %v, want %v", name, element, got, want)
			}
		}
	}
}
