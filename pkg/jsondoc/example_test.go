package jsondoc_test

import (
	"fmt"
	"strings"

	"github.com/wifmint/wifmint/pkg/jsondoc"
)

func Example() {
	doc := jsondoc.Parse([]byte(`{
		"listen": "localhost",
		"time_out": 30,
		"routes": [{"path": "/a", "to": "b"}, {"path": 7}]
	}`))

	root := doc.Root().Required("write an object")
	root.Fields("listen", "timeout", "routes")
	hasPort := func(s string) bool { return strings.Contains(s, ":") }
	root.Get("listen").Required(`write "HOST:PORT"`).Matching(hasPort, `write "HOST:PORT"`)
	for _, route := range root.Get("routes").Elements() {
		route.Get("path").Required("write a path").Text()
		route.Get("to").Required("write the name of a backend").Text()
	}
	fmt.Println(doc.Err())
	// Output:
	// listen: found "localhost"; write "HOST:PORT"
	// time_out: found an unknown field; did you mean "timeout"?
	// routes[1].to: found nothing; write the name of a backend
	// routes[1].path: found 7; write a string in double quotes
}
