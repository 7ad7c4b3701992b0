package status

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/wifmint/wifmint/pkg/tokenstore"
)

const (
	// maxReads bounds the versions that a search reads, which cost $0.05 for 10,000.
	maxReads        = 10_000
	readConcurrency = 16
)

// Stored is a version of a secret that holds a token.
type Stored struct {
	Secret    string           `json:"secret"`
	VersionID string           `json:"version_id"`
	Labels    []string         `json:"labels,omitempty"`
	Token     tokenstore.Token `json:"token"` // masked, as JSON
}

// Search tells how much of the secrets a [Find] has seen.
type Search struct {
	Secrets, Read int
	// Truncated tells that there are more versions than it reads.
	Truncated bool
	// Err is the first failure; the search went on without what it hit.
	Err error
}

// Find looks for the token with a fingerprint in all versions of the secrets that
// there still are, those with a staging label first and then the newest. Nil means
// that it is in none that was read.
func Find(ctx context.Context, store *tokenstore.Store, secrets []string, fingerprint string) (*Stored, Search) {
	f := &finder{store: store, fingerprint: fingerprint, search: Search{Secrets: len(secrets)}}
	versions := f.list(ctx, secrets)
	if len(versions) > maxReads {
		versions, f.search.Truncated = versions[:maxReads], true
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var group errgroup.Group
	group.SetLimit(readConcurrency)
	for _, v := range versions {
		if ctx.Err() != nil {
			break
		}
		group.Go(func() error {
			if f.read(ctx, v) {
				cancel()
			}
			return nil
		})
	}
	_ = group.Wait() // the search says what failed
	return f.found, f.search
}

type finder struct {
	store       *tokenstore.Store
	fingerprint string

	mu     sync.Mutex
	found  *Stored
	search Search
}

// candidate is a version to read.
type candidate struct {
	secret  string
	id      string // empty: the one with a label
	labels  []string
	created time.Time
}

// list orders the candidates by how likely it is that somebody saw them.
func (f *finder) list(ctx context.Context, secrets []string) []candidate {
	pace := rate.NewLimiter(listings, 1)
	var all []candidate
	var group errgroup.Group
	group.SetLimit(listingConcurrency)
	for _, secret := range secrets {
		group.Go(func() error {
			err := pace.Wait(ctx)
			var versions []tokenstore.Version
			if err == nil {
				versions, err = f.store.Versions(ctx, secret)
			}
			f.mu.Lock()
			defer f.mu.Unlock()
			for _, v := range versions {
				all = append(all, candidate{secret, v.ID, v.Labels, v.Created})
			}
			if err != nil { // without the permission the labels are left
				f.failed(err)
				for _, label := range []string{"AWSCURRENT", "AWSPREVIOUS", "AWSPENDING"} {
					all = append(all, candidate{secret: secret, labels: []string{label}})
				}
			}
			return nil
		})
	}
	_ = group.Wait() // the search says what failed
	slices.SortStableFunc(all, func(a, b candidate) int {
		if labelled := len(a.labels) > 0; labelled != (len(b.labels) > 0) {
			if labelled {
				return -1
			}
			return 1
		}
		return b.created.Compare(a.created)
	})
	return all
}

func (f *finder) read(ctx context.Context, v candidate) (found bool) {
	var current tokenstore.Current
	var err error
	if v.id == "" {
		current, err = f.store.ReadStage(ctx, v.secret, v.labels[0])
	} else {
		current, err = f.store.ReadVersion(ctx, v.secret, v.id)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.search.Read++
	if err != nil {
		f.failed(err)
	}
	if err != nil || !current.Usable() || current.Token.Value.Fingerprint() != f.fingerprint {
		return false
	}
	f.found = &Stored{Secret: v.secret, VersionID: current.VersionID, Labels: v.labels, Token: current.Token}
	return true
}

// failed notes the first failure. That the search was over is none.
func (f *finder) failed(err error) {
	if f.search.Err == nil && !(f.found != nil && errors.Is(err, context.Canceled)) {
		f.search.Err = err
	}
}
