package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/fakecloud"
	"github.com/wifmint/wifmint/pkg/tokenstore"
)

// narrator tells a play as it happens: to a person ([prose]) or to a script
// ([lines]).
type narrator interface {
	title()
	scene(text string)
	built(function string, bytes int64, took time.Duration)
	started(function, role string, init time.Duration)
	event(function, file string)
	call(fakecloud.Call)
	report(*keeper.Report, time.Duration)
	step(name string, took time.Duration)
	read(secretID string, t tokenstore.Token)
	summary(targets, fresh int, err error)
}

var (
	_ narrator = (*prose)(nil)
	_ narrator = (*lines)(nil)
)

func newNarrator(w *world, asJSON bool) narrator {
	if asJSON {
		return &lines{out: w.stdout}
	}
	return &prose{paint: newPaint(w), out: w.stdout}
}

// prose is for a person at a terminal.
type prose struct {
	paint
	mu     sync.Mutex // calls are told by the fakes' goroutines
	out    io.Writer
	scenes int
	shown  bool // a token in full
}

func (p *prose) printf(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	fmt.Fprintf(p.out, format, args...)
}

func (p *prose) title() {
	p.printf("%s  %s\n\n", p.bold("wifmint local"), "the whole job on this machine: no account, no network, no Google key")
}

func (p *prose) scene(text string) {
	p.scenes++
	p.printf("\n%s\n", p.bold(fmt.Sprintf("%d  %s", p.scenes, text)))
}

func (p *prose) built(function string, bytes int64, took time.Duration) {
	p.printf("   built    functions/%s, the bootstrap that Lambda runs  %s\n", function, p.dim(fmt.Sprintf("%.1f MB, %s", float64(bytes)/1e6, rounded(took))))
}

func (p *prose) started(function, role string, init time.Duration) {
	p.printf("   started  the %s as %s  %s\n", function, resource(role), p.dim("cold start "+rounded(init)))
}

func (p *prose) event(function, file string) {
	p.printf("   %s\n", p.dim("event    "+file+" to the "+function))
}

// service is a service's name for a reader.
var service = map[string]string{
	"secretsmanager": "Secrets Manager",
	"google-sts":     "Google STS",
	"aws-sts":        "AWS STS",
	"iamcredentials": "IAM Credentials",
	"tokeninfo":      "Google tokeninfo",
}

// caller is who made a call. Google's services know no AWS role, but in this
// play it is a function that calls them.
func caller(c fakecloud.Call) string {
	switch {
	case c.Service == "aws-sts":
		return "Google"
	case c.Service == "secretsmanager" && c.Principal != "":
		return c.Principal[strings.LastIndex(c.Principal, "/")+1:]
	}
	return "function"
}

func (p *prose) call(c fakecloud.Call) {
	what := resource(c.Resource)
	if what == "" && c.Principal != "" {
		what = "signed by " + resource(c.Principal)
	}
	status := fmt.Sprint(c.Status)
	if c.Err != "" {
		status += " " + c.Err
	}
	p.printf("   %-8s -> %-16s %-24s %-45s %s\n", caller(c), service[c.Service], c.Operation, what, p.dim(status+", "+rounded(c.Duration)))
}

func (p *prose) report(r *keeper.Report, took time.Duration) {
	for _, t := range r.Results {
		mark := p.good("ok")
		if t.Error != nil {
			mark = p.bad("failed")
		}
		p.printf("   %s  %s %s", mark, t.Target, p.bold(string(t.Outcome)))
		if t.SecondsRemaining != nil {
			p.printf(", expires in %s, token %s, version %s", time.Duration(*t.SecondsRemaining)*time.Second, t.TokenSHA256, short(t.VersionID, 8))
		}
		if t.Error != nil {
			p.printf(", %s: %s", t.Error.Leg, t.Error.Message)
		}
		p.printf("  %s\n", p.dim(rounded(took)))
	}
}

func (p *prose) step(name string, took time.Duration) {
	p.printf("   %s  %s  %s\n", p.good("ok"), name, p.dim(rounded(took)))
}

// kinds is what the kinds of token are called in a sentence.
var kinds = map[tokenstore.Kind]string{
	tokenstore.Federated:   "a federated token",
	tokenstore.AccessToken: "an access token",
	tokenstore.IDToken:     "an ID token",
}

// read tells a token that a consumer read; the first one in full.
func (p *prose) read(secretID string, t tokenstore.Token) {
	p.printf("   %s  %s holds %s that Google accepts, sha256:%s\n", p.good("ok"), secretID, kinds[t.Kind], t.Value.Fingerprint())
	if p.shown {
		return
	}
	p.shown = true
	var pretty strings.Builder
	enc := json.NewEncoder(&pretty)
	enc.SetEscapeHTML(false)
	enc.SetIndent("       ", "  ")
	if enc.Encode(t) == nil { // masked
		p.printf("       %s", pretty.String())
	}
}

func (p *prose) summary(targets, fresh int, err error) {
	switch {
	case err != nil && targets == 0:
		p.printf("\n%s  before there was a target\n", p.bad("failed"))
		return
	case err != nil:
		p.printf("\n%s  %d of %s fresh\n", p.bad("failed"), fresh, count(targets, "target"))
		return
	}
	p.printf("\n%s  %d of %s fresh. Next, with an AWS account and a Google project:\n", p.good("done"), fresh, count(targets, "target"))
	p.printf("      go run ./cmd/wifmint setup aws\n")
}

// resource shortens a name to what tells it apart on one line.
func resource(name string) string {
	if rest, ok := strings.CutPrefix(name, "//iam.googleapis.com/"); ok {
		parts := strings.Split(rest, "/")
		return "provider " + strings.Join(parts[max(0, len(parts)-3):], "/")
	}
	if i := strings.LastIndex(name, ":assumed-role/"); i >= 0 {
		return "role " + name[i+len(":assumed-role/"):]
	}
	if i := strings.LastIndex(name, ":secret:"); i >= 0 {
		return name[i+len(":secret:"):]
	}
	return name
}

func short(s string, n int) string { return s[:min(n, len(s))] }

// rounded shows a duration with two or three digits.
func rounded(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return d.Round(100 * time.Microsecond).String()
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	}
	return d.Round(10 * time.Millisecond).String()
}

// lines is for a script: one JSON object a line.
type lines struct {
	mu  sync.Mutex
	out io.Writer
}

func (l *lines) emit(event string, fields map[string]any) {
	fields["event"] = event
	b, err := json.Marshal(fields)
	if err != nil {
		return // unreachable: plain data
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.out, "%s\n", b)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func (l *lines) title() {}

func (l *lines) scene(text string) { l.emit("scene", map[string]any{"text": text}) }

func (l *lines) built(function string, bytes int64, took time.Duration) {
	l.emit("built", map[string]any{"function": function, "bytes": bytes, "ms": ms(took)})
}

func (l *lines) started(function, role string, init time.Duration) {
	l.emit("started", map[string]any{"function": function, "role": role, "init_ms": ms(init)})
}

func (l *lines) event(function, file string) {
	l.emit("invocation", map[string]any{"function": function, "file": file})
}

func (l *lines) call(c fakecloud.Call) {
	l.emit("call", map[string]any{"service": c.Service, "operation": c.Operation, "resource": c.Resource, "principal": c.Principal, "status": c.Status, "error": c.Err, "ms": ms(c.Duration)})
}

func (l *lines) report(r *keeper.Report, took time.Duration) {
	l.emit("report", map[string]any{"report": r, "ms": ms(took)})
}

func (l *lines) step(name string, took time.Duration) {
	l.emit("step", map[string]any{"step": name, "ms": ms(took)})
}

func (l *lines) read(secretID string, t tokenstore.Token) {
	l.emit("read", map[string]any{"secret": secretID, "kind": t.Kind, "target": t.Target, "expiry": t.Expiry, "token_sha256": t.Value.Fingerprint()})
}

func (l *lines) summary(targets, fresh int, err error) {
	failed := targets - fresh
	if err != nil && failed == 0 {
		failed = 1
	}
	l.emit("summary", map[string]any{"targets": targets, "fresh": fresh, "failed": failed})
}
