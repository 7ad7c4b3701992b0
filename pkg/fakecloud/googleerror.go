package fakecloud

import (
	"encoding/json"
	"net/http"
)

// googleError is a refusal in the shape of Google's APIs (google.rpc.Status).
type googleError struct {
	code    int    // HTTP status
	status  string // such as "PERMISSION_DENIED"
	message string
	// reason, domain and metadata make a google.rpc.ErrorInfo; there is none
	// without a reason.
	reason, domain string
	metadata       map[string]string
}

var errNoMethod = &googleError{code: http.StatusNotFound, status: "NOT_FOUND", message: "Method not found."}

func invalidArgument(message string) *googleError {
	return &googleError{code: http.StatusBadRequest, status: "INVALID_ARGUMENT", message: message}
}

func (e *googleError) write(w http.ResponseWriter, call *Call) {
	call.Err = e.status
	status := map[string]any{"code": e.code, "message": e.message, "status": e.status}
	if e.reason != "" {
		status["details"] = []any{map[string]any{
			"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": e.reason, "domain": e.domain, "metadata": e.metadata,
		}}
	}
	writeJSON(w, e.code, map[string]any{"error": status})
}

// writeJSON cannot fail but for the connection, which is the client's trouble.
func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	encoder := json.NewEncoder(w)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	_ = encoder.Encode(v)
}
