package externalaccount

import (
	"net/url"
	"strconv"
	"strings"

	"github.com/wifmint/wifmint/pkg/jsondoc"
	"github.com/wifmint/wifmint/pkg/subjecttoken"
	"github.com/wifmint/wifmint/pkg/supplier"
)

// AWSSource is a credential_source with an environment_id. What is empty was not in the file.
type AWSSource struct {
	// EnvironmentID is "aws1".
	EnvironmentID string
	// RegionalCredVerificationURL may contain {region}; empty means
	// subjecttoken.DefaultVerificationURL.
	RegionalCredVerificationURL string
	// RegionURL, URL and IMDSv2SessionTokenURL are EC2's metadata service.
	RegionURL             string
	URL                   string
	IMDSv2SessionTokenURL string
}

func readAWSSource(v jsondoc.Value, o FileOptions) *AWSSource {
	// cred_verification_url is one that Google's Go library knows and never uses.
	v.Fields("environment_id", "regional_cred_verification_url", "region_url", "url", "imdsv2_session_token_url", "cred_verification_url")
	const wantID = `write "aws1", the one version there is`
	metadata := func(field string) string {
		return readURL(v.Get(field), func(s string) bool { return isMetadataURL(s, o) },
			"write a URL of EC2's metadata service, on http://169.254.169.254 or http://[fd00:ec2::254]")
	}
	return &AWSSource{
		EnvironmentID: v.Get("environment_id").Required(wantID).Matching(func(s string) bool { return s == "aws1" }, wantID),
		RegionalCredVerificationURL: readURL(v.Get("regional_cred_verification_url"), func(s string) bool { return isVerificationURL(s, o) },
			"write "+strconv.Quote(subjecttoken.DefaultVerificationURL)),
		RegionURL:             metadata("region_url"),
		URL:                   metadata("url"),
		IMDSv2SessionTokenURL: metadata("imdsv2_session_token_url"),
	}
}

func (f *File) readAWSRole(v jsondoc.Value) {
	f.AWSRegion = v.Get("aws_region").Matching(supplier.ValidRegion, `write an AWS region, such as "eu-west-1"`)
	role := v.Get("aws_role_arn")
	f.AWSRoleARN = role.Matching(supplier.ValidRoleARN, `write the ARN of a role, such as "arn:aws:iam::123456789012:role/NAME"`)
	session := v.Get("aws_session_name")
	f.AWSSessionName = session.Matching(supplier.ValidSessionName, "write 2 to 64 letters, digits or characters of _+=,.@-")
	if session.Present() {
		role.Required("write the ARN of the role that aws_session_name is for")
	}
}

// isMetadataURL reports whether s is one that supplier.IMDS asks.
func isMetadataURL(s string, o FileOptions) bool {
	u, err := url.Parse(s)
	return err == nil && isHTTP(u) && u.User == nil && (supplier.ValidMetadataURL(u) || o.AllowAnyEndpoint)
}

// isVerificationURL reports whether s is GetCallerIdentity at AWS STS, on the
// host of a region ({region} stands for one) or the global one.
func isVerificationURL(s string, o FileOptions) bool {
	const anyRegion = "us-east-1"
	u, err := url.Parse(strings.ReplaceAll(s, "{region}", anyRegion))
	if err != nil || !isHTTP(u) {
		return false
	}
	path := u.Path == "" || u.Path == "/"
	query := u.Query().Encode() == "Action=GetCallerIdentity&Version=2011-06-15"
	google := u.Scheme == "https" && u.User == nil && u.Fragment == "" && path && query && isAWSSTS(u.Host)
	return google || o.AllowAnyEndpoint
}

// isAWSSTS knows sts and sts-fips, with and without a region, in AWS's domains.
func isAWSSTS(host string) bool {
	service, rest, _ := strings.Cut(host, ".")
	if service != "sts" && service != "sts-fips" {
		return false
	}
	for _, domain := range []string{"amazonaws.com", "amazonaws.com.cn", "amazonaws.eu", "api.aws"} {
		region, regional := strings.CutSuffix(rest, "."+domain)
		if rest == domain || regional && supplier.ValidRegion(region) {
			return true
		}
	}
	return false
}

func isHTTP(u *url.URL) bool {
	return (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}
