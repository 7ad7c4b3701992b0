package awsquery

import "testing"

func TestParseRefusal(t *testing.T) {
	t.Parallel()
	refusal := func(code, message string) string {
		return `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>` + code + `</Code><Message>` + message +
			`</Message></Error><RequestId>1</RequestId></ErrorResponse>`
	}
	for name, tc := range map[string]struct {
		body string
		want Refusal // zero for none
	}{
		"a refusal":                       {refusal("AccessDenied", "a &lt;b&gt;"), Refusal{"AccessDenied", "a <b>", false}},
		"one without a message":           {refusal("AccessDenied", ""), Refusal{"AccessDenied", "", false}},
		"throttling":                      {refusal("Throttling", "Rate exceeded"), Refusal{"Throttling", "Rate exceeded", true}},
		"a timeout":                       {refusal("RequestTimeout", "slow"), Refusal{"RequestTimeout", "slow", true}},
		"one with the signed request":     {refusal("SignatureDoesNotMatch", "No match. The Canonical String was 'x-amz-security-token:SECRET'"), Refusal{"SignatureDoesNotMatch", "No match. ", false}},
		"one without a code":              {refusal("", "m"), Refusal{}},
		"one that breaks off":             {refusal("Throttling", "m")[:120], Refusal{}},
		"an answer that is not a refusal": {`<AssumeRoleResponse><Error><Code>Throttling</Code></Error></AssumeRoleResponse>`, Refusal{}},
		"a page of a proxy":               {"<html><body>Throttling</body></html>", Refusal{}},
		"nothing":                         {"", Refusal{}},
	} {
		got, ok := ParseRefusal([]byte(tc.body))
		if got != tc.want || ok != (tc.want.Code != "") {
			t.Errorf("%s: got %+v, %v", name, got, ok)
		}
	}
}
