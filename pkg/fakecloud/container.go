package fakecloud

import (
	"crypto/subtle"
	"net/http"
	"sync"
	"time"
)

// metadataState is what the container endpoint and IMDS hand out. Its zero
// value has no container and no instance.
type metadataState struct {
	mu         sync.Mutex
	containers map[string]ContainerCredentials // by path
	instance   *Instance
	tokens     map[string]time.Time // IMDSv2 tokens and when they expire
}

// ContainerCredentials is what the container credentials endpoint serves at one
// path.
type ContainerCredentials struct {
	// Path is the endpoint's own, such as AWS_CONTAINER_CREDENTIALS_RELATIVE_URI;
	// zero means "/credentials", which is where [Endpoints] has it.
	Path string
	// AccessKeyID names a key of [Cloud.AddAWSKey]; required.
	AccessKeyID string
	// AuthorizationToken has to be sent in the Authorization header; empty
	// means that none is asked for.
	AuthorizationToken string
}

// SetContainerCredentials serves credentials at a path, in place of the ones
// before.
func (c *Cloud) SetContainerCredentials(cc ContainerCredentials) {
	if cc.Path == "" {
		cc.Path = "/credentials"
	}
	c.metadata.mu.Lock()
	defer c.metadata.mu.Unlock()
	if c.metadata.containers == nil {
		c.metadata.containers = map[string]ContainerCredentials{}
	}
	c.metadata.containers[cc.Path] = cc
}

func identifyContainer(*http.Request, []byte) (operation, resource string) {
	return "credentials", "" // the path is as good as a secret in ECS
}

// vendedKey is a key as the container endpoint and IMDS tell it.
type vendedKey struct {
	Code            string `json:",omitempty"`
	LastUpdated     string `json:",omitempty"`
	Type            string `json:",omitempty"`
	RoleArn         string `json:",omitempty"`
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string
	Token           string
	Expiration      string
}

// vended always tells an expiry, since AWS does and clients count on it: of a
// key that has none, six hours from now.
func (k AWSKey) vended(now time.Time) vendedKey {
	expires := k.Expires
	if expires.IsZero() {
		expires = now.Add(6 * time.Hour)
	}
	return vendedKey{
		AccessKeyID: k.AccessKeyID, SecretAccessKey: k.SecretAccessKey, Token: k.SessionToken,
		Expiration: expires.UTC().Format(time.RFC3339),
	}
}

func (c *Cloud) serveContainer(w http.ResponseWriter, r *http.Request, call *Call) {
	c.metadata.mu.Lock()
	cc, known := c.metadata.containers[r.URL.Path]
	c.metadata.mu.Unlock()
	key, hasKey := c.aws.key(cc.AccessKeyID)
	token := r.Header.Get("Authorization")
	switch {
	case !known || r.Method != http.MethodGet:
		call.refuse(w, http.StatusNotFound, "NotFound", "there are no credentials at this path")
	case cc.AuthorizationToken != "" && subtle.ConstantTimeCompare([]byte(token), []byte(cc.AuthorizationToken)) == 0:
		call.refuse(w, http.StatusUnauthorized, "Unauthorized", "the authorization token is missing or wrong")
	case !hasKey:
		call.refuse(w, http.StatusInternalServerError, "InternalServerError", "the key is not in the account")
	default:
		vended := key.vended(call.Time)
		if arn, _ := parseARN(key.ARN); arn.kind == "assumed-role" {
			vended.RoleArn = arn.ofRole("iam", "role")
		}
		writeJSON(w, http.StatusOK, vended)
	}
}

// refuse answers in the shape that the AWS SDKs read from this endpoint.
func (call *Call) refuse(w http.ResponseWriter, status int, code, message string) {
	call.Err = code
	writeJSON(w, status, map[string]string{"code": code, "message": message})
}
