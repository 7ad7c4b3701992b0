package fakecloud

import (
	"net/url"
	"strings"
	"testing"
)

// What a client sends is never more than a request to AWS STS.
func FuzzParseAWSSubjectToken(f *testing.F) {
	const good = `{"url":"https://sts.eu-west-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15","method":"POST","headers":[` +
		`{"key":"Authorization","value":"AWS4-HMAC-SHA256 x"},{"key":"host","value":"sts.eu-west-1.amazonaws.com"},` +
		`{"key":"x-amz-date","value":"20240102T030405Z"},{"key":"x-goog-cloud-target-resource","value":"//iam"}],"body":""}`
	if _, err := parseAWSSubjectToken(url.QueryEscape(good)); err != nil {
		f.Fatal(err)
	}
	f.Add(url.QueryEscape(good))
	f.Add(url.PathEscape(good))
	f.Add(strings.Replace(url.QueryEscape(good), "eu-west-1.", "eu-west-1.example%3A443%2F", 1))
	f.Add("%7B%7D")
	f.Fuzz(func(t *testing.T, token string) {
		r, err := parseAWSSubjectToken(token)
		if err != nil {
			return
		}
		if s, known := serviceOfHost(r.URL.Host); !known || s != serviceAWSSTS || r.URL.Scheme != "https" || r.Host != r.URL.Host {
			t.Errorf("it goes to %s with host %s", r.URL, r.Host)
		}
		if r.Method != "POST" || r.URL.Query().Get("Action") != "GetCallerIdentity" || r.Header.Get(targetHeader) == "" {
			t.Errorf("it is %s %s", r.Method, r.URL)
		}
	})
}
