package fakecloud

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"strings"
	"sync"
	"time"
)

// The issuers of the cloud's tokens.
const (
	awsIssuer    = "https://0f1e2d3c-fake.tokens.sts.global.api.aws"
	googleIssuer = "https://accounts.google.com"
)

// The signing keys are made when they are first used and shared by all clouds
// of the process: making an RSA key takes longer than most tests.
var (
	rsaKey = sync.OnceValue(func() *rsa.PrivateKey {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			panic(err)
		}
		return key
	})
	ecKey = sync.OnceValue(func() *ecdsa.PrivateKey {
		key, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			panic(err)
		}
		return key
	})
)

// keyIDs are the "kid" of the keys, by algorithm.
var keyIDs = map[string]string{"RS256": "fakecloud-rs256", "ES384": "fakecloud-es384"}

// signJWT makes a JWT of claims, a JSON object. alg is "RS256" or "ES384".
func signJWT(alg string, claims []byte) string {
	header := `{"alg":"` + alg + `","kid":"` + keyIDs[alg] + `","typ":"JWT"}`
	signed := base64.RawURLEncoding.EncodeToString([]byte(header)) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature := signRS256
	if alg == "ES384" {
		signature = signES384
	}
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature([]byte(signed)))
}

func signRS256(message []byte) []byte {
	sum := sha256.Sum256(message)
	signature, err := rsa.SignPKCS1v15(nil, rsaKey(), crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return signature
}

// signES384 returns r and s side by side, each of 48 bytes (RFC 7518, 3.4).
func signES384(message []byte) []byte {
	sum := sha512.Sum384(message)
	r, s, err := ecdsa.Sign(rand.Reader, ecKey(), sum[:])
	if err != nil {
		panic(err)
	}
	signature := make([]byte, 96)
	r.FillBytes(signature[:48])
	s.FillBytes(signature[48:])
	return signature
}

var errJWT = errors.New("the token is not a JWT of this fake cloud, or it has expired")

// jwt is a verified JWT: numbers of its claims are json.Number.
type jwt struct {
	alg, kid string
	claims   map[string]any
}

// verifyJWT accepts an unexpired JWT that signJWT made for an issuer.
func verifyJWT(token, issuer string, now time.Time) (jwt, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return jwt{}, errJWT
	}
	var header struct{ Alg, Kid string }
	var claims map[string]any
	signature, err := base64.RawURLEncoding.DecodeString(parts[2])
	if err != nil || !decodeSegment(parts[0], &header) || !decodeSegment(parts[1], &claims) {
		return jwt{}, errJWT
	}
	if !signatureHolds(header.Alg, []byte(parts[0]+"."+parts[1]), signature) {
		return jwt{}, errJWT
	}
	exp, _ := claims["exp"].(json.Number)
	expires, err := exp.Int64()
	if err != nil || claims["iss"] != issuer || now.Unix() >= expires {
		return jwt{}, errJWT
	}
	return jwt{alg: header.Alg, kid: header.Kid, claims: claims}, nil
}

func decodeSegment(segment string, into any) bool {
	raw, err := base64.RawURLEncoding.DecodeString(segment)
	if err != nil {
		return false
	}
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	return decoder.Decode(into) == nil
}

func signatureHolds(alg string, message, signature []byte) bool {
	switch alg {
	case "RS256":
		sum := sha256.Sum256(message)
		return rsa.VerifyPKCS1v15(&rsaKey().PublicKey, crypto.SHA256, sum[:], signature) == nil
	case "ES384":
		sum := sha512.Sum384(message)
		return len(signature) == 96 && ecdsa.Verify(&ecKey().PublicKey, sum[:],
			new(big.Int).SetBytes(signature[:48]), new(big.Int).SetBytes(signature[48:]))
	}
	return false
}
