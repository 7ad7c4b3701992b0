package fakecloud

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Instance is an EC2 instance, as its metadata service tells about it.
type Instance struct {
	// Role is the name of the instance's role; empty means that it has none.
	Role string
	// AccessKeyID names the role's key, one of [Cloud.AddAWSKey].
	AccessKeyID string
	// AvailabilityZone zero means the region's first; a Local Zone such as
	// "us-west-2-lax-1a" is not its region and a letter.
	AvailabilityZone string
	// Region zero means Options.Region.
	Region string
	// DisableV1 asks for a token on every request.
	DisableV1 bool
}

// SetInstance makes the cloud's instance metadata service tell about i, in
// place of the instance before. Tokens that were handed out stay valid.
func (c *Cloud) SetInstance(i Instance) {
	if i.Region == "" {
		i.Region = c.options.Region
	}
	if i.AvailabilityZone == "" {
		i.AvailabilityZone = i.Region + "a"
	}
	c.metadata.mu.Lock()
	defer c.metadata.mu.Unlock()
	c.metadata.instance = &i
}

const (
	imdsTokenPath = "/latest/api/token"
	imdsRolePath  = "/latest/meta-data/iam/security-credentials/"
	imdsPlacement = "/latest/meta-data/placement/"
)

func identifyIMDS(r *http.Request, _ []byte) (operation, resource string) {
	path := r.URL.Path
	if role, found := strings.CutPrefix(path, imdsRolePath); found {
		return "security-credentials", role
	}
	switch path {
	case imdsTokenPath:
		return "token", ""
	case strings.TrimSuffix(imdsRolePath, "/"):
		return "security-credentials", ""
	case imdsPlacement + "region", imdsPlacement + "availability-zone":
		return strings.TrimPrefix(path, imdsPlacement), ""
	}
	return "", ""
}

func (c *Cloud) serveIMDS(w http.ResponseWriter, r *http.Request, call *Call) {
	c.metadata.mu.Lock()
	instance := c.metadata.instance
	c.metadata.mu.Unlock()
	status := http.StatusNotFound
	switch {
	case instance == nil:
	case call.Operation == "token":
		status = c.serveIMDSToken(w, r, call.Time)
	case r.Method != http.MethodGet:
		status = http.StatusMethodNotAllowed
	case !c.mayRead(r, instance, call.Time):
		status = http.StatusUnauthorized
	default:
		status = c.serveIMDSData(w, instance, call)
	}
	if status != http.StatusOK {
		call.Err = http.StatusText(status)
		w.Header().Set("Content-Type", "text/html")
		w.WriteHeader(status)
		fmt.Fprintf(w, "<h1>%d - %s</h1>", status, http.StatusText(status))
	}
}

const (
	imdsTokenHeader = "X-Aws-Ec2-Metadata-Token"
	imdsTTLHeader   = "X-Aws-Ec2-Metadata-Token-Ttl-Seconds"
)

// serveIMDSToken starts an IMDSv2 session of 1 to 21600 seconds. A request that
// passed a proxy gets none.
func (c *Cloud) serveIMDSToken(w http.ResponseWriter, r *http.Request, now time.Time) (status int) {
	ttl, err := strconv.Atoi(r.Header.Get(imdsTTLHeader))
	switch {
	case r.Method != http.MethodPut:
		return http.StatusMethodNotAllowed
	case r.Header.Values("X-Forwarded-For") != nil:
		return http.StatusForbidden
	case err != nil || ttl < 1 || ttl > 21600:
		return http.StatusBadRequest
	}
	token := c.draw(56, base64URLAlphabet)
	c.metadata.mu.Lock()
	if c.metadata.tokens == nil {
		c.metadata.tokens = map[string]time.Time{}
	}
	c.metadata.tokens[token] = now.Add(time.Duration(ttl) * time.Second)
	c.metadata.mu.Unlock()
	w.Header().Set(imdsTTLHeader, strconv.Itoa(ttl))
	w.Header().Set("Content-Type", "text/plain")
	_, _ = io.WriteString(w, token)
	return http.StatusOK
}

// mayRead reports whether a request has a valid token, or needs none.
func (c *Cloud) mayRead(r *http.Request, instance *Instance, now time.Time) bool {
	tokens := r.Header.Values(imdsTokenHeader)
	if len(tokens) == 0 {
		return !instance.DisableV1
	}
	c.metadata.mu.Lock()
	defer c.metadata.mu.Unlock()
	expires, known := c.metadata.tokens[tokens[0]]
	return known && now.Before(expires)
}

func (c *Cloud) serveIMDSData(w http.ResponseWriter, instance *Instance, call *Call) (status int) {
	w.Header().Set("Content-Type", "text/plain")
	key, hasKey := c.aws.key(instance.AccessKeyID)
	text := ""
	switch {
	case call.Operation == "region":
		text = instance.Region
	case call.Operation == "availability-zone":
		text = instance.AvailabilityZone
	case call.Operation != "security-credentials" || instance.Role == "":
		return http.StatusNotFound
	case call.Resource == "":
		text = instance.Role
	case call.Resource != instance.Role || !hasKey:
		return http.StatusNotFound
	default:
		vended := key.vended(call.Time)
		vended.Code, vended.Type, vended.LastUpdated = "Success", "AWS-HMAC", call.Time.UTC().Format(time.RFC3339)
		writeJSON(w, http.StatusOK, vended)
		return http.StatusOK
	}
	_, _ = io.WriteString(w, text)
	return http.StatusOK
}
