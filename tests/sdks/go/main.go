// Go does with one of Google's Go libraries, which its argument names, what the
// test writes on standard input.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"strings"

	"cloud.google.com/go/auth"
	"cloud.google.com/go/auth/credentials"
	"cloud.google.com/go/auth/credentials/idtoken"
	"cloud.google.com/go/auth/httptransport"
	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const scope = "https://www.googleapis.com/auth/devstorage.read_only"

// library is what the test asks of one of them. A client calls with an access
// token, or, if it is given an audience, with an ID token.
type library struct {
	project func(context.Context) (string, error)
	client  func(ctx context.Context, audience string) (*http.Client, error)
}

var libraries = map[string]library{
	"auth": {
		project: func(ctx context.Context) (string, error) {
			c, err := detected("")
			if err != nil {
				return "", err
			}
			return c.ProjectID(ctx)
		},
		client: func(_ context.Context, audience string) (*http.Client, error) {
			c, err := detected(audience)
			if err != nil {
				return nil, err
			}
			return httptransport.NewClient(&httptransport.Options{Credentials: c})
		},
	},
	"oauth2": {
		project: func(ctx context.Context) (string, error) {
			c, err := google.FindDefaultCredentials(ctx, scope)
			if err != nil {
				return "", err
			}
			return c.ProjectID, nil
		},
		client: func(ctx context.Context, audience string) (*http.Client, error) {
			if audience != "" {
				return nil, errors.New("x/oauth2 has no ID tokens")
			}
			source, err := google.DefaultTokenSource(ctx, scope)
			return oauth2.NewClient(ctx, source), err
		},
	},
	"metadata": {
		project: metadata.ProjectIDWithContext,
		client: func(ctx context.Context, audience string) (*http.Client, error) {
			source := google.ComputeTokenSource("default", scope)
			if audience != "" {
				token, err := metadata.GetWithContext(ctx, "instance/service-accounts/default/identity?audience="+url.QueryEscape(audience))
				if err != nil {
					return nil, err
				}
				source = oauth2.StaticTokenSource(&oauth2.Token{AccessToken: token})
			}
			return oauth2.NewClient(ctx, source), nil
		},
	},
}

func detected(audience string) (*auth.Credentials, error) {
	if audience != "" {
		return idtoken.NewCredentials(&idtoken.Options{Audience: audience})
	}
	return credentials.DetectDefault(&credentials.DetectOptions{Scopes: []string{scope}})
}

func main() {
	if err := serve(context.Background(), libraries[os.Args[1]]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(ctx context.Context, l library) error {
	client, err := l.client(ctx, "")
	if err != nil {
		return err
	}
	replies := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		var reply struct{ Value, Error string }
		verb, arguments, _ := strings.Cut(in.Text(), " ")
		switch verb {
		case "project":
			reply.Value, err = l.project(ctx)
		case "get":
			reply.Value, err = object(client, arguments)
		case "call":
			address, audience, _ := strings.Cut(arguments, " ")
			reply.Value, err = call(ctx, l, address, audience)
		}
		if err != nil {
			reply.Error = err.Error()
		}
		if err := replies.Encode(reply); err != nil {
			return err
		}
	}
	return nil
}

func call(ctx context.Context, l library, address, audience string) (string, error) {
	client, err := l.client(ctx, audience)
	if err != nil {
		return "", err
	}
	answer, err := get(client, address)
	return answer.Caller, err
}

func object(client *http.Client, address string) (string, error) {
	answer, err := get(client, address)
	if err != nil {
		return "", err
	}
	return answer.Items[0].Name, nil
}

// answer is an API's or the service's.
type answer struct {
	Items  []struct{ Name string }
	Caller string
}

func get(client *http.Client, address string) (a answer, err error) {
	response, err := client.Get(address)
	if err != nil {
		return a, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return a, errors.New(response.Status)
	}
	return a, json.NewDecoder(response.Body).Decode(&a)
}
