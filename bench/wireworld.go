package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// tapped is a fake cloud behind two servers: Google, which speaks HTTP/2, and Secrets
// Manager, which does not: only some of AWS's endpoints do, and without it keeping
// connections is harder.
type tapped struct {
	cloud           *fakecloud.Cloud
	google, secrets *tap
	authority       []byte // PEM
	dir             string
}

// authorityFile is the authority in dir, for SSL_CERT_FILE.
const authorityFile = "authority.pem"

// tappable reports whether programs can be told whose certificates to trust, which
// is done by SSL_CERT_FILE: macOS and Windows ask the system.
func tappable() bool {
	if runtime.GOOS == "linux" {
		return true
	}
	progress("left out: without Linux, programs do not trust a fake's certificate")
	return false
}

func newTapped(cloud *fakecloud.Cloud) (*tapped, error) {
	w := &tapped{cloud: cloud}
	if err := w.serve(); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

func (w *tapped) serve() error {
	id, err := theIdentity()
	if err != nil {
		return err
	}
	w.authority = id.authority
	if w.dir, err = os.MkdirTemp("", "wifmint-bench-tls-"); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(w.dir, authorityFile), id.authority, 0o600); err != nil {
		return err
	}
	handler := w.cloud.Handler()
	google := http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if r.Host == stsHostname {
			r.URL.Path = "/google-sts" + r.URL.Path
		}
		handler.ServeHTTP(rw, r)
	})
	if w.google, err = newTap(google, id.certificate, true); err != nil {
		return err
	}
	w.secrets, err = newTap(handler, id.certificate, false)
	return err
}

func (w *tapped) close() {
	for _, t := range []*tap{w.google, w.secrets} {
		if t != nil {
			t.close()
		}
	}
	_ = os.RemoveAll(w.dir)
}

func (w *tapped) endpoints() fakecloud.Endpoints {
	e := fakecloud.EndpointsAt(w.google.url)
	e.SecretsManager = fakecloud.EndpointsAt(w.secrets.url).SecretsManager
	return e
}

// deployment is a function that keeps a fleet's tokens, frozen between invocations,
// with a tapped cloud of its own.
type deployment struct {
	of executable
	*tapped
	env     *lambdaapi.Environment
	event   []byte
	refresh func() error // has the next invocation mint every token
	ran     float64      // the processor time after the last invocation
}

// deploy starts the fleet's own function.
func deploy(ctx context.Context, built paths, f fleet, output func(line string)) (*deployment, error) {
	w, err := tappedFleet(f)
	if err != nil {
		return nil, err
	}
	config, err := json.Marshal(configDocument(w.endpoints(), f.document()))
	if err != nil {
		w.close()
		return nil, err
	}
	d := &deployment{of: f.keeper(), tapped: w, event: []byte(`{}`)}
	d.refresh = func() error { return makeOlder(w.cloud, 50*time.Minute) }
	return d, d.start(ctx, built, output, map[string]string{"WIFMINT_CONFIG": string(config), "WIFMINT_UNSAFE_ENDPOINTS": "allow"})
}

// deployPeer starts what people write in its place today, for service accounts or for
// one federated token, to store tokens or to have them for its own use. It mints
// whenever it is invoked: federated tokens live too short there for x/oauth2 to keep
// them.
func deployPeer(ctx context.Context, built paths, f fleet, own bool) (*deployment, error) {
	w, err := tappedFleet(f)
	if err != nil {
		return nil, err
	}
	google := w.endpoints()
	d := &deployment{of: impersonating, tapped: w, refresh: func() error { return nil }}
	event := object{"own": own}
	if f.federated {
		d.of = federating
		w.cloud.PutSecret("wifmint/federated", "nothing yet")
		w.cloud.AddProvider(fakecloud.Provider{Audience: audience, AWSAccount: "123456789012", TokenLifetime: mintedLife})
	} else {
		accounts := make([]string, f.targets)
		for i := range accounts {
			accounts[i] = email(i)
		}
		event["accounts"], event["concurrency"] = accounts, workers
		event["token_url"], event["iam_url"] = google.TokenURL, google.IAMCredentials
	}
	if d.event, err = json.Marshal(event); err != nil {
		w.close()
		return nil, err
	}
	return d, d.start(ctx, built, nil, map[string]string{"TOKEN_URL": google.TokenURL})
}

func tappedFleet(f fleet) (*tapped, error) {
	cloud, err := f.cloud()
	if err != nil {
		return nil, err
	}
	return newTapped(cloud)
}

func (d *deployment) start(ctx context.Context, built paths, output func(line string), more map[string]string) error {
	env := environment(d.endpoints())
	env["SSL_CERT_FILE"] = filepath.Join(d.dir, authorityFile)
	for name, value := range more {
		env[name] = value
	}
	e, err := lambdaapi.Start(ctx, lambdaapi.Function{Bootstrap: built[d.of], Timeout: fleetTimeout, Env: env, Output: output, Freeze: true})
	if err != nil {
		d.tapped.close()
		return fmt.Errorf("starting %v: %w", d.of, err)
	}
	d.env = e
	return nil
}

func (d *deployment) close() {
	d.env.Close()
	d.tapped.close()
}

// hangUp closes the function's connections while it is frozen.
func (d *deployment) hangUp() {
	d.google.hangUp()
	d.secrets.hangUp()
}

// visit is what one invocation took.
type visit struct {
	seconds         float64 // from the event to the request for the next
	processor       float64 // seconds that the function's threads ran; the first one's with the initialisation
	google, secrets traffic
	made            calls
}

func (v visit) traffic() traffic { return v.google.plus(v.secrets) }

// invoke invokes the function with what is stored as it is.
func (d *deployment) invoke(ctx context.Context) (visit, error) {
	d.cloud.ResetCalls()
	google, secrets := d.google.traffic(), d.secrets.traffic()
	result, err := d.env.Invoke(ctx, d.event)
	if err == nil && result.Error != nil {
		err = result.Error
	}
	if err != nil {
		return visit{}, fmt.Errorf("invoking %v: %w", d.of, err)
	}
	before := d.ran
	if d.ran, err = processorTime(d.env.PID()); err != nil {
		return visit{}, err
	}
	return visit{
		seconds: result.Duration.Seconds(), processor: d.ran - before,
		google: d.google.traffic().minus(google), secrets: d.secrets.traffic().minus(secrets),
		made: callsTo(d.cloud),
	}, nil
}

// mint invokes the function with nothing stored that need not be replaced.
func (d *deployment) mint(ctx context.Context) (visit, error) {
	if err := d.refresh(); err != nil {
		return visit{}, err
	}
	v, err := d.invoke(ctx)
	if err == nil && v.made["exchange"] == 0 {
		err = errors.New(d.of.String() + " minted nothing")
	}
	return v, err
}
