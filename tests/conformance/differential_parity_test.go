package conformance_test

// parity is a deliberate difference from google-auth in what is asked of Google,
// by the field of the exchange.
type parity struct{ name, field, theirs, ours, why string }

const statistics = "Google's statistics about its own libraries"

func requestDifferences() []parity {
	return []parity{
		{
			name:   "the metadata service is not asked for the zone",
			field:  "GET /latest/meta-data/placement/availability-zone",
			theirs: "map[x-aws-ec2-metadata-token:session]", ours: "",
			why: "a zone without its last letter is not always a region: us-west-2-lax-1a",
		},
		{
			name:   "the metadata service is asked for the region",
			field:  "GET /latest/meta-data/placement/region",
			theirs: "", ours: "map[x-aws-ec2-metadata-token:session]",
			why: "it is beside the zone, which is asked for only where there is none",
		},
		{
			name:   "the scope to impersonate with",
			field:  "1 field scope",
			theirs: "https://www.googleapis.com/auth/iam", ours: cloudPlatform,
			why: "AIP-4117 allows either, and Google's library for Go asks for cloud-platform, too",
		},
		{
			name:   "what IAM is told of the client",
			field:  "2 x-goog-api-client",
			theirs: "auth-request-type/at cred-type/imp", ours: "",
			why: statistics,
		},
		{
			name:   "what Google's OAuth server is told of the client",
			field:  "1 x-goog-api-client",
			theirs: "cred-type/u", ours: "",
			why: statistics,
		},
		{
			name:   "delegates are resource names",
			field:  "2 field delegates",
			theirs: `["a@p-roject.iam.gserviceaccount.com","b@p-roject.iam.gserviceaccount.com"]`,
			ours:   `["projects/-/serviceAccounts/a@p-roject.iam.gserviceaccount.com","projects/-/serviceAccounts/b@p-roject.iam.gserviceaccount.com"]`,
			why:    "IAM Credentials' reference asks for them; google-auth sends what stands in the file",
		},
		{
			name:   "options are encoded once",
			field:  "1 field options",
			theirs: "%7B%22userProject%22%3A%20%22123456%22%7D", ours: `{"userProject":"123456"}`,
			why: "RFC 8693's form has one encoding, and so has Google's library for Go",
		},
		{
			name:   "an impersonation is not billed to the quota project",
			field:  "2 x-goog-user-project",
			theirs: "quota", ours: "",
			why: "the requests that are made with the token are; Google's library for Go does the same",
		},
	}
}
