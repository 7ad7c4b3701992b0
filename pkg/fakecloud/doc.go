// Package fakecloud is the part of AWS and Google that token federation talks
// to, served in-process: for AWS, STS, Secrets Manager, the container
// credentials endpoint and EC2 instance metadata; for Google, STS, IAM Service
// Account Credentials and tokeninfo.
//
// It is for tests of code that federates from AWS to Google or that keeps
// secrets, whether or not that code is this project's: it imports nothing but
// the standard library. It is not for anything that must be kept secret: every
// value is in memory in the clear, and with no AWS key made known Secrets
// Manager lets everyone in.
//
// # In your tests
//
// A [Cloud] is an HTTP transport (net/http.RoundTripper) that finds the service by the
// request's host, so code under test keeps its real URLs:
//
//	cloud := fakecloud.New(fakecloud.Options{})
//	cloud.PutSecret("wifmint/reports", "a token")
//	client := secretsmanager.New(secretsmanager.Options{
//		Region:      "us-east-1",
//		Credentials: credentials.NewStaticCredentialsProvider("AKIAEXAMPLE", "secret", ""),
//		HTTPClient:  &http.Client{Transport: cloud},
//	})
//
// The caller's goroutine does the work and time is the time package's, so this
// also holds inside a [testing/synctest] bubble, where an hour's hang takes no time.
//
// A process that can only be given URLs, such as a Lambda function's binary,
// is served over loopback:
//
//	server, err := cloud.Serve()
//	defer server.Close()
//	env := "AWS_ENDPOINT_URL_SECRETS_MANAGER=" + server.Endpoints().SecretsManager
//
// [Cloud.Handler] is the same for a server of your own, and [EndpointsAt]
// tells the URLs. In-process, those work with "http://localhost" as the base.
//
// A federation needs someone to trust: [Cloud.AddAWSKey] makes an AWS identity,
// [Cloud.AddProvider] a workload identity provider that believes its account,
// [Cloud.AddServiceAccount] a service account that the identity may impersonate.
//
// What happened is told by [Cloud.Calls], [Cloud.Count] and, as it happens,
// [Cloud.OnCall]; what there is now by [Cloud.Secret] and [Cloud.IssuedTokens].
//
// # Faults
//
// [Cloud.Fault] makes chosen calls fail, hang, break off, come late, or carry a
// wrong clock. What a retry has to survive most is a failure after the
// effect:
//
//	cloud.Fault(fakecloud.Fault{
//		Service: "secretsmanager", Operation: "PutSecretValue",
//		Times: 1, Status: 503, AfterEffect: true,
//	})
//
// Refusals that are no accidents are rules of the account: [Cloud.Deny],
// [Cloud.DenyKMS], [Cloud.LimitWrites], [Cloud.RevokeAWSKey].
//
// # What is checked
//
// AWS STS verifies the SigV4 signature, its date (15 minutes either way), its
// scope and the list of signed headers of each request. Google STS unpacks the
// AWS subject token, compares audience and x-goog-cloud-target-resource with
// the provider, and has that AWS STS verify the request inside, as one more
// call on record. IAM Credentials asks for a token that Google STS or itself
// issued to someone who may impersonate, for lifetimes, scopes and delegates
// that are allowed.
//
// Secrets Manager, from the moment a key is known, verifies signatures too, and
// keeps the rules that a writer of tokens lives by:
//
//   - A ClientRequestToken of 32 to 64 characters is the id of one version: the
//     same value again is no new version, another is a ResourceExistsException.
//     UpdateSecret refuses either.
//   - A staging label sits on one version, at most 20 on all. AWSPREVIOUS
//     follows AWSCURRENT, which is moved only by naming the version it is on, and
//     never removed. AWSPENDING stays where it is when its version becomes the
//     current one, and goes when that stops being current.
//   - Versions without a label go when there are more than 100, never before
//     they are 24 hours old. The 151st is a LimitExceededException: AWS calls a
//     put every 10 minutes sustainable, which is 144 versions a day.
//   - A value has 1 to 65,536 bytes.
//   - An ARN ends in six characters of its own; without them it finds the
//     secret as well, unless the name itself ends like that.
//   - A deleted secret can be restored for 7 to 30 days, during which it cannot
//     be read and its name not used. A secret may exist without a value.
//   - BatchGetSecretValue reads up to 20 secrets and tells for each one that it
//     cannot read why.
//   - Rotation marks an empty AWSPENDING version and has a function of yours
//     ([Cloud.SetRotationFunction]) do the rest; one that was not finished
//     blocks the next.
//
// Codes and messages are AWS's where an answer of AWS is on public record or
// its documentation quotes one. Made up, but with AWS's code: the message of a
// LimitExceededException, and what UpdateSecretVersionStage says when
// RemoveFromVersionId names another version or MoveToVersionId none.
//
// # What is not
//
// All regions are one; an ARN has that of Options. IAM policies are not
// evaluated: what [Cloud.Deny] does not name is allowed. KMS encrypts nothing.
// A read sees every earlier write, while AWS may take a moment. Missing are
// resource policies, replication, random passwords, SortOrder, filters but
// name, description, tag-key and tag-value, and rotation by the calendar. An
// operation that AWS has and the fake has not is answered with status 501 and
// NotInFakeCloud, never with a guess.
//
// # The same again
//
// Whatever looks random comes from Options.Seed, and the time from
// Options.Now, so that a failing test fails again.
package fakecloud
