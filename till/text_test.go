package till

import (
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

func TestTextsThatDeceiveAreRefused(t *testing.T) {
	for _, s := range []string{
		"Anna\u202egnp", "\u202a", "a\u202b", "a\u202cb", "a\u202db", "\u2066x", "x\u2067", "x\u2068", "x\u2069",
		" ", "\t", "\u00a0\u3000", "\u200b", "\u200b\u200d\u2060\ufeff", "\u3164", "\u2800", "\u0301",
	} {
		if honest(s) || checkName(s) == nil {
			t.Errorf("%q is taken", s)
		}
		args, err := jsontext.AppendQuote([]byte(`{"lines":[{"reason":`), s)
		must(t, err)
		if err := honestArgs(append(args, "}]}"...)); err == nil || toRefusal(err).Code != "bad-text" {
			t.Errorf("%q as an argument: %v", s, err)
		}
	}
	for _, s := range []string{"", "Zoë Müller", "黑麦面包 750 克", "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645", "5 %", "👩\u200d🍳", "\u05e9\u05dc\u05d5\u05dd\u200f!"} {
		if !honest(s) {
			t.Errorf("%q is refused", s)
		}
	}
	if checkName("") == nil {
		t.Error("nobody's name is empty")
	}
	must(t, honestArgs(nil))
}
