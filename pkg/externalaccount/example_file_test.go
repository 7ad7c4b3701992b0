package externalaccount_test

import (
	"fmt"

	"github.com/wifmint/wifmint/pkg/externalaccount"
)

func ExampleParseFile() {
	_, err := externalaccount.ParseFile([]byte(`{
		"type": "external_account",
		"audience": "//iam.googleapis.com/projects/my-project/locations/global/workloadIdentityPools/pool/providers/aws",
		"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"tokenUrl": "https://sts.googleapis.com/v1/token",
		"credential_source": {"environment_id": "aws2"}
	}`), externalaccount.FileOptions{})
	fmt.Println(err)
	// Output:
	// audience: found the project id "my-project"; write the project's number, which `gcloud projects describe PROJECT_ID --format="value(projectNumber)"` prints
	// tokenUrl: found an unknown field; did you mean "token_url"?
	// credential_source.environment_id: found "aws2"; write "aws1", the one version there is
}
