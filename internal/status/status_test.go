package status

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"github.com/wifmint/wifmint/internal/hostilejson"
	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

func newStore(cloud *fakecloud.Cloud) *tokenstore.Store {
	return &tokenstore.Store{Client: tokenstore.NewClient(tokenstore.Options{
		Region: "eu-west-1", Credentials: credentials.NewStaticCredentialsProvider("ASIAIOSFODNN7EXAMPLE", "planted-key", ""),
		HTTPClient: &http.Client{Transport: cloud},
	})}
}

// minted is a token for an hour that was minted some time ago.
func minted(target string, ago time.Duration) tokenstore.Token {
	at := time.Now().UTC().Truncate(time.Second).Add(-ago)
	return tokenstore.Token{
		Target: target, Kind: tokenstore.AccessToken, TokenType: "Bearer", Value: secret.New("ya29.planted-" + target + fmt.Sprint(at.Unix())),
		MintedAt: at, Expiry: at.Add(time.Hour), Principal: target + "@p-roject.iam.gserviceaccount.com", Scopes: []string{"s"},
	}
}

func put(t *testing.T, cloud *fakecloud.Cloud, name string, token tokenstore.Token) {
	t.Helper()
	data, err := token.Encode()
	if err != nil {
		t.Fatal(err)
	}
	cloud.PutSecret(name, string(data))
}

func TestEveryStateIsTold(t *testing.T) {
	t.Parallel()
	long := minted("s", 0)
	long.Expiry = long.Expiry.Add(1000 * time.Hour)
	other := minted("s", 0)
	other.Scopes = []string{"another"}
	for name, tc := range map[string]struct {
		holds   any // a token or text; nil for nothing
		prepare func(*fakecloud.Cloud)
		want    State
		problem string
	}{
		"a token that was minted now":              {holds: minted("s", 0), want: Fresh},
		"one that is due":                          {holds: minted("s", 25*time.Minute), want: Fresh},
		"one that has been due for 20 minutes":     {holds: minted("s", 41*time.Minute), want: Late, problem: "should have been replaced"},
		"one that has expired":                     {holds: minted("s", time.Hour), want: Expired, problem: "has expired"},
		"one with another scope":                   {holds: other, want: Other, problem: "not of the kind"},
		"one that claims to be good for weeks":     {holds: long, want: Other, problem: "no token of Google's"},
		"a pause":                                  {holds: `{"version":1,"kind":"paused","reason":"leaked"}`, want: Paused},
		"the end of one":                           {holds: `{"version":1,"kind":"resumed"}`, want: Missing, problem: "resumed"},
		"no token":                                 {holds: `planted`, want: Missing, problem: "not JSON"},
		"nothing":                                  {want: Missing, problem: "does not exist"},
		"what may not be read":                     {holds: minted("s", 0), prepare: func(c *fakecloud.Cloud) { c.Deny("GetSecretValue", "") }, want: Unreadable, problem: "allow the role secretsmanager:GetSecretValue"},
		"a token whose versions may not be listed": {holds: minted("s", 0), prepare: func(c *fakecloud.Cloud) { c.Deny("ListSecretVersionIds", "") }, want: Fresh},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
			switch holds := tc.holds.(type) {
			case tokenstore.Token:
				put(t, cloud, "s", holds)
			case string:
				cloud.PutSecret("s", holds)
			}
			if tc.prepare != nil {
				tc.prepare(cloud)
			}
			rows := Read(t.Context(), newStore(cloud), []Target{{Name: "s", Secret: "s", Want: minted("s", 0)}}, time.Now())
			got := rows[0]
			if got.State != tc.want || (got.Problem == "") != (tc.problem == "") || !strings.Contains(got.Problem, tc.problem) {
				t.Errorf("got %+v", got)
			}
			if got.Principal != "s@p-roject.iam.gserviceaccount.com" {
				t.Errorf("the principal is %q", got.Principal)
			}
			listed := got.Writes != nil && *got.Writes == 1
			if wanted := got.VersionID != "" && !strings.Contains(name, "listed"); listed != wanted || (got.Unlisted != "") != strings.Contains(name, "listed") {
				t.Errorf("writes: %v, %q", got.Writes, got.Unlisted)
			}
			if strings.Contains(fmt.Sprintf("%+v", got), "planted") {
				t.Errorf("it shows what the secret holds: %+v", got)
			}
		})
	}
}

func TestWritesOfTheLastDayAreCounted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
		for range 80 {
			put(t, cloud, "s", minted("s", 0))
			time.Sleep(20 * time.Minute)
		}
		rows := Read(t.Context(), newStore(cloud), []Target{{Secret: "s"}}, time.Now())
		if got := rows[0]; *got.Writes != 71 || got.Target != "s" || got.MaxWrites != 144 {
			t.Errorf("got %d writes and %+v", *got.Writes, got)
		}
	})
}

// A token's way: a function mints it, names it in its log, and later another takes its
// place. The fingerprint leads back to the request.
func TestAFingerprintLeadsToTheRequestThatMintedIt(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
		cloud.PutSecret("s", "{}")
		var log bytes.Buffer
		store := newStore(cloud)
		run := func(requestID string) string {
			k := keeper.New(keeper.Keeper{
				Function: "rotator",
				Config: &keeper.Config{
					Credentials: &externalaccount.File{UniverseDomain: "googleapis.com"},
					Targets:     []keeper.Target{{Name: "reports", Secret: "s", ServiceAccount: "reports@p-roject.iam.gserviceaccount.com", Scopes: []string{"s"}, RefreshAt: keeper.DefaultRefreshAt}},
				},
				Owns: func(keeper.Target) bool { return true },
				Minting: func() keeper.MintFunc {
					return func(context.Context, keeper.Target) (keeper.MintedToken, error) {
						return keeper.MintedToken{Value: secret.New("ya29.planted-" + requestID), Expiry: time.Now().Add(time.Hour)}, nil
					}
				},
				Store: store,
				Log:   slog.New(slog.NewJSONHandler(&log, &slog.HandlerOptions{ReplaceAttr: lambdacontext.ReplaceAttr})).With("requestId", requestID), // as lambdacontext.NewLogger
			})
			report, err := k.Run(t.Context(), keeper.Event{})
			if err != nil {
				t.Fatal(err)
			}
			return report.Results[0].TokenSHA256
		}
		fingerprint, mintedAt := run("first"), time.Now()
		time.Sleep(time.Minute)
		run("second") // fresh
		time.Sleep(30 * time.Minute)
		run("third")
		time.Sleep(30 * time.Minute)
		run("fourth") // AWSPREVIOUS is the third's now

		found, search := Find(t.Context(), store, []string{"s"}, fingerprint)
		if found == nil || search.Err != nil || found.Labels != nil || found.Token.Target != "reports" || !found.Token.MintedAt.Equal(mintedAt) {
			t.Errorf("found %+v after %+v", found, search)
		}
		seen, err := ReadLog(&log, fingerprint)
		if err != nil || seen.Lines != 2 || seen.Minted == nil || seen.First == nil {
			t.Fatalf("got %+v, %v", seen, err)
		}
		want := Sighting{Time: mintedAt.UTC(), RequestID: "first", Function: "rotator", Target: "reports", Secret: "s", VersionID: found.VersionID,
			Principal: "reports@p-roject.iam.gserviceaccount.com", Expiry: mintedAt.Add(time.Hour).UTC()}
		if *seen.Minted != want || seen.First.RequestID != "second" {
			t.Errorf("got %+v and %+v, want %+v", seen.Minted, seen.First, want)
		}
	})
}

func TestASearchGoesOnWithoutWhatItMayNotRead(t *testing.T) {
	t.Parallel()
	cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
	a, b := minted("a", 0), minted("b", 0)
	put(t, cloud, "a", a)
	put(t, cloud, "b", b)
	store := newStore(cloud)
	cloud.Deny("GetSecretValue", "a")
	if found, search := Find(t.Context(), store, []string{"a", "b", "none"}, b.Value.Fingerprint()); found == nil || found.Secret != "b" {
		t.Errorf("got %v, %+v", found, search)
	}
	found, search := Find(t.Context(), store, []string{"a", "b"}, a.Value.Fingerprint())
	if found != nil || search.Err == nil || search.Read != 2 || search.Secrets != 2 {
		t.Errorf("got %v, %+v", found, search)
	}
	cloud.Deny("ListSecretVersionIds", "")
	if found, search := Find(t.Context(), store, []string{"b"}, b.Value.Fingerprint()); found == nil || strings.Join(found.Labels, "") != "AWSCURRENT" {
		t.Errorf("without a list: %v, %+v", found, search)
	}
}

// A search that is bounded begins with what is most likely.
func TestASearchBeginsWithTheLabelledVersions(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
		for _, name := range []string{"a", "b"} {
			for range 4 {
				put(t, cloud, name, minted(name, 0))
				time.Sleep(time.Minute)
			}
		}
		f := &finder{store: newStore(cloud)}
		var order []string
		for _, c := range f.list(t.Context(), []string{"a", "b"}) {
			order = append(order, c.secret+strings.Join(c.labels, ""))
		}
		if got := strings.Join(order, " "); got != "bAWSCURRENT bAWSPREVIOUS aAWSCURRENT aAWSPREVIOUS b b a a" {
			t.Errorf("the order is %s", got)
		}
	})
}

func FuzzReadLog(f *testing.F) {
	f.Add([]byte("2026-01-02T03:04:06 {\"token_sha256\":\"0123456789ab\",\"outcome\":\"minted\",\"timestamp\":\"2026-01-02T03:04:06Z\"}\n{\"token_sha256\":7} 0123456789ab"))
	f.Add([]byte("0123456789ab {{{\n\x00{\"token_sha256\":\"0123456789ab\",\"expiry\":\"soon\"}"))
	for _, seed := range hostilejson.Seeds(`{"timestamp":"2026-01-02T03:04:06Z","token_sha256":"0123456789ab","outcome":"minted","expiry":"2026-01-02T04:04:06Z"}`) {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		seen, err := ReadLog(bytes.NewReader(log), "0123456789ab")
		if (seen.Lines > 0) != (seen.Minted != nil || seen.First != nil) || (seen.First == nil) != (seen.Last == nil) {
			t.Errorf("got %+v, %v", seen, err)
		}
	})
}

func TestALineOfTheLogThatIsTooLongIsSkipped(t *testing.T) {
	t.Parallel()
	const about = `{"token_sha256":"0123456789ab","requestId":"r"}`
	for name, long := range map[string]string{
		"one byte too long":         strings.Repeat("x", maxLogLine),
		"many times too long":       strings.Repeat("x", 3*maxLogLine+7),
		"too long, about the token": about + strings.Repeat(" ", maxLogLine),
	} {
		for _, log := range []string{long + "\n" + about, about + "\n" + long + "\n", about + "\n" + long} {
			seen, err := ReadLog(strings.NewReader(log), "0123456789ab")
			if err != nil || seen.Lines != 1 || seen.Skipped != 1 || seen.First == nil || seen.First.RequestID != "r" {
				t.Errorf("%s: got %+v, %v", name, seen, err)
			}
		}
	}
	if seen, err := ReadLog(strings.NewReader(about+strings.Repeat(" ", maxLogLine-len(about)-1)+"\n"), "0123456789ab"); err != nil || seen.Skipped != 0 || seen.Lines != 1 {
		t.Errorf("one that is not: %+v, %v", seen, err)
	}
}

func TestALogThatCannotBeReadIsAnError(t *testing.T) {
	t.Parallel()
	if _, err := ReadLog(iotest.ErrReader(errors.New("broken")), "0123456789ab"); err == nil || !strings.Contains(err.Error(), "broken") {
		t.Errorf("got %v", err)
	}
}
