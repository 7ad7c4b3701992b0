package metadata

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// directory is what a path that ends in a slash names.
type directory []entry

// entry is a name in a directory. Its value is a string, a []string, a directory,
// a text or a listing that is read when it is wanted, or nil for what is listed
// but answered elsewhere: no directory has a token in it.
type entry struct {
	name  string
	value any
}

type (
	text    func(context.Context) (string, error)
	listing func(context.Context) (directory, error)
)

// answer finds what a path below d names and renders it.
func (d directory) answer(ctx context.Context, path string, q query) (answer, error) {
	value, err := d.walk(ctx, path)
	if err != nil {
		return answer{}, err
	}
	found, ok := value.(directory)
	switch {
	case ok && q.recursive:
		all, err := found.resolve(ctx)
		if err != nil {
			return answer{}, err
		}
		return render(all, cmp.Or(q.alt, "json"))
	case ok:
		value = found.names()
	}
	return render(value, cmp.Or(q.alt, "text"))
}

func (d directory) walk(ctx context.Context, path string) (any, error) {
	if path == "" {
		return d, nil
	}
	name, below, _ := strings.Cut(path, "/")
	for _, e := range d {
		if e.name != name || e.value == nil {
			continue
		}
		if next, ok := e.value.(directory); ok {
			return next.walk(ctx, below)
		}
		if below == "" {
			return read(ctx, e.value)
		}
	}
	return nil, notFound("nothing is served here; there is instance/service-accounts/, project/project-id and universe/universe-domain")
}

// names lists a directory without reading what is in it.
func (d directory) names() []string {
	names := make([]string, len(d))
	for i, e := range d {
		names[i] = e.name
		switch e.value.(type) {
		case directory, listing:
			names[i] += "/"
		}
	}
	return names
}

// resolve reads all there is below d. What is not known is left out.
func (d directory) resolve(ctx context.Context) (directory, error) {
	all := directory{}
	for _, e := range d {
		if e.value == nil {
			continue
		}
		value, err := read(ctx, e.value)
		if r, ok := errors.AsType[*refusal](err); ok && r.status == http.StatusNotFound {
			continue
		}
		if next, ok := value.(directory); ok && err == nil {
			value, err = next.resolve(ctx)
		}
		if err != nil {
			return nil, err
		}
		all = append(all, entry{e.name, value})
	}
	return all, nil
}

// read returns what is read when it is wanted, and any other value as it is.
func read(ctx context.Context, value any) (any, error) {
	switch f := value.(type) {
	case text:
		return f(ctx)
	case listing:
		return f(ctx)
	}
	return value, nil
}

// render takes a string, a []string or a resolved directory.
func render(value any, alt string) (answer, error) {
	if alt == "json" {
		body, err := json.Marshal(value)
		return answer{http.StatusOK, asJSON, body}, err
	}
	var body []byte
	switch v := value.(type) {
	case string:
		body = []byte(v)
	case []string:
		for _, item := range v {
			body = fmt.Appendln(body, item)
		}
	case directory:
		body = v.appendLines(nil, "")
	}
	return answer{http.StatusOK, asText, body}, nil
}

// appendLines writes a line for each value below d: its path and itself.
func (d directory) appendLines(b []byte, path string) []byte {
	for _, e := range d {
		switch v := e.value.(type) {
		case string:
			b = fmt.Appendln(b, path+e.name, v)
		case []string:
			for _, item := range v {
				b = fmt.Appendln(b, path+e.name, item)
			}
		case directory:
			b = v.appendLines(b, path+e.name+"/")
		}
	}
	return b
}

// MarshalJSON gives an object with Google's keys, which are not quite the names.
func (d directory) MarshalJSON() ([]byte, error) {
	object := make(map[string]any, len(d))
	for _, e := range d {
		switch e.name {
		case "service-accounts":
			object["serviceAccounts"] = e.value
		case "project-id":
			object["projectId"] = e.value
		case "universe-domain":
			object["universeDomain"] = e.value
		default:
			object[e.name] = e.value
		}
	}
	return json.Marshal(object)
}
