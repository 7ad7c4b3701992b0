package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/secret"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// secretsManager is one with a token in the secret wifmint/reports, and the
// environment that leads there, by a variable of AWS's SDKs.
func secretsManager(t *testing.T, endpoint string) (env []string) {
	t.Helper()
	cloud := fakecloud.New(fakecloud.Options{Region: "eu-west-1"})
	now := time.Now()
	data, err := tokenstore.Token{
		Target: "reports", Kind: tokenstore.AccessToken, TokenType: "Bearer", Value: secret.New("ya29.planted"),
		MintedAt: now, Expiry: now.Add(time.Hour),
		Principal: "reports@p.iam.gserviceaccount.com", Scopes: []string{"https://www.googleapis.com/auth/bigquery"},
	}.Encode()
	if err != nil {
		t.Fatal(err)
	}
	cloud.PutSecret("wifmint/reports", string(data))
	server, err := cloud.Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	return []string{
		"AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=ASIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=planted-secret-key",
		endpoint + "=" + server.Endpoints().SecretsManager,
		"HOME=" + t.TempDir(), "GORACE=atexit_sleep_ms=0",
	}
}

// The process serves until it is told to end, and then ends well.
func TestMetadataServesUntilASignal(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		signal   os.Signal
		verbose  bool
		endpoint string
	}{
		{os.Interrupt, true, "AWS_ENDPOINT_URL_SECRETS_MANAGER"},
		{syscall.SIGTERM, false, "AWS_ENDPOINT_URL"},
	} {
		t.Run(c.signal.String(), func(t *testing.T) {
			t.Parallel()
			program, err := os.Executable()
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			command := exec.CommandContext(ctx, program)
			command.Args = []string{"wifmint", "metadata", "--listen", "127.0.0.1:0", "--secret", "wifmint/reports"}
			if c.verbose {
				command.Args = append(command.Args, "--verbose")
			}
			command.Env = secretsManager(t, c.endpoint)
			var stdout strings.Builder
			command.Stdout = &stdout
			stderr, err := command.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}

			lines := bufio.NewReader(stderr)
			address := wantLine(t, lines, "listening on ")
			wantLine(t, lines, fmt.Sprintf("Google's SDKs find it by: export GCE_METADATA_HOST=%s GCE_METADATA_IP=%s", address, address))
			if body := getMetadata(t, address, "instance/service-accounts/default/token?scopes=planted-scope"); !strings.HasPrefix(body, `{"access_token":"ya29.planted","expires_in":`) {
				t.Errorf("the token is %q", body)
			}
			if err := command.Process.Signal(c.signal); err != nil {
				t.Fatal(err)
			}
			rest, _ := io.ReadAll(lines)
			if err := command.Wait(); err != nil {
				t.Errorf("it ended with %v; standard error:\n%s", err, rest)
			}
			if strings.Contains(string(rest), "path=/computeMetadata/v1/instance/service-accounts/default/token status=200") != c.verbose || strings.Contains(string(rest), "planted") {
				t.Errorf("the log is %q", rest)
			}
			if stdout.Len() > 0 {
				t.Errorf("standard output has %q", stdout.String())
			}
		})
	}
}

// wantLine reads a line that begins with something and returns the rest of it.
func wantLine(t *testing.T, r *bufio.Reader, begins string) string {
	t.Helper()
	line, err := r.ReadString('\n')
	rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), begins)
	if err != nil || !ok {
		t.Fatalf("got %q, %v, want %q", line, err, begins)
	}
	return rest
}

func getMetadata(t *testing.T, address, path string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/computeMetadata/v1/"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Metadata-Flavor", "Google")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// The port is taken, which shows that nothing has listened yet.
func TestMetadataSaysWhatItLacksInAWSBeforeItListens(t *testing.T) {
	t.Parallel()
	taken, err := (&fakecloud.Cloud{}).Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  []string
		says string
	}{
		"no region":      {[]string{"AWS_ACCESS_KEY_ID=ASIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY=k", "AWS_SESSION_TOKEN=t"}, "set AWS_REGION"},
		"no credentials": {[]string{"AWS_REGION=eu-west-1"}, "finding the AWS credentials that read the secrets: "},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // if it serves after all
			defer cancel()
			command := exec.CommandContext(ctx, program)
			command.Args = []string{"wifmint", "metadata", "--listen", strings.TrimPrefix(taken.URL, "http://"), "--secret", "a"}
			command.Env = append(c.env, "AWS_EC2_METADATA_DISABLED=true", "HOME="+t.TempDir(), "GORACE=atexit_sleep_ms=0")
			out, err := command.CombinedOutput()
			if err == nil || command.ProcessState.ExitCode() != exitFailed || !strings.Contains(string(out), c.says) || strings.Contains(string(out), "in use") {
				t.Errorf("it ended with %v and says %q, want %q", err, out, c.says)
			}
		})
	}
}

func TestMetadataRefusesWhatItCannotServe(t *testing.T) {
	t.Parallel()
	taken, err := (&fakecloud.Cloud{}).Serve()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = taken.Close() })
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"no secret":           {[]string{"--listen", "127.0.0.1:0"}, exitUsage, "--secret"},
		"a secret twice":      {[]string{"--listen", "127.0.0.1:0", "--secret", "a", "--secret", "a"}, exitUsage, `"a" is named twice`},
		"every interface":     {[]string{"--listen", ":2774", "--secret", "a"}, exitUsage, "loopback"},
		"another interface":   {[]string{"--listen", "10.0.0.1:2774", "--secret", "a"}, exitUsage, "loopback"},
		"no port":             {[]string{"--listen", "127.0.0.1", "--secret", "a"}, exitUsage, "HOST:PORT"},
		"a port that is used": {[]string{"--listen", strings.TrimPrefix(taken.URL, "http://"), "--secret", "a"}, exitFailed, "address already in use"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var stdout, stderr strings.Builder
			env := map[string]string{"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "k"}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // if it serves after all
			defer cancel()
			w := &world{ctx: ctx, stdout: &stdout, stderr: &stderr, getenv: func(name string) string { return env[name] }}
			if code := run(append([]string{"metadata"}, c.args...), w); code != c.code {
				t.Errorf("exit %d, want %d", code, c.code)
			}
			if !strings.Contains(stderr.String(), c.says) || strings.Contains(stderr.String(), "listening on 1") || stdout.Len() > 0 {
				t.Errorf("it says %q and %q, want %q", stdout.String(), stderr.String(), c.says)
			}
		})
	}
}
