// Package metadata answers as Google's metadata server does, with the tokens
// that are kept in Secrets Manager, so that every Google SDK finds them by itself.
//
// # What is served
//
//	/computeMetadata/v1/
//	    instance/service-accounts/
//	        {default | ACCOUNT}/    aliases, email, scopes, token, identity
//	    project/project-id
//	    universe/universe-domain
//
// with recursive=true and alt=json|text as Google documents them
// (https://cloud.google.com/compute/docs/metadata/querying-metadata). A directory
// is served with and without its slash at the end: where Google redirects, a
// client that does not follow would fail. What only a machine has (its zone, its
// id, the project's number) is 404, which SDKs take for "not known".
//
// # Whose token
//
// The first secret's account is the default service account. A secret's account
// is what its stored token says, so that it is known only when the secret has
// been read, which happens when a request needs it.
//
// A federated token has no service account: its principal is a workload identity
// provider. Its account goes by the domain name of the pool,
// POOL.global.PROJECT_NUMBER.workload.id.goog, as GKE's metadata server says
// PROJECT.svc.id.goog for a pod without a service account. It is one path
// segment, which matters since google-auth for Python asks for the account by the
// name it was told, and has no @, by which SDKs tell that there is no service
// account behind it that could sign for them.
//
// An account may have several access tokens, with other scopes, in several
// secrets. The scopes of a request choose between them but refuse none, as on
// Compute Engine, where they are ignored: SDKs ask for every scope of which one
// would do, so that what is missing tells nothing. The API that is called in the
// end knows, and says ACCESS_TOKEN_SCOPE_INSUFFICIENT.
//
// An ID token is found by its audience. SDKs can ask for the default account's
// only; where that has none for the audience another account's is given, since
// whoever listed the secret meant it to be used. Google's SDK for Go takes it to be
// good for an hour, whatever it says itself, and uses one that was minted a while
// ago for that while too long.
//
// # What is promised
//
//   - No token that is about to expire, and never more expires_in than it has: SDKs
//     get a 503 instead, which they try again. Whose token it was and of which
//     project is still told, also where it had expired before it was read.
//   - Where a person has paused the target, which is learned when its secret is read,
//     a 403 with the reason, which no SDK tries again.
//   - Each token that is given out was asked of its tokensource.Source for that
//     answer. No answer is kept.
//   - No token in an error or a log line, and no text of a request in an answer.
//
// # Who gets a token
//
// Whoever connects and sends the header: every process and every user of the
// machine, the container or the function. [Listen] takes the loopback interface
// only, but that is also reached
//
//   - from other containers: those of the same ECS task or pod, those on the host's
//     network, and under Docker Desktop all, as host.docker.internal;
//   - through whatever forwards a port, as ssh -L, an editor's remote session and WSL
//     do, or a request: a server on this machine that can be talked into one with a
//     header of somebody's choice. That X-Forwarded-For is refused stops those
//     proxies that add it.
//
// To all of these Host is no obstacle: a program writes what it likes.
//
// A web page in a browser is kept out. From another origin it may send the header
// only if the server agrees, which this one never does. By a name of its own that
// resolves to this machine (DNS rebinding) it shows itself in Host. And a page or a
// service worker of what listened on the same port before, and is of the same
// origin, shows itself in Sec-Fetch-Site, though not in a browser that does not
// send that to loopback addresses. A browser's extension that may reach every site
// does get a token.
package metadata

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/tokensource"
)

// answerTimeout bounds one answer. Google's SDKs for Python and Node give up
// after 3 seconds.
const answerTimeout = 2500 * time.Millisecond

// Options of [NewServer].
type Options struct {
	// Secrets are the names or ARNs of the secrets to serve, each once. The first
	// one's account is the default service account. At least one.
	Secrets []string
	// Reader is every secret's; nil means tokensource's default.
	Reader tokensource.Reader
	// Log gets a line for each request: at the debug level for a success, at info for
	// what is not found, and as a warning, with the reason, for what else failed. It
	// has no query and no token in it. Nil means no log.
	Log *slog.Logger
}

type server struct {
	secrets []*kept
	root    directory
	log     *slog.Logger
}

// NewServer returns the handler. It reads no secret before it is asked for one.
// It fails on what [CheckSecrets] refuses.
func NewServer(o Options) (http.Handler, error) {
	if err := CheckSecrets(o.Secrets); err != nil {
		return nil, err
	}
	s := &server{log: o.Log}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, id := range o.Secrets {
		s.secrets = append(s.secrets, newKept(id, o.Reader))
	}
	s.root = s.tree()
	return s, nil
}

// CheckSecrets fails on names that cannot be [Options].Secrets.
func CheckSecrets(ids []string) error {
	if len(ids) == 0 {
		return errors.New("making the metadata server: there is no secret to serve: name at least one")
	}
	for i, id := range ids {
		if id == "" {
			return errors.New("making the metadata server: a secret's name is empty")
		}
		if slices.Contains(ids[:i], id) {
			return errors.New("making the metadata server: secret " + strconv.Quote(id) + " is named twice")
		}
	}
	return nil
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	began := time.Now()
	a, err := s.answer(r)
	if err != nil {
		a = failure(err)
	}
	s.logRequest(r, a.status, time.Since(began), err)

	h := w.Header()
	h.Set("Metadata-Flavor", "Google")
	h.Set("Content-Type", a.contentType)
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	if a.status == http.StatusMethodNotAllowed {
		h.Set("Allow", "GET, HEAD")
	}
	w.WriteHeader(a.status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(a.body) // whoever asked may be gone
	}
}

// answer is what goes back to the client.
type answer struct {
	status      int
	contentType string
	body        []byte
}

// Google's content types. SDKs compare the JSON one, without parameters.
const (
	asJSON = "application/json"
	asText = "application/text"
)

// accountsPath is where the accounts are.
const accountsPath = "/computeMetadata/v1/instance/service-accounts/"

func (s *server) answer(r *http.Request) (answer, error) {
	if err := admit(r); err != nil {
		return answer{}, err
	}
	q, err := parseQuery(r.URL.RawQuery)
	if err != nil {
		return answer{}, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), answerTimeout)
	defer cancel()

	path := strings.TrimSuffix(r.URL.Path, "/")
	below, ok := strings.CutPrefix(path, accountsPath)
	if !ok {
		return s.root.answer(ctx, strings.TrimPrefix(path, "/"), q)
	}
	account, item, _ := strings.Cut(below, "/")
	switch item {
	case "token":
		return s.accessToken(ctx, account, q)
	case "identity":
		return s.idToken(ctx, account, q)
	}
	entries, err := s.account(ctx, account)
	if err != nil {
		return answer{}, err
	}
	return entries.answer(ctx, item, q)
}

// refusal is an answer that is no success and will be none when asked again.
type refusal struct {
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

func notFound(message string) error { return &refusal{http.StatusNotFound, message} }

func badRequest(message string) error { return &refusal{http.StatusBadRequest, message} }

// failure is the answer for an error. What may pass is 503, the one status that
// every SDK tries again. What is for a person to change is 403, so that the error
// is seen before the caller's own time is over: Python's SDK goes on for 15 s.
func failure(err error) answer {
	status := http.StatusServiceUnavailable
	if r, ok := errors.AsType[*refusal](err); ok {
		status = r.status
	} else if e, ok := errors.AsType[*tokensource.Error](err); ok && !e.Retryable {
		status = http.StatusForbidden
	}
	return answer{status, "text/plain; charset=utf-8", []byte(err.Error() + "\n")}
}

// logRequest leaves the query out: it is the client's own, and may be anything.
func (s *server) logRequest(r *http.Request, status int, took time.Duration, err error) {
	level := slog.LevelDebug
	switch {
	case status == http.StatusNotFound:
		level = slog.LevelInfo // SDKs look for what only Google's machines have
	case err != nil:
		level = slog.LevelWarn
	}
	if !s.log.Enabled(r.Context(), level) {
		return
	}
	attrs := []slog.Attr{
		slog.String("method", r.Method), slog.String("path", r.URL.Path),
		slog.Int("status", status), slog.Duration("took", took),
	}
	if err != nil {
		attrs = append(attrs, slog.String("reason", err.Error()))
	}
	s.log.LogAttrs(r.Context(), level, "metadata request", attrs...)
}
