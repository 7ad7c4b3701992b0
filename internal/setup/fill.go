package setup

import (
	"cmp"
	"strings"

	"github.com/wifmint/wifmint/pkg/jsondoc"
)

// Asker asks a person a question. An empty answer takes the default. Wrong is
// what was the matter with the answer before, "" at first.
type Asker func(q Question, wrong string) (string, error)

// Fill answers the questions, in their order: with what is given by flag, else
// by ask, else by their defaults. Nothing is asked when the flags and the
// defaults are enough. A nil ask is for where nobody can be asked.
//
// It fails with [jsondoc.Problems], all at once, when flags are wrong, or are
// missing and nobody can be asked. An error of ask ends it.
func Fill(questions []Question, given map[string]string, ask Asker) (Answers, error) {
	var a Answers
	var wrong, missing jsondoc.Problems
	for _, q := range questions {
		text := cmp.Or(given[q.Flag], q.Default)
		if text == "" && !q.open(a) {
			continue
		}
		switch want := q.set(&a, text); {
		case want == "":
		case text == "":
			missing = append(missing, jsondoc.Problem{Path: "--" + q.Flag, Found: "nothing", Want: want})
		default:
			wrong = append(wrong, jsondoc.Problem{Path: "--" + q.Flag, Found: jsondoc.Quote(text), Want: want})
		}
	}
	switch {
	case len(wrong)+len(missing) == 0:
		return a, nil
	case len(wrong) > 0 || ask == nil:
		return Answers{}, append(wrong, missing...)
	}
	return interview(questions, given, ask)
}

// interview asks for everything that is not given.
func interview(questions []Question, given map[string]string, ask Asker) (Answers, error) {
	var a Answers
	for _, q := range questions {
		text := given[q.Flag]
		if text != "" {
			if want := q.set(&a, text); want != "" { // next to what was answered before
				return Answers{}, jsondoc.Problems{{Path: "--" + q.Flag, Found: jsondoc.Quote(text), Want: want}}
			}
			continue
		}
		if !q.open(a) {
			continue
		}
		for wrong := ""; ; {
			text, err := ask(q, wrong)
			if err != nil {
				return Answers{}, err
			}
			text = cmp.Or(strings.TrimSpace(text), q.Default)
			if wrong = q.set(&a, text); wrong == "" {
				break
			}
		}
	}
	return a, nil
}

func (q Question) open(a Answers) bool { return q.needed == nil || q.needed(a) }
