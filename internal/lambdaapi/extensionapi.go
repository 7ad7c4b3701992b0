package lambdaapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"

	"github.com/google/uuid"
)

// maxExtensionBody bounds what an extension posts; the largest is a stack trace.
const maxExtensionBody = 1 << 20

func (s *sandbox) extensionRoutes(mux *http.ServeMux) {
	const extension = "/2020-01-01/extension"
	mux.HandleFunc("POST "+extension+"/register", s.handleRegister)
	mux.HandleFunc("GET "+extension+"/event/next", s.handleExtensionNext)
	mux.HandleFunc("POST "+extension+"/init/error", s.handleExtensionInitError)
	mux.HandleFunc("POST "+extension+"/exit/error", s.handleExtensionExitError)
}

func (s *sandbox) handleRegister(w http.ResponseWriter, r *http.Request) {
	i := slices.IndexFunc(s.extensions, func(x *extension) bool { return x.name == r.Header.Get("Lambda-Extension-Name") })
	if i < 0 {
		refuse(w, http.StatusForbidden, "Extension.InvalidExtensionName", "Lambda-Extension-Name is not the file name of an extension of this function")
		return
	}
	var asked struct{ Events []string }
	if err := json.NewDecoder(io.LimitReader(r.Body, maxExtensionBody)).Decode(&asked); err != nil {
		refuse(w, http.StatusForbidden, "InvalidRequestFormat", err.Error())
		return
	}
	for _, e := range asked.Events {
		if e != invokeEvent && e != shutdownEvent {
			refuse(w, http.StatusForbidden, "Extension.InvalidEventType", "events are INVOKE and SHUTDOWN")
			return
		}
	}
	x := s.extensions[i]
	if !s.register(x, asked.Events) {
		refuseState(w)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Lambda-Extension-Identifier", x.id)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"functionName": s.function.Name, "functionVersion": "$LATEST", "handler": "bootstrap",
	})
}

// register reports false when the extension has registered before. The last one
// to register lets the runtime start.
func (s *sandbox) register(x *extension, events []string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.registered {
		return false
	}
	x.registered = true
	x.invoke, x.shutdown = slices.Contains(events, invokeEvent), slices.Contains(events, shutdownEvent)
	if !slices.ContainsFunc(s.extensions, func(x *extension) bool { return !x.registered }) {
		close(s.registered)
	}
	return true
}

// handleExtensionNext ends the extension's part of the phase and waits for its
// next event.
func (s *sandbox) handleExtensionNext(w http.ResponseWriter, r *http.Request) {
	x := s.identify(w, r)
	if x == nil {
		return
	}
	if !s.nowWaiting(x) {
		refuseState(w)
		return
	}
	select {
	case event := <-x.events:
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Lambda-Extension-Event-Identifier", uuid.NewString())
		_ = json.NewEncoder(w).Encode(event)
	case <-r.Context().Done():
	}
}

// nowWaiting notes that the extension waits for an event. It reports false when
// it did already, or has posted an error.
func (s *sandbox) nowWaiting(x *extension) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.waiting || x.reported != nil {
		return false
	}
	x.ready, x.waiting = true, true
	s.partDone()
	return true
}

func (s *sandbox) handleExtensionInitError(w http.ResponseWriter, r *http.Request) {
	s.handleReport(w, r, "Extension.InitError")
}

func (s *sandbox) handleExtensionExitError(w http.ResponseWriter, r *http.Request) {
	s.handleReport(w, r, "Extension.ExitError")
}

// handleReport notes what an extension says of its end. The end itself is that
// of its process, as in Lambda.
func (s *sandbox) handleReport(w http.ResponseWriter, r *http.Request, typ string) {
	x := s.identify(w, r)
	if x == nil {
		return
	}
	headerType := r.Header.Get("Lambda-Extension-Function-Error-Type")
	if headerType == "" {
		refuse(w, http.StatusForbidden, "Extension.MissingHeader", "Lambda-Extension-Function-Error-Type not found")
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxExtensionBody))
	if err != nil {
		return // the extension ended in the middle of its report
	}
	message := fmt.Sprintf("%s: %s", headerType, postedError(headerType, body).Message)
	if !s.report(x, &FunctionError{Type: typ, Message: message}) {
		refuseState(w)
		return
	}
	accept(w)
}

// report reports false when it is too late for an error of the initialisation.
func (s *sandbox) report(x *extension, e *FunctionError) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if x.ready && e.Type == "Extension.InitError" {
		return false
	}
	if x.reported == nil {
		x.reported = e
	}
	return true
}

// identify returns the extension that makes the request, or nil after it
// refused one that has not registered.
func (s *sandbox) identify(w http.ResponseWriter, r *http.Request) *extension {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("Lambda-Extension-Identifier")
	for _, x := range s.extensions {
		if x.registered && x.id == id {
			return x
		}
	}
	if id == "" {
		refuse(w, http.StatusForbidden, "Extension.MissingExtensionIdentifier", "Lambda-Extension-Identifier not found")
	} else {
		refuse(w, http.StatusForbidden, "Extension.UnknownExtensionIdentifier", "Lambda-Extension-Identifier is of no extension that has registered")
	}
	return nil
}

func refuseState(w http.ResponseWriter) {
	refuse(w, http.StatusForbidden, "Extension.InvalidExtensionState", "the extension has done this before, or it is too late for it")
}
