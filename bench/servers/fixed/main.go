// Fixed is the smallest HTTP server: it gives every request the same answer, as
// long as the metadata server's with a token of 2 KiB.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strings"
)

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	answer := []byte(`{"access_token":"` + strings.Repeat("x", 2048) + `","expires_in":3599,"token_type":"Bearer"}`)
	fmt.Fprintln(os.Stderr, "listening on", listener.Addr())
	log.Fatal(http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})))
}
