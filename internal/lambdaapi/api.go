package lambdaapi

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
)

func (s *sandbox) routes() http.Handler {
	const runtime = "/2018-06-01/runtime"
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+runtime+"/invocation/next", s.handleNext)
	mux.HandleFunc("POST "+runtime+"/invocation/{id}/response", s.handleResponse)
	mux.HandleFunc("POST "+runtime+"/invocation/{id}/error", s.handleError)
	mux.HandleFunc("POST "+runtime+"/init/error", s.handleInitError)
	s.extensionRoutes(mux)
	return mux
}

// handleNext ends the runtime's part of the phase and waits for the next event.
func (s *sandbox) handleNext(w http.ResponseWriter, r *http.Request) {
	if !s.nowIdle() {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the current invocation has not been answered")
		return
	}
	select {
	case inv := <-s.events:
		h := w.Header()
		h.Set("Content-Type", "application/json")
		h.Set("Lambda-Runtime-Aws-Request-Id", inv.id)
		h.Set("Lambda-Runtime-Deadline-Ms", strconv.FormatInt(inv.deadline.UnixMilli(), 10))
		h.Set("Lambda-Runtime-Invoked-Function-Arn", s.arn())
		_, _ = w.Write(inv.event) // if the process is gone, the invocation learns it
	case <-r.Context().Done():
	}
}

// nowIdle notes that the runtime waits for an event. It reports false when it
// has still to answer one.
func (s *sandbox) nowIdle() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current != nil && !s.current.answered {
		return false
	}
	if !s.idle {
		s.idle = true
		s.partDone()
	}
	return true
}

func (s *sandbox) handleResponse(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponseSize+1))
	if err != nil {
		return // the process ended in the middle of its response
	}
	if len(body) > MaxResponseSize {
		_, _ = io.Copy(io.Discard, r.Body) // else the runtime sees a broken connection instead of the 413
		s.answer(r, nil, tooLargeError())
		refuse(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "exceeded maximum allowed payload size")
		return
	}
	if !s.answer(r, body, streamError(r)) {
		refuseID(w)
		return
	}
	accept(w)
}

// streamError is the error of a function that failed after it began to
// stream its response: it comes in the trailers.
func streamError(r *http.Request) *FunctionError {
	typ := r.Trailer.Get("Lambda-Runtime-Function-Error-Type")
	if typ == "" {
		return nil
	}
	// Whatever does not decode leaves an error that has its type only.
	doc, _ := base64.StdEncoding.DecodeString(r.Trailer.Get("Lambda-Runtime-Function-Error-Body"))
	return postedError(typ, doc)
}

func (s *sandbox) handleError(w http.ResponseWriter, r *http.Request) {
	posted, err := readError(r)
	if err != nil {
		return
	}
	if !s.answer(r, nil, posted) {
		refuseID(w)
		return
	}
	accept(w)
}

// answer answers the invocation that the request names. It reports false when
// that one is not under way or already answered.
func (s *sandbox) answer(r *http.Request, payload []byte, err *FunctionError) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	inv := s.current
	if inv == nil || inv.answered || inv.id != r.PathValue("id") {
		return false
	}
	inv.answered, inv.payload, inv.err = true, payload, err
	return true
}

func (s *sandbox) handleInitError(w http.ResponseWriter, r *http.Request) {
	posted, err := readError(r)
	if err != nil {
		return
	}
	if !s.failInit(posted) {
		refuse(w, http.StatusForbidden, "InvalidStateTransition", "the initialisation is over")
		return
	}
	accept(w)
}

func (s *sandbox) failInit(posted *FunctionError) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.idle || s.initTook != 0 || s.initError != nil {
		return false
	}
	s.initError = posted
	close(s.initFailed)
	return true
}

func readError(r *http.Request) (*FunctionError, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, MaxResponseSize))
	if err != nil {
		return nil, err
	}
	return postedError(r.Header.Get("Lambda-Runtime-Function-Error-Type"), body), nil
}

func accept(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, `{"status":"OK"}`)
}

func refuseID(w http.ResponseWriter) {
	refuse(w, http.StatusBadRequest, "InvalidRequestID", "no such invocation is under way")
}

func refuse(w http.ResponseWriter, status int, typ, message string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(errorDocument{Type: typ, Message: message})
}
