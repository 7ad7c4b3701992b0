package tokeninfo_test

import (
	"context"
	"fmt"

	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokeninfo"
)

func ExampleClient_AccessToken() {
	client := tokeninfo.Client{
		HTTPClient: answering(200, `{"exp":"1767323045","expires_in":"3599","scope":"openid"}`), // leave it out to ask Google
	}
	info, err := client.AccessToken(context.Background(), secret.New("ya29.example"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(info.Scopes, "until", info.Expiry)
	// Output: [openid] until 2026-01-02 03:04:05 +0000 UTC
}

func ExampleError() {
	client := tokeninfo.Client{HTTPClient: answering(400, `{"error":"invalid_token","error_description":"Invalid Value"}`)}
	_, err := client.AccessToken(context.Background(), secret.New("ya29.expired"))
	fmt.Println(err)
	// Output: asking about token at oauth2.googleapis.com: invalid_token: Invalid Value (HTTP 400)
}
