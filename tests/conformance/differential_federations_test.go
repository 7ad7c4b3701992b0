package conformance_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"math/big"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	workloadAudience  = "//iam.googleapis.com/projects/123456/locations/global/workloadIdentityPools/pool/providers/provider"
	workforceAudience = "//iam.googleapis.com/locations/global/workforcePools/pool/providers/provider"
	impersonationURL  = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/reports@p-roject.iam.gserviceaccount.com:generateAccessToken"
	jwtType           = "urn:ietf:params:oauth:token-type:jwt"
	cloudPlatform     = "https://www.googleapis.com/auth/cloud-platform"
)

// object is a JSON object.
type object = map[string]any

// withFields is a copy with more fields, or, where they are nil, with fewer.
func withFields(of object, more ...object) object {
	c := maps.Clone(of)
	for _, m := range more {
		maps.Copy(c, m)
	}
	maps.DeleteFunc(c, func(_ string, v any) bool { return v == nil })
	return c
}

// awsFile is what gcloud writes for AWS.
func awsFile() object {
	return object{
		"type": "external_account", "audience": workloadAudience,
		"subject_token_type": "urn:ietf:params:aws:token-type:aws4_request",
		"token_url":          "https://sts.googleapis.com/v1/token",
		"credential_source": object{
			"environment_id":                 "aws1",
			"region_url":                     "http://169.254.169.254/latest/meta-data/placement/availability-zone",
			"url":                            "http://169.254.169.254/latest/meta-data/iam/security-credentials",
			"imdsv2_session_token_url":       "http://169.254.169.254/latest/api/token",
			"regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15",
		},
	}
}

// jwtFile is what gcloud writes for an OIDC provider.
func jwtFile(source object) object {
	return object{
		"type": "external_account", "audience": workloadAudience, "subject_token_type": jwtType,
		"token_url": "https://sts.googleapis.com/v1/token", "credential_source": source,
	}
}

// loginFile is what gcloud writes for a person of a workforce pool who logged in.
func loginFile() object {
	return object{
		"type": "external_account_authorized_user", "audience": workforceAudience, "refresh_token": "refresh",
		"client_id": "client", "client_secret": "secret", "quota_project_id": "quota",
		"token_url": "https://sts.googleapis.com/v1/oauthtoken", "token_info_url": "https://sts.googleapis.com/v1/introspect",
	}
}

// googleLoginFile is the same for a person with a Google account.
func googleLoginFile() object {
	return object{
		"type": "authorized_user", "account": "", "refresh_token": "refresh", "client_id": "client", "client_secret": "secret",
		"quota_project_id": "quota", "universe_domain": "googleapis.com",
	}
}

// impersonatedFile is what gcloud writes for someone who impersonates an account.
func impersonatedFile(source object) object {
	return object{
		"type": "impersonated_service_account", "delegates": []string{}, "source_credentials": source,
		"service_account_impersonation_url": impersonationURL,
	}
}

func writeFile(t *testing.T, content string) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func federations(t *testing.T) []federation {
	scopes := []string{cloudPlatform, "https://www.googleapis.com/auth/bigquery"}
	lambda := map[string]string{
		"AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE",
		"AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "AWS_SESSION_TOKEN": "IQoJb3JpZ2luX2VjEXAMPLE/+=",
	}
	text := jwtFile(object{"file": writeFile(t, "a.b.c")})
	executable := map[string]string{"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1", "PATH": os.Getenv("PATH")}
	impersonating := object{"service_account_impersonation_url": impersonationURL}
	imds, imdsNet, imdsFile := metadataService(t)
	return []federation{
		{name: "AWS, keys of the instance", file: imdsFile, net: imdsNet, own: imds, scopes: scopes},
		{name: "AWS, keys of the environment", file: awsFile(), env: lambda, scopes: scopes},
		{name: "AWS, the default region", file: awsFile(), env: withoutRegion(lambda, "us-gov-west-1"), scopes: scopes[:1]},
		{name: "AWS, impersonating", file: withFields(awsFile(), impersonating), env: lambda, scopes: scopes},
		{name: "file, text", file: text, scopes: scopes},
		{name: "file, JSON", file: jwtFile(object{
			"file": writeFile(t, `{"other": 1, "id_token": "a.b.c"}`), "format": object{"type": "json", "subject_token_field_name": "id_token"},
		}), scopes: scopes},
		{name: "url, text", file: jwtFile(object{"url": "http://127.0.0.1:1/token", "headers": object{"Metadata": "True"}}), scopes: scopes,
			net: map[string]reply{"GET http://127.0.0.1:1/token": {Body: "a.b.c"}}},
		{name: "url, JSON", file: jwtFile(object{
			"url": "http://127.0.0.1:1/token?x=y", "format": object{"type": "json", "subject_token_field_name": "access_token"},
		}), scopes: scopes, net: map[string]reply{"GET http://127.0.0.1:1/token?x=y": {Body: `{"access_token":"a.b.c"}`}}},
		{name: "executable, JWT", env: executable, scopes: scopes, file: jwtFile(object{"executable": object{
			"command": "cat " + writeFile(t, `{"version":1,"success":true,"token_type":"`+jwtType+`","id_token":"a.b.c","expiration_time":1800000000}`),
		}})},
		{name: "executable, SAML", env: executable, scopes: scopes, file: withFields(jwtFile(object{"executable": object{
			"command": "cat " + writeFile(t, `{"version":1,"success":true,"token_type":"urn:ietf:params:oauth:token-type:saml2","saml_response":"PHNhbWw+"}`),
		}}), object{"subject_token_type": "urn:ietf:params:oauth:token-type:saml2"})},
		{name: "certificate", scopes: scopes, file: withFields(jwtFile(certificateSource(t)), object{
			"subject_token_type": "urn:ietf:params:oauth:token-type:mtls", "token_url": "https://sts.mtls.googleapis.com/v1/token",
		})},
		{name: "a subject token type of id_token", scopes: scopes, file: withFields(text, object{"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"})},
		{name: "workforce", scopes: scopes, file: withFields(text, object{"audience": workforceAudience})},
		{name: "workforce, user project", scopes: scopes, file: withFields(text, object{"audience": workforceAudience, "workforce_pool_user_project": "123456"})},
		{name: "workforce, user project and client", scopes: scopes, file: withFields(text, object{
			"audience": workforceAudience, "workforce_pool_user_project": "123456", "client_id": "an id", "client_secret": "a secret",
		})},
		{name: "client, with characters of its own", scopes: scopes, file: withFields(text, object{"client_id": "id/+%", "client_secret": "s:e=&é"})},
		{name: "client without a secret", scopes: scopes, file: withFields(text, object{"client_id": "id"})},
		{name: "impersonating", scopes: scopes, file: withFields(text, impersonating)},
		{name: "impersonating for 2000 s", scopes: scopes, file: withFields(text, impersonating, object{"service_account_impersonation": object{"token_lifetime_seconds": 2000}})},
		{name: "quota project", scopes: scopes, file: withFields(text, object{"quota_project_id": "quota"})},
		{name: "quota project, impersonating", scopes: scopes, file: withFields(text, impersonating, object{"quota_project_id": "quota"})},
		{name: "quota project of the environment", scopes: scopes, env: map[string]string{"GOOGLE_CLOUD_QUOTA_PROJECT": "other"}, file: withFields(text, object{"quota_project_id": "quota"})},
		{name: "login of a workforce pool", scopes: scopes, file: loginFile()},
		{name: "login of a Google account", scopes: scopes, file: googleLoginFile()},
		{name: "login with scopes of its own", scopes: scopes, file: withFields(loginFile(), object{"scopes": []string{cloudPlatform}})},
		{name: "login, impersonating", scopes: scopes, file: impersonatedFile(loginFile())},
		{name: "login of a Google account, impersonating through others", scopes: scopes, file: withFields(impersonatedFile(googleLoginFile()), object{
			"delegates": []string{"a@p-roject.iam.gserviceaccount.com", "b@p-roject.iam.gserviceaccount.com"},
		})},
		{name: "login, impersonating, quota project", scopes: scopes, file: withFields(impersonatedFile(withFields(loginFile(), object{"quota_project_id": nil})), object{"quota_project_id": "other"})},
		{name: "another universe", scopes: scopes, file: withFields(text, object{"universe_domain": "u.example", "token_url": "https://sts.u.example/v1/token"}),
			net: map[string]reply{"POST https://sts.u.example/v1/token": {Body: `{"access_token":"federated-token","token_type":"Bearer","expires_in":"3599"}`}}},
	}
}

func withoutRegion(env map[string]string, byDefault string) map[string]string {
	c := maps.Clone(env)
	delete(c, "AWS_REGION")
	c["AWS_DEFAULT_REGION"] = byDefault
	return c
}

// metadataService is EC2's, which asks for a session token, and a credential file
// that names it.
func metadataService(t *testing.T) (own *recorder, net map[string]reply, file object) {
	t.Helper()
	own = &recorder{}
	server := httptest.NewServer(own)
	t.Cleanup(server.Close)
	source := maps.Clone(awsFile()["credential_source"].(object))
	for _, field := range []string{"region_url", "url", "imdsv2_session_token_url"} {
		source[field] = strings.Replace(source[field].(string), "http://169.254.169.254", server.URL, 1)
	}
	own.answers = map[string]reply{
		"PUT " + server.URL + "/latest/api/token":                             {Body: "session"},
		"GET " + server.URL + "/latest/meta-data/placement/availability-zone": {Body: "us-east-2b"},
		"GET " + server.URL + "/latest/meta-data/placement/region":            {Body: "us-east-2"},
		"GET " + server.URL + "/latest/meta-data/iam/security-credentials":    {Body: "minter"},
		"GET " + server.URL + "/latest/meta-data/iam/security-credentials/minter": {Body: `{"Code":"Success","Type":"AWS-HMAC",
			"AccessKeyId":"ASIAIOSFODNN7EXAMPLE","SecretAccessKey":"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY","Token":"IQoJb3JpZ2luX2VjEXAMPLE","Expiration":"2026-09-21T20:00:00Z"}`},
	}
	return own, own.answers, withFields(awsFile(), object{"credential_source": source})
}

// certificateSource is a certificate and its key in files, as a credential_source.
func certificateSource(t *testing.T) object {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Unix(refreshedAt, 0).AddDate(100, 0, 0)}
	cert, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	certPath := writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert})))
	keyPath := writeFile(t, string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	config := asJSON(t, object{"cert_configs": object{"workload": object{"cert_path": certPath, "key_path": keyPath}}})
	return object{"certificate": object{"certificate_config_location": writeFile(t, config)}}
}
