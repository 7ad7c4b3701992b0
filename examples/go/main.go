// Lists what is in a Cloud Storage bucket: a Lambda function that reads its
// Google token in one line, without the layer.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/wifmint/wifmint/pkg/tokensource"
)

var (
	token   = &tokensource.Source{Secret: os.Getenv("WIFMINT_SECRETS")}
	google  = token.Client()
	storage = cmp.Or(os.Getenv("API_ENDPOINT_OVERRIDE"), "https://storage.googleapis.com")
)

type event struct {
	Bucket string `json:"bucket"`
}

func list(ctx context.Context, e event) ([]string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, storage+"/storage/v1/b/"+url.PathEscape(e.Bucket)+"/o", nil)
	if err != nil {
		return nil, err
	}
	response, err := google.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("listing the bucket %s: %s", e.Bucket, response.Status)
	}
	var objects struct{ Items []struct{ Name string } }
	if err := json.NewDecoder(response.Body).Decode(&objects); err != nil {
		return nil, fmt.Errorf("listing the bucket %s: %w", e.Bucket, err)
	}
	names := []string{}
	for _, object := range objects.Items {
		names = append(names, object.Name)
	}
	return names, nil
}

func main() { lambda.Start(list) }
