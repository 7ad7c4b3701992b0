package main

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// What is signed for a token, in the order in which its headers are signed.
const (
	stsHost       = "sts." + region + ".amazonaws.com"
	stsQuery      = "Action=GetCallerIdentity&Version=2011-06-15"
	signedHeaders = "host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource"
	emptySHA256   = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	amzDateFormat = "20060102T150405Z"
)

// signings are the costs of signing alone.
type signings struct{ sdk, hand cost }

// measure adds one repetition.
func (s *signings) measure(ctx context.Context) error {
	sdk, hand := sdkSigner(), handSigner()
	if err := s.sdk.benchmark(ctx, func() error {
		_, err := sdk(ctx, time.Now())
		return err
	}); err != nil {
		return err
	}
	return s.hand.benchmark(ctx, func() error {
		hand(time.Now())
		return nil
	})
}

// rows show what of minting is the AWS SDK's signing, and what would be left of it
// if wifmint signed by hand.
func (s *signings) rows(ours *mints, others []*mints) []row {
	rows := []row{{
		what: "signing, time", ratio: s.hand.seconds.ratio(s.sdk.seconds),
		this: "by hand, this one request only " + s.hand.seconds.in(microseconds),
		that: "AWS SDK, as wifmint " + s.sdk.seconds.in(microseconds),
	}}
	byHand := ours.next.seconds.minus(s.sdk.seconds.minus(s.hand.seconds))
	for _, theirs := range others {
		rows = append(rows, row{
			what: "minting, time, were it signed by hand", ratio: byHand.ratio(theirs.next.seconds),
			this: ours.name + " less what that saves " + byHand.in(microseconds),
			that: theirs.name + " " + theirs.next.seconds.in(microseconds),
		})
	}
	return rows
}

// sdkSigner returns the Authorization header that the AWS SDK's signer makes, as
// wifmint has it made. It keeps the day's key.
func sdkSigner() func(context.Context, time.Time) (string, error) {
	signer := v4.NewSigner()
	credentials := aws.Credentials{AccessKeyID: accessKeyID, SecretAccessKey: secretAccessKey, SessionToken: sessionToken}
	return func(ctx context.Context, at time.Time) (string, error) {
		r, err := http.NewRequest(http.MethodPost, "https://"+stsHost+"?"+stsQuery, nil)
		if err != nil {
			return "", err
		}
		r.Header["X-Goog-Cloud-Target-Resource"] = []string{audience}
		err = signer.SignHTTP(ctx, credentials, r, emptySHA256, "sts", region, at)
		return r.Header.Get("Authorization"), err
	}
}

// handSigner returns the same header, made by what can sign this one request and no
// other. It is what the SDK's signer is measured against, and keeps the day's key too.
func handSigner() func(time.Time) string {
	var day string
	var key []byte
	return func(at time.Time) string {
		date := at.UTC().Format(amzDateFormat)
		scope := date[:8] + "/" + region + "/sts/aws4_request"
		if day != date[:8] {
			day, key = date[:8], []byte("AWS4"+secretAccessKey)
			for _, part := range []string{day, region, "sts", "aws4_request"} {
				key = keyed(key, part)
			}
		}
		request := sha256.Sum256([]byte("POST\n/\n" + stsQuery +
			"\nhost:" + stsHost + "\nx-amz-date:" + date + "\nx-amz-security-token:" + sessionToken +
			"\nx-goog-cloud-target-resource:" + audience + "\n\n" + signedHeaders + "\n" + emptySHA256))
		signature := keyed(key, "AWS4-HMAC-SHA256\n"+date+"\n"+scope+"\n"+hex.EncodeToString(request[:]))
		return "AWS4-HMAC-SHA256 Credential=" + accessKeyID + "/" + scope +
			", SignedHeaders=" + signedHeaders + ", Signature=" + hex.EncodeToString(signature)
	}
}

func keyed(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}
