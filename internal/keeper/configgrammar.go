package keeper

import (
	"strings"
	"time"

	"github.com/wifmint/wifmint/pkg/supplier"
)

// What the strings of a config document look like. No regular expressions: they
// would be compiled at every cold start. schema/config.schema.json says the same
// in its patterns, and a test compares them.

const (
	digits  = "0123456789"
	letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
)

// consistsOf reports whether s is not empty and has only characters of set.
func consistsOf(s, set string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) })
}

func isTargetName(s string) bool {
	return len(s) <= 64 && consistsOf(s, digits+letters+"._-") && consistsOf(s[:1], digits+letters)
}

// isSecret knows names and ARNs of secrets.
// https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html
func isSecret(s string) bool {
	if isSecretName(s) {
		return true
	}
	parts := strings.Split(s, ":")
	if len(parts) != 7 {
		return false
	}
	partition, region, account, name := parts[1], parts[3], parts[4], parts[6]
	return parts[0] == "arn" && (partition == "aws" || strings.HasPrefix(partition, "aws-") && consistsOf(partition, letters+"-")) &&
		parts[2] == "secretsmanager" && supplier.ValidRegion(region) && len(account) == 12 && consistsOf(account, digits) &&
		parts[5] == "secret" && isSecretName(name)
}

func isSecretName(s string) bool {
	return len(s) <= 512 && consistsOf(s, digits+letters+"/_+=.@-")
}

// splitSecret tells the region and account that an ARN names, "" for a name,
// and the secret's name. The hyphen and six characters that AWS ends ARNs with
// are taken off. An ARN that was cut short before them (AWS takes those too)
// loses the end of a name such as "db-secret": AWS advises against such names.
func splitSecret(s string) (owner, name string) {
	parts := strings.Split(s, ":")
	if len(parts) != 7 {
		return "", s
	}
	owner, name = parts[3]+":"+parts[4], parts[6]
	if cut := len(name) - len("-AbCdEf"); cut > 0 && name[cut] == '-' && consistsOf(name[cut+1:], digits+letters) {
		name = name[:cut]
	}
	return owner, name
}

// sameSecret reports whether two ways to name a secret mean the same one: its
// name, its ARN, or its ARN without the end that Secrets Manager made.
func sameSecret(a, b string) bool {
	_, aName, aIsARN := strings.Cut(a, ":secret:")
	_, bName, bIsARN := strings.Cut(b, ":secret:")
	switch {
	case aIsARN && bIsARN:
		return a == b || hasEnd(a, b) || hasEnd(b, a)
	case aIsARN:
		return aName == b || hasEnd(aName, b)
	case bIsARN:
		return bName == a || hasEnd(bName, a)
	}
	return a == b
}

// hasEnd reports whether whole is begin with a hyphen and six characters after it.
func hasEnd(whole, begin string) bool {
	return len(whole) == len(begin)+len("-AbCdEf") && strings.HasPrefix(whole, begin+"-")
}

// shorthandName is the name of a target of which only the service account is
// said: its email without the domain that all have, and a dot for the '@', such
// as "reports.p" for reports@p.iam.gserviceaccount.com.
func shorthandName(email string) string {
	short := strings.TrimSuffix(strings.TrimSuffix(email, ".gserviceaccount.com"), ".iam")
	return strings.Replace(short, "@", ".", 1)
}

// isScope knows https URLs and short names such as "openid". Several scopes in
// one string, separated by spaces or commas, are none.
func isScope(s string) bool {
	if rest, ok := strings.CutPrefix(s, "https://"); ok {
		return consistsOf(rest, digits+letters+"!#$%&'()*+-./:;<=>?@[]^_`{|}~") && consistsOf(rest[:1], digits+letters)
	}
	return consistsOf(s, digits+letters+"._-") && consistsOf(s[:1], digits+letters)
}

// isAudience takes visible ASCII: what an audience is, is between Google's
// caller and the receiver.
func isAudience(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

// isLifetime knows whole seconds as Google's API writes durations, "3600s".
func isLifetime(s string) bool {
	number, ok := strings.CutSuffix(s, "s")
	d := parseLifetime(s)
	return ok && consistsOf(number, digits) && number[0] != '0' && minLifetime <= d && d <= maxLifetime
}

// parseLifetime reads what isLifetime accepts; zero for what is no duration.
func parseLifetime(s string) time.Duration {
	d, _ := time.ParseDuration(s)
	return d
}
