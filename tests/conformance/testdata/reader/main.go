// Reader is a Lambda function that knows of Google's metadata server and of
// nothing else: its answer is what the server says of the default token.
package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lambda.Start(func(ctx context.Context) (json.RawMessage, error) {
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+os.Getenv("GCE_METADATA_HOST")+"/computeMetadata/v1/instance/service-accounts/default/token", nil)
		if err != nil {
			return nil, err
		}
		r.Header.Set("Metadata-Flavor", "Google")
		answer, err := http.DefaultClient.Do(r)
		if err != nil {
			return nil, err
		}
		defer answer.Body.Close()
		return io.ReadAll(answer.Body)
	})
}
