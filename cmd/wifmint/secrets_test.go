package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// plant puts a token into a secret of the fake AWS as a function would, minted some
// time ago and for an hour, or any other text: plant wifmint/reports 5m; plant s {}.
// The token is "ya29.planted-N" for the Nth version of the secret.
func plant(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: plant SECRET AGE|TEXT")
	}
	cloud := ts.Value("cloud").(*fakecloud.Cloud)
	value := args[1]
	if age, err := time.ParseDuration(args[1]); err == nil {
		name := args[0][strings.LastIndex(args[0], "/")+1:]
		held, _ := cloud.Secret(args[0])
		mintedAt := time.Now().Add(-age)
		data, err := tokenstore.Token{
			Target: name, Kind: tokenstore.AccessToken, TokenType: "Bearer", Value: secret.New(fmt.Sprintf("ya29.planted-%d", len(held.Versions)+1)),
			MintedAt: mintedAt, Expiry: mintedAt.Add(time.Hour), Principal: name + "@p-roject.iam.gserviceaccount.com",
			Scopes: []string{"https://www.googleapis.com/auth/bigquery"}, ProjectID: "p-roject", UniverseDomain: "googleapis.com",
		}.Encode()
		ts.Check(err)
		value = string(data)
	}
	cloud.PutSecret(args[0], value)
}

// versions prints the versions of a secret, the oldest first, with their labels.
func versions(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: versions SECRET")
	}
	held, _ := ts.Value("cloud").(*fakecloud.Cloud).Secret(args[0])
	for _, v := range held.Versions {
		fmt.Fprintln(ts.Stdout(), v.ID, strings.Join(v.Labels, ","), v.Value)
	}
}
