package conformance_test

import (
	"archive/tar"
	"bytes"
	"context"
	"debug/elf"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wifmint/wifmint/internal/lambdaapi"
)

// The image that containers run here: a shell and a few folders. SAM takes AWS's
// own, from a registry, unless it is told of another; to either it adds Lambda's
// runtime interface emulator. moto's Lambda runs the program in testdata/forward.
var (
	repository  = fmt.Sprintf("wifmint-conformance-%d", os.Getpid())
	lambdaImage = repository + ":base"
)

// pulling reports whether SAM shall take its own images, as "make sam-local" has it.
func pulling() bool { return os.Getenv("WIFMINT_SAM_IMAGES") == "pull" }

// architecture is this machine's, as Lambda calls it.
func architecture() string {
	if runtime.GOARCH == "amd64" {
		return "x86_64"
	}
	return runtime.GOARCH
}

// images are made once, for all tests.
var images struct {
	sync.Once
	why string // there are none
}

// needImages makes the images unless there is no Docker to make them. Whoever runs
// SAM on them is not parallel: it removes the emulator's image of the repository
// before it makes one, which may be another SAM's that is about to run it.
func needImages(t *testing.T) {
	t.Helper()
	images.Do(func() { images.why = makeImages(t) })
	if images.why != "" {
		missing(t, images.why)
	}
}

func makeImages(t *testing.T) (why string) {
	t.Helper()
	if out, err := docker(nil, "info"); err != nil {
		return "there is no Docker: " + err.Error() + ": " + lastLine(out)
	}
	programs := map[string]string{}
	if shell, err := exec.LookPath("busybox"); err == nil && static(shell) {
		programs["bin/busybox"] = shell
	} else if !pulling() {
		return "there is no static busybox"
	}
	forward, err := lambdaapi.Build(t.Context(), root, "./tests/conformance/testdata/forward", t.TempDir())
	if err != nil {
		return err.Error()
	}
	programs["forward"] = forward

	var files bytes.Buffer
	w := tar.NewWriter(&files)
	for _, dir := range []string{"bin/", "opt/", "tmp/", "var/task/", "var/rapid/"} {
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir, Mode: 0o777}) // a buffer takes everything
	}
	_ = w.WriteHeader(&tar.Header{Name: repository}) // which no other process's image has
	for name, path := range programs {
		content, err := os.ReadFile(path)
		if err != nil {
			return err.Error()
		}
		_ = w.WriteHeader(&tar.Header{Name: name, Mode: 0o755, Size: int64(len(content))})
		_, _ = w.Write(content)
	}
	for _, applet := range []string{"sh", "mv", "cp", "rm", "chmod", "sleep"} {
		_ = w.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: "bin/" + applet, Linkname: "busybox"})
	}
	if err := w.Close(); err != nil {
		return err.Error()
	}
	if why := importImage(files.Bytes(), lambdaImage, "--change", `ENTRYPOINT ["/forward"]`); why != "" {
		return why
	}
	// moto fills a volume with a function's code by a container of this name.
	const fellow = "busybox:latest"
	if _, err := docker(nil, "image", "inspect", fellow); err == nil || pulling() {
		return ""
	}
	return importImage(files.Bytes(), fellow)
}

func importImage(files []byte, name string, options ...string) (why string) {
	args := append([]string{"import", "--platform", "linux/" + runtime.GOARCH}, options...)
	if out, err := docker(files, append(args, "-", name)...); err != nil {
		return "making the image " + name + ": " + err.Error() + ": " + lastLine(out)
	}
	return ""
}

// docker runs a command of Docker's and returns what it says.
func docker(stdin []byte, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "docker", args...)
	cmd.Stdin = bytes.NewReader(stdin)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// removeImages takes away what begins with the layer of this process's image, under
// whatever name, and before it the containers that a test which was cut short has left.
func removeImages() {
	base, err := firstLayer(lambdaImage)
	if err != nil {
		return
	}
	left, _ := docker(nil, "ps", "--all", "--quiet", "--filter", "ancestor="+lambdaImage)
	for id := range strings.FieldsSeq(left) {
		_, _ = docker(nil, "rm", "--force", "--volumes", id)
	}
	made, _ := docker(nil, "images", "--format", "{{.Repository}}:{{.Tag}}")
	for image := range strings.FieldsSeq(made) {
		if layer, err := firstLayer(image); err == nil && layer == base {
			_, _ = docker(nil, "rmi", "--force", image)
		}
	}
}

func firstLayer(image string) (string, error) {
	return docker(nil, "image", "inspect", "--format", "{{index .RootFS.Layers 0}}", image)
}

// dockerHost is this machine's address to containers: that of Docker's bridge.
// What listens there cannot be reached from any other machine.
func dockerHost(t *testing.T) string {
	t.Helper()
	bridge, err := net.InterfaceByName("docker0")
	if err != nil {
		missing(t, "there is no bridge docker0, by which containers reach this machine")
	}
	addresses, err := bridge.Addrs()
	if err != nil || len(addresses) == 0 {
		t.Fatal("docker0 has no address", err)
	}
	address, _, err := net.ParseCIDR(addresses[0].String())
	if err != nil {
		t.Fatal(err)
	}
	return address.String()
}

// static reports whether an executable needs no loader, and so runs anywhere.
func static(path string) bool {
	f, err := elf.Open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
			return false
		}
	}
	return true
}

func lastLine(text string) string {
	text = strings.TrimSpace(text)
	return text[strings.LastIndexByte(text, '\n')+1:]
}
