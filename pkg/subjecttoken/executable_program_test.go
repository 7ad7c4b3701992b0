package subjecttoken

import (
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"testing"
	"time"
)

// The programs that these tests run are this test binary itself: the variable
// says which.
const childVariable = "SUBJECTTOKEN_TEST_PROGRAM"

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		// Where secrets would end up that must not be shown.
		fmt.Fprintln(os.Stderr, "debug: token="+planted, "key="+plantedKey)
		children[name]()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

var children = map[string]func(){
	// answers prints what it is told, and ends as it is told.
	"answers": func() {
		fmt.Print(os.Getenv("CHILD_PRINTS"))
		if os.Getenv("CHILD_EXITS") != "" {
			os.Exit(3)
		}
	},
	// reports writes its arguments and environment to a file.
	"reports": func() {
		report, _ := json.Marshal(map[string][]string{"arguments": os.Args[1:], "environment": os.Environ()})
		check(os.WriteFile(os.Getenv("CHILD_FILE"), report, 0o600))
		fmt.Print(os.Getenv("CHILD_PRINTS"))
	},
	// reads tells whether there is anything on its standard input.
	"reads": func() {
		n, _ := os.Stdin.Read(make([]byte, 1))
		fmt.Printf(`{"version":1,"success":false,"code":"%d","message":"bytes on standard input"}`, n)
	},
	// hangs says that it is there and goes on.
	"hangs": func() { call()() },
	// closes hangs without a standard output.
	"closes": func() { os.Stdout.Close(); call()() },
	// multiplies starts a program that hangs, and hangs.
	"multiplies": func() { spawn(os.Stdout); call()() },
	// leaves starts a program that hangs, with the standard output, and ends.
	"leaves": func() { spawn(os.Stdout); fmt.Print(os.Getenv("CHILD_PRINTS")) },
	// alone fails if it is not the only one of its kind.
	"alone": func() {
		lock := os.Getenv("CHILD_FILE")
		f, err := os.OpenFile(lock, os.O_CREATE|os.O_EXCL, 0o600)
		check(err)
		f.Close()
		time.Sleep(20 * time.Millisecond) // for another to come, if it can
		check(os.Remove(lock))
		fmt.Print(os.Getenv("CHILD_PRINTS"))
	},
	// asks is interactive: it asks the user and answers in the output file.
	"asks": func() {
		fmt.Print("your name? ")
		var name string
		fmt.Scanln(&name)
		if os.Getenv("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE") == "1" && name == "alice" {
			check(os.WriteFile(os.Getenv("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE"), []byte(os.Getenv("CHILD_PRINTS")), 0o600))
		}
	},
	// forgets revokes, if it is asked to.
	"forgets": func() {
		if os.Getenv("GOOGLE_EXTERNAL_ACCOUNT_REVOKE") != "1" {
			os.Exit(3)
		}
		fmt.Print(os.Getenv("CHILD_PRINTS"))
	},
}

func check(err error) {
	if err != nil {
		fmt.Printf(`{"version":1,"success":false,"code":"child","message":%q}`, err.Error())
		os.Exit(1)
	}
}

// call opens a connection to the test, which ends with the process. To wait is
// to wait for the test to end it.
func call() (wait func()) {
	conn, err := net.Dial("tcp", os.Getenv("CHILD_CALLS"))
	check(err)
	return func() { conn.Read(make([]byte, 1)) }
}

func spawn(stdout *os.File) {
	self, err := os.Executable()
	check(err)
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childVariable+"=hangs")
	cmd.Stdout = stdout
	check(cmd.Start())
}

// program is one of the children. It may be run, and its environment has the
// pairs besides.
func program(t *testing.T, name string, pairs ...string) *Executable {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	env := []string{
		childVariable + "=" + name,
		"GORACE=atexit_sleep_ms=0", // a second, else, under the race detector
	}
	for i := 0; i < len(pairs); i += 2 {
		env = append(env, pairs[i]+"="+pairs[i+1])
	}
	return &Executable{
		Command:          self,
		Audience:         knownAudience,
		SubjectTokenType: IDTokenType,
		Getenv:           environ(allowExecutables, "1"),
		Environ:          func() []string { return env },
		Now:              knownTime,
	}
}
