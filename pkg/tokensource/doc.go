// Package tokensource reads the Google token that wifmint's functions keep in a
// secret of AWS Secrets Manager, and keeps it in memory for as long as it is good:
//
//	token, err := (&tokensource.Source{Secret: "wifmint/reports"}).Token(ctx)
//
// Keep the [Source], one for each secret: it is what remembers the token. A program
// that calls three audiences has three secrets and three Sources, which share one
// client. The role needs secretsmanager:GetSecretValue on the secret, and
// kms:Decrypt where its key is not AWS's own.
//
// [Source.Client] and [Source.Transport] authenticate HTTP requests, [PerRPC] gRPC
// calls. What golang.org/x/oauth2 and cloud.google.com/go/auth expect is in adapters
// of their own, so that nobody links those libraries who does not use them.
//
// # How old a token may be
//
// How long a token is kept depends on what it has left:
//
//   - More than 225 s: it comes from memory, without a lock, an allocation or a call.
//   - 225 s to 30 s, when it is called stale and the functions are late: it is returned,
//     but every 5 s one caller reads the secret first, for a second at most, and gets
//     the better of the two.
//   - Less than 30 s: all callers wait for one read of AWSCURRENT and, if that is no
//     better, of AWSPREVIOUS. Then they get a token with at least 30 s left, or an
//     *[Error].
//
// The functions replace a token long before: when two thirds of its life are left, unless
// told otherwise. So a program makes one read for each token it uses. It feels no outage
// of Google or the functions that is shorter than what the stored token then has left, and
// none of Secrets Manager of up to 195 s: that is how long it looks for a better token
// while it has a good one.
//
// # What is promised
//
//   - A token that is returned has 30 s left by this machine's clock when it is
//     returned, whatever happened while the caller waited. They are for the request that
//     it is wanted for, and for a clock that is slow by some seconds. A clock that is fast
//     by 20 s costs a token's last 50 s instead of its last 30, which is felt only where
//     nothing has replaced the token for more than half an hour. An expired token would
//     be worse than none: Google refuses it like one that was never good.
//   - One read is under way for any number of callers. Each waits as long as its own
//     context lasts, and none is hurt by another's giving up.
//   - After a read that failed there is none for 5 s from its beginning; who has no good
//     token meanwhile gets that failure, with its age. A read that its callers gave up
//     within a second is not held against Secrets Manager.
//   - A secret that is paused yields no token: neither AWSPREVIOUS nor what is left of the
//     one in memory takes its place. But who has a token that is not yet stale does not
//     read, and so does not learn of a pause until 225 s of it are left.
//   - Nothing runs in the background, so a process may be frozen at any time. Times are
//     compared by the wall clock, which goes on meanwhile.
//   - No token and no AWS credential is part of an error.
//
// # When not to use it
//
// To replace tokens: it only reads. In a program that runs outside AWS, or that may
// federate by itself: package externalaccount makes tokens without a secret in
// between. Where a revoked token must be noticed at once: it is used until it is stale.
package tokensource
