package externalaccount

import (
	"cmp"
	"context"
	"errors"
	"net/http"

	"github.com/wifmint/wifmint/pkg/internal/googleapi"
)

// ProjectError is a project id that could not be looked up.
type ProjectError struct {
	// Number is the project's.
	Number string
	// HTTPStatus is 0 when there was no answer.
	HTTPStatus int
	// Code is Google's, such as "PERMISSION_DENIED", or one that googlests.Error has
	// for an answer that never came.
	Code, Message string
	// Retryable tells whether the same call may succeed later with nothing changed.
	Retryable bool
	// Err is the cause below, if there is one.
	Err error
}

func (e *ProjectError) Error() string {
	told := googleapi.Error{HTTPStatus: e.HTTPStatus, Code: e.Code, Message: e.Message}
	text := "looking up the id of project " + e.Number + ": " + told.Error()
	if e.HTTPStatus == http.StatusForbidden {
		text += "; grant the principal roles/browser on the project, and enable the Cloud Resource Manager API"
	}
	return text
}

func (e *ProjectError) Unwrap() error { return e.Err }

// ProjectID looks up the id of the pool's project, or for a workforce pool of its
// workforce_pool_user_project, by the Cloud Resource Manager API. It is empty,
// without an error, if there is no such project or no scopes. The principal needs
// resourcemanager.projects.get. Google is asked at every call. Fails with a
// *[RefreshError] or a *ProjectError.
func (c *Credentials) ProjectID(ctx context.Context) (string, error) {
	number := cmp.Or(c.ProjectNumber(), c.file.WorkforcePoolUserProject)
	if number == "" || c.RequiresScopes() {
		return "", nil
	}
	url, err := googleapi.ParseEndpoint("https://cloudresourcemanager."+c.file.UniverseDomain+"/v1/projects/"+number,
		"cloudresourcemanager", c.file.UniverseDomain, false)
	if err != nil {
		return "", &ProjectError{Number: number, Code: "invalid_endpoint", Message: err.Error(), Err: err}
	}
	caller := googleapi.Caller{HTTPClient: c.proof.client(c.options.HTTPClient)}
	header := http.Header{"Accept": {"application/json"}}
	if err := c.Apply(ctx, header); err != nil {
		return "", err
	}
	answer, err := caller.Call(ctx, func(ctx context.Context) (googleapi.Request, error) {
		r := &http.Request{Method: http.MethodGet, URL: url, Host: url.Host, Header: header.Clone()}
		return googleapi.Request{Request: r.WithContext(ctx)}, nil
	})
	if failed, ok := errors.AsType[*googleapi.Error](err); ok {
		return "", &ProjectError{number, failed.HTTPStatus, failed.Code, failed.Message, failed.Retryable, failed.Err}
	}
	if err != nil {
		return "", &ProjectError{Number: number, Message: err.Error(), Err: err}
	}
	var project struct {
		ProjectID string `json:"projectId"`
	}
	if err := answer.Decode(&project); err != nil || project.ProjectID == "" {
		return "", &ProjectError{Number: number, HTTPStatus: answer.Status, Code: "invalid_response", Message: "the answer has no projectId"}
	}
	return project.ProjectID, nil
}
