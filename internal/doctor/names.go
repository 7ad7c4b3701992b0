package doctor

import (
	"cmp"
	"strings"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
)

// names are what stands for the words in braces of a diagnosis, such as {POOL}.
type names map[string]string

// fill puts names in place of the words in braces. A word that is not known stays,
// without its braces, for a person to replace. Names come from AWS's answers and the
// document, and end up in a shell: what means something there is quoted, and where it
// cannot be, as in quotes already, the word stays.
func (n names) fill(template string) string {
	var b strings.Builder
	var at shellState
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		at.read(before)
		if !found {
			return b.String()
		}
		word, after, closed := strings.Cut(rest, "}")
		if !closed || !consistsOf(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") { // JSON, say
			b.WriteByte('{')
			template = rest
			continue
		}
		b.WriteString(at.word(cmp.Or(n[word], word), word))
		template = after
	}
}

// shellState is where in a piece of shell something is written.
type shellState struct {
	quote   rune // zero outside of quotes
	comment bool
	last    rune
}

func (s *shellState) read(text string) {
	for _, r := range text {
		switch {
		case r == '\n' && s.quote == 0:
			s.comment = false
		case s.comment:
		case r == s.quote:
			s.quote = 0
		case s.quote == 0 && (r == '\'' || r == '"'):
			s.quote = r
		case s.quote == 0 && r == '#' && (s.last == 0 || s.last == '\n' || s.last == ' '):
			s.comment = true
		}
		s.last = r
	}
}

// word writes a name so that a shell takes it for part of one word, else instead.
func (s *shellState) word(name, instead string) string {
	switch {
	case len(name) > longestName:
		return instead
	case consistsOf(name, shellSafe):
		return name
	case strings.ContainsFunc(name, func(r rune) bool { return r < ' ' || r > '~' || r == '\'' || r == '"' || r == '\\' }), s.comment, s.quote == '"':
		return instead
	case s.quote == '\'':
		return name
	}
	return shellQuoted(name)
}

func shellQuoted(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// longestName is that of an ARN, in bytes. What is longer is no name, whoever says so.
const longestName = 2048

const shellSafe = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@%+=:,./_-"

// consistsOf reports whether s is not empty and has only characters of set.
func consistsOf(s, set string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !strings.ContainsRune(set, r) })
}

// namesOf are the names that the credential file tells.
func namesOf(f *externalaccount.File) names {
	n := names{"AUDIENCE": f.Audience, "AWS_ROLE_ARN": f.AWSRoleARN}
	n.addAudience(f.Audience)
	return n
}

// addAudience takes apart //iam.googleapis.com/projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER.
func (n names) addAudience(audience string) {
	parts := strings.Split(strings.TrimPrefix(audience, "//"), "/")
	for i := 1; i+1 < len(parts); i += 2 {
		switch parts[i] {
		case "projects":
			n["NUMBER"] = parts[i+1]
		case "workloadIdentityPools":
			n["POOL"] = parts[i+1]
		case "providers":
			n["PROVIDER"] = parts[i+1]
		}
	}
}

// addIdentity tells who AWS says the caller is. A role's path is not in what AWS says.
func (n names) addIdentity(arn, account string) {
	n["ARN"], n["AWS_ACCOUNT"] = arn, account
	if parts := strings.Split(arn, ":"); len(parts) > 1 {
		n["PARTITION"] = parts[1]
	}
	role, _, isSession := cutLast(arn, "/")
	_, name, isRole := strings.Cut(role, ":assumed-role/")
	if !isSession || !isRole {
		return
	}
	n["ROLE"], n["ROLE_NAME"] = role, name
	n["ROLE_ARN"] = "arn:" + n["PARTITION"] + ":iam::" + account + ":role/" + name
	if n["NUMBER"] != "" && n["POOL"] != "" {
		n["MEMBER"] = "principalSet://iam.googleapis.com/projects/" + n["NUMBER"] + "/locations/global/workloadIdentityPools/" + n["POOL"] + "/attribute.aws_role/" + role
	}
}

func (n names) addTarget(t keeper.Target) {
	n["TARGET"], n["SECRET"], n["ACCOUNT"] = t.Name, t.Secret, t.ServiceAccount
	n["SECRET_ARN"] = t.Secret
	if !strings.HasPrefix(t.Secret, "arn:") {
		// Six characters of AWS's making follow. A policy's * in their place would let
		// in more secrets, whose names begin alike.
		n["SECRET_ARN"] = n.arn("secretsmanager", "secret:"+t.Secret+"-??????")
	}
	if _, domain, ok := strings.Cut(t.ServiceAccount, "@"); ok {
		n["ACCOUNT_PROJECT"] = strings.TrimSuffix(domain, ".iam.gserviceaccount.com")
	}
}

// arn is that of something in the identity's own account and region; empty until it
// is known who that is.
func (n names) arn(service, resource string) string {
	if n["PARTITION"] == "" || n["REGION"] == "" || n["AWS_ACCOUNT"] == "" {
		return ""
	}
	return "arn:" + n["PARTITION"] + ":" + service + ":" + n["REGION"] + ":" + n["AWS_ACCOUNT"] + ":" + resource
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
