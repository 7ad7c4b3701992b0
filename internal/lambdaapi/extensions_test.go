package lambdaapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// withExtensions is a function of functions_test.go with extensions of those
// below: the test binary under their names.
func withExtensions(t *testing.T, name string, extensions ...string) Function {
	t.Helper()
	f := function(t, name)
	for _, x := range extensions {
		path := filepath.Join(t.TempDir(), x)
		if err := os.Symlink(f.Bootstrap, path); err != nil {
			t.Skip(err) // Windows asks for a privilege
		}
		f.Extensions = append(f.Extensions, path)
	}
	return f
}

// extensions are run by TestMain.
var extensions = map[string]func(*extensionClient){
	"narrator": func(c *extensionClient) {
		time.Sleep(50 * time.Millisecond)
		fmt.Println("narrator registers")
		c.register(invokeEvent, shutdownEvent)
		time.Sleep(100 * time.Millisecond)
		c.loop(func(event string) { fmt.Println(event); time.Sleep(100 * time.Millisecond) })
	},
	"usher": func(c *extensionClient) {
		c.register(shutdownEvent)
		c.loop(func(event string) { fmt.Println(event) })
	},
	"recluse":   func(c *extensionClient) { c.register(); c.next(); fmt.Println("disturbed") },
	"stubborn":  func(c *extensionClient) { c.register(shutdownEvent); c.next(); fmt.Println("staying"); hang() },
	"late":      func(c *extensionClient) { c.register(); hang() },
	"stillborn": func(*extensionClient) { os.Exit(3) },
	"doomed": func(c *extensionClient) {
		c.register()
		c.report("init")
		os.Exit(4)
	},
	"fragile": func(c *extensionClient) {
		c.register(invokeEvent)
		c.next()
		os.Exit(5)
	},
	"quitter": func(c *extensionClient) {
		c.register(invokeEvent)
		c.next()
		c.report("exit")
		status, _ := c.call("GET", "event/next", "")
		fmt.Println(status)
		os.Exit(6)
	},
	"rebel": breakExtensionProtocol,
	"window": func(c *extensionClient) {
		fmt.Println(os.Getpid(), os.Environ())
		c.register()
		c.next()
	},
}

// extensionClient talks to the Extensions API. It ends the process when that
// does not answer.
type extensionClient struct{ id string }

func (c *extensionClient) call(method, path, body string, header ...string) (int, string) {
	req, err := http.NewRequest(method, "http://"+os.Getenv("AWS_LAMBDA_RUNTIME_API")+"/2020-01-01/extension/"+path, strings.NewReader(body))
	if err != nil {
		panic(err)
	}
	req.Header.Set("Lambda-Extension-Identifier", c.id)
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		os.Exit(9)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		os.Exit(9)
	}
	if id := resp.Header.Get("Lambda-Extension-Identifier"); id != "" {
		c.id = id
	}
	return resp.StatusCode, string(answer)
}

func (c *extensionClient) register(events ...string) {
	body, _ := json.Marshal(map[string][]string{"events": events})
	c.call("POST", "register", string(body), "Lambda-Extension-Name", filepath.Base(os.Args[0]))
}

func (c *extensionClient) next() string {
	_, event := c.call("GET", "event/next", "")
	return strings.TrimSpace(event)
}

func (c *extensionClient) loop(handle func(event string)) {
	for {
		event := c.next()
		handle(event)
		if strings.Contains(event, shutdownEvent) {
			os.Exit(1) // with 0 the race detector waits a second
		}
	}
}

func (c *extensionClient) report(when string) {
	c.call("POST", when+"/error", `{"errorMessage":"no secrets"}`, "Lambda-Extension-Function-Error-Type", "Config.Missing")
}

// breakExtensionProtocol does what no extension should, and prints what it got.
func breakExtensionProtocol(c *extensionClient) {
	const nameHeader, errorHeader, uuid = "Lambda-Extension-Name", "Lambda-Extension-Function-Error-Type", "00000000-0000-0000-0000-000000000000"
	try := func(what, method, path, body string, header ...string) {
		status, answer := c.call(method, path, body, header...)
		var doc errorDocument
		_ = json.Unmarshal([]byte(answer), &doc)
		fmt.Println(what+":", status, doc.Type)
	}
	try("no name", "POST", "register", `{"events":[]}`)
	try("another name", "POST", "register", `{"events":[]}`, nameHeader, "bootstrap")
	try("no document", "POST", "register", `events`, nameHeader, "rebel")
	try("another event", "POST", "register", `{"events":["INVOKE","RESTORE"]}`, nameHeader, "rebel")
	try("next before it registers", "GET", "event/next", "")
	try("registers", "POST", "register", `{"events":["INVOKE"]}`, nameHeader, "rebel")
	try("registers again", "POST", "register", `{"events":["INVOKE"]}`, nameHeader, "rebel")
	try("another identifier", "GET", "event/next", "", "Lambda-Extension-Identifier", uuid)
	try("no type of error", "POST", "init/error", `{}`)
	c.next()
	try("an error of the initialisation after it", "POST", "init/error", `{}`, errorHeader, "Too.Late")
	atOnce := make(chan int, 2)
	for range 2 {
		go func(c extensionClient) {
			status, _ := c.call("GET", "event/next", "")
			atOnce <- status
		}(*c)
	}
	fmt.Println("one of two at once:", <-atOnce)
	try("reports", "POST", "exit/error", `{}`, errorHeader, "Had.Enough")
	try("reports again", "POST", "exit/error", `{}`, errorHeader, "Still.Had.Enough")
	try("next after that", "GET", "event/next", "")
	os.Exit(7)
}
