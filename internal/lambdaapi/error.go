package lambdaapi

import (
	"encoding/json"
	"fmt"
	"time"
)

// FunctionError is a function that failed, or that Lambda ended.
type FunctionError struct {
	// Type is what the runtime posted, in Go the error's type name, or one of
	// Lambda's own: "Runtime.ExitError", "Sandbox.Timedout",
	// "Function.ResponseSizeTooLarge"; of an extension "Extension.LaunchError",
	// "Extension.InitError", "Extension.ExitError", "Extension.Crash".
	Type string
	// Message is the error's text. Of an extension's error Lambda shows the exit
	// status only; here it ends with what the extension posted.
	Message string
	// StackTrace is JSON as the runtime posted it; nil when it posted none.
	StackTrace json.RawMessage
}

func (e *FunctionError) Error() string { return e.Type + ": " + e.Message }

// errorDocument is the standard form in which runtimes report errors.
type errorDocument struct {
	Type       string          `json:"errorType"`
	Message    string          `json:"errorMessage"`
	StackTrace json.RawMessage `json:"stackTrace,omitempty"`
}

// document is what a caller of Lambda's Invoke gets as the payload.
func (e *FunctionError) document() []byte {
	doc, err := json.Marshal(errorDocument(*e))
	if err != nil {
		// Only a StackTrace that is not JSON can do that, and it was parsed.
		panic(err)
	}
	return doc
}

// postedError reads what a runtime reports. Whatever it is, it is an error:
// what does not follow the standard form becomes the message.
func postedError(headerType string, body []byte) *FunctionError {
	var doc errorDocument
	if err := json.Unmarshal(body, &doc); err != nil {
		doc = errorDocument{Message: string(body)}
	}
	if doc.Type == "" {
		doc.Type = headerType
	}
	if doc.Type == "" {
		doc.Type = "Runtime.Unknown"
	}
	e := FunctionError(doc)
	return &e
}

func exitError(status string) *FunctionError {
	return lambdaError("Runtime.ExitError", "", "Runtime exited with error: "+status)
}

func timeoutError(requestID string, limit time.Duration) *FunctionError {
	return lambdaError("Sandbox.Timedout", requestID, fmt.Sprintf("Task timed out after %.2f seconds", limit.Seconds()))
}

func tooLargeError() *FunctionError {
	return &FunctionError{
		Type:    "Function.ResponseSizeTooLarge",
		Message: fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", MaxResponseSize),
	}
}

func lambdaError(typ, requestID, message string) *FunctionError {
	if requestID != "" {
		message = "RequestId: " + requestID + " Error: " + message
	}
	return &FunctionError{Type: typ, Message: message}
}
