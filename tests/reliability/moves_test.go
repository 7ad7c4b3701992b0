package reliability_test

import (
	"sync"

	"github.com/wifmint/wifmint/pkg/fakecloud"
)

// onMove has f called, one call at a time, when AWSCURRENT of a target's secret has
// moved: from a version, the zero one if there was none, to another.
func (w *world) onMove(f func(secret string, from, to fakecloud.SecretVersion)) {
	var mu sync.Mutex
	current := map[string]fakecloud.SecretVersion{}
	w.cloud.OnCall(func(c fakecloud.Call) {
		if c.Service != "secretsmanager" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, target := range w.config.Targets {
			secret, _ := w.cloud.Secret(target.Secret)
			to, ok := secret.Labelled("AWSCURRENT")
			if from := current[target.Secret]; ok && to.ID != from.ID {
				current[target.Secret] = to
				f(target.Secret, from, to)
			}
		}
	})
}
