package doctor

import (
	"strings"

	"github.com/wifmint/wifmint/internal/keeper"
	"github.com/wifmint/wifmint/pkg/externalaccount"
)

// names are what stands for the words in braces of a diagnosis, such as {POOL}.
type names map[string]string

// fill puts names in place of the words in braces. A word that is not known stays,
// without its braces, for a person to replace. Names come from AWS's answers and the
// document, and end up in a shell: one with a character that means something there
// is not used.
func (n names) fill(template string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		word, after, closed := strings.Cut(rest, "}")
		if !closed || !consistsOf(word, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") { // JSON, say
			b.WriteByte('{')
			template = rest
			continue
		}
		if name := n[word]; consistsOf(name, shellSafe) {
			word = name
		}
		b.WriteString(word)
		template = after
	}
}

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
	role, _, isSession := cutLast(arn, "/")
	before, name, isRole := strings.Cut(role, ":assumed-role/")
	if !isSession || !isRole {
		return
	}
	n["ROLE"], n["ROLE_NAME"] = role, name
	partition := strings.TrimSuffix(strings.TrimPrefix(before, "arn:"), ":sts::"+account)
	n["ROLE_ARN"] = "arn:" + partition + ":iam::" + account + ":role/" + name
	if n["NUMBER"] != "" && n["POOL"] != "" {
		n["MEMBER"] = "principalSet://iam.googleapis.com/projects/" + n["NUMBER"] + "/locations/global/workloadIdentityPools/" + n["POOL"] + "/attribute.aws_role/" + role
	}
}

func (n names) addTarget(t keeper.Target) {
	n["TARGET"], n["SECRET"], n["ACCOUNT"] = t.Name, t.Secret, t.ServiceAccount
	n["SECRET_ARN"] = t.Secret
	if !strings.HasPrefix(t.Secret, "arn:") && n["REGION"] != "" && n["AWS_ACCOUNT"] != "" {
		// Six characters of AWS's making follow, which a policy's * stands for.
		n["SECRET_ARN"] = "arn:aws:secretsmanager:" + n["REGION"] + ":" + n["AWS_ACCOUNT"] + ":secret:" + t.Secret
	}
	if _, domain, ok := strings.Cut(t.ServiceAccount, "@"); ok {
		n["ACCOUNT_PROJECT"] = strings.TrimSuffix(domain, ".iam.gserviceaccount.com")
	}
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
