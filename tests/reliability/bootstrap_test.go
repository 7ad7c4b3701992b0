package reliability_test

import (
	"os"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/bootstraptest"
	"github.com/wifmint/wifmint/internal/lambdaapi"
)

func TestMain(m *testing.M) { os.Exit(bootstraptest.Run(m)) }

// start starts the real bootstrap of a function in the cloud.
func (s *served) start(t *testing.T, function string) *lambdaapi.Environment {
	t.Helper()
	e, err := lambdaapi.Start(t.Context(), lambdaapi.Function{
		Name: "wifmint-" + function, Bootstrap: bootstraptest.Build(t, "./functions/"+function), Env: s.env, Timeout: 20 * time.Second, Output: s.collect,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}
