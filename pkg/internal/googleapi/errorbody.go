package googleapi

import (
	"bytes"
	"encoding/json"
)

// errorBody is what an error answer tells. It is as the server wrote it: to be
// masked and bounded before anyone sees it.
type errorBody struct {
	code, message, uri string
}

// readErrorBody reads both shapes that Google's services answer with: OAuth's
// (RFC 6749, 5.2), whose error is a string, and Google's own, whose error is an
// object.
func readErrorBody(body []byte) errorBody {
	var shape struct {
		Error       json.RawMessage `json:"error"`
		Description lenientString   `json:"error_description"`
		URI         lenientString   `json:"error_uri"`
	}
	var status struct {
		Status  lenientString `json:"status"`
		Message lenientString `json:"message"`
	}
	if json.Unmarshal(body, &shape) != nil {
		return errorBody{message: describe(body)}
	}
	told := errorBody{message: string(shape.Description), uri: string(shape.URI)}
	if json.Unmarshal(shape.Error, &told.code) != nil && json.Unmarshal(shape.Error, &status) == nil {
		told.code, told.message = string(status.Status), string(status.Message)
	}
	if told.code == "" && told.message == "" {
		told.message = describe(body)
	}
	return told
}

// describe says what stands where an error should: a proxy's line of text is
// quoted, a page is not, and neither is JSON that might be anything, a token included.
func describe(body []byte) string {
	body = bytes.TrimSpace(body)
	switch {
	case len(body) == 0:
		return "an empty answer"
	case body[0] == '<':
		return "a page of HTML or XML instead of JSON"
	case bytes.IndexByte([]byte(`{["`), body[0]) >= 0:
		return "JSON in neither of Google's error shapes"
	}
	return "text instead of JSON: " + string(body[:min(len(body), maxExcerpt)])
}

// lenientString is a JSON string; a value of another type counts as none,
// since a badly typed detail must not hide the rest of an error.
type lenientString string

func (s *lenientString) UnmarshalJSON(b []byte) error {
	var text string
	if json.Unmarshal(b, &text) == nil {
		*s = lenientString(text)
	}
	return nil
}
