package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os/exec"
	"strings"
	"time"
)

// steady is what the metadata server is to stand, for five seconds, from an SDK
// that keeps its connections.
var steady = load{perSecond: 2000, requests: 10_000, callers: 16}

// warming comes first, and opens the connections.
var warming = load{perSecond: 2000, requests: 1000, callers: 16}

// shown are the quantiles of one round's times that get rows, with the most
// seconds that they may be, if there is a budget.
var shown = [...]struct {
	name     string
	quantile float64
	most     float64
}{
	{"p50", 0.5, 0},
	{"p99", 0.99, 0.001},
	{"p99.9", 0.999, 0},
	{"slowest of 10,000", 1, 0},
}

// answers are the shown quantiles of a server's times in seconds, round by round.
type answers struct {
	server  executable
	url     string
	seconds [len(shown)]sample
}

// measureMetadata puts the same load on the real metadata server and on one that
// does nothing, in turns, so that what the machine and the load itself take shows.
func measureMetadata(ctx context.Context, built paths, e effort) ([]row, error) {
	cloud := newCloud()
	text, err := storedToken(email(0), time.Now()).Encode()
	if err != nil {
		return nil, err
	}
	cloud.PutSecret(secretOf(0), string(text))
	fakes, err := cloud.Serve()
	if err != nil {
		return nil, err
	}
	defer fakes.Close()

	ours, theirs := &answers{server: cli}, &answers{server: fixed}
	stop, err := ours.start(ctx, built, environment(fakes.Endpoints()), "metadata", "--listen", "127.0.0.1:0", "--secret", secretOf(0))
	if err != nil {
		return nil, err
	}
	defer stop()
	stop, err = theirs.start(ctx, built, nil)
	if err != nil {
		return nil, err
	}
	defer stop()

	progress("asking 2 servers %d times a second, %d times", steady.perSecond, e.repetitions)
	all := []*answers{ours, theirs}
	err = inTurns(e.repetitions, len(all), func(_, i int) error {
		if err := all[i].ask(ctx); err != nil {
			return fmt.Errorf("asking the %v: %w", all[i].server, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return metadataRows(ours, theirs), nil
}

// start starts the server, which says on standard error where it listens and
// then nothing that would fill the pipe.
func (a *answers) start(ctx context.Context, built paths, env map[string]string, args ...string) (stop func(), err error) {
	cmd := exec.CommandContext(ctx, built[a.server], args...)
	cmd.Env = []string{} // and not this process's
	for name, value := range env {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	stderr, err := cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the %v: %w", a.server, err)
	}
	stop = func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	var said []string
	for lines := bufio.NewScanner(stderr); lines.Scan(); said = append(said, lines.Text()) {
		if address, found := strings.CutPrefix(lines.Text(), "listening on "); found {
			a.url = "http://" + address + "/computeMetadata/v1/instance/service-accounts/default/token?scopes=" + url.QueryEscape(scope)
			return stop, nil
		}
	}
	stop()
	return nil, fmt.Errorf("starting the %v: it does not listen: %s", a.server, strings.Join(said, "\n"))
}

// ask adds a round.
func (a *answers) ask(ctx context.Context) error {
	transport := &http.Transport{MaxIdleConnsPerHost: steady.callers}
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	request := func(ctx context.Context) error { return getToken(ctx, client, a.url) }
	if _, err := warming.run(ctx, request, sleepUntil); err != nil {
		return err
	}
	took, err := steady.run(ctx, request, sleepUntil)
	if err != nil {
		return err
	}
	for i, s := range shown {
		a.seconds[i] = append(a.seconds[i], took.quantile(s.quantile))
	}
	return nil
}

// getToken asks as Google's SDKs do.
func getToken(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Metadata-Flavor", "Google")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the answer was %s", resp.Status)
	}
	return nil
}

func metadataRows(ours, theirs *answers) []row {
	pair := [2]executable{ours.server, theirs.server}
	var rows []row
	for i, s := range shown {
		what := "metadata server at 2,000 requests a second, " + s.name
		if s.most != 0 {
			limit := sample{s.most}
			rows = append(rows, row{
				what: what, budget: 1, ratio: ours.seconds[i].ratio(limit),
				this: ours.server.String() + " " + ours.seconds[i].in(milliseconds), that: "limit " + limit.in(milliseconds),
			})
		}
		rows = append(rows, compare(what, milliseconds, pair, ours.seconds[i], theirs.seconds[i]))
	}
	return rows
}
