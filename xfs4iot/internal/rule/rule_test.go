package rule_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/auxiliaries"
	"github.com/plomb-pos/plomb/xfs4iot/cashdispenser"
	"github.com/plomb-pos/plomb/xfs4iot/common"
	"github.com/plomb-pos/plomb/xfs4iot/german"
	"github.com/plomb-pos/plomb/xfs4iot/internal/rule"
	"github.com/plomb-pos/plomb/xfs4iot/keyboard"
	"github.com/plomb-pos/plomb/xfs4iot/printer"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"

	"github.com/go-json-experiment/json"
)

// Requirement: XFS-01
func TestBoundsPatternsAndEnumsOfTheDescriptionAreChecked(t *testing.T) {
	good := "NONCE=0A,TOKENFORMAT=1,TOKENLENGTH=0164,DISPENSE1=1.00EUR,HMACSHA256=" + strings.Repeat("A1", 32)
	for _, row := range []struct {
		name string
		p    xfs4iot.Payload
		want string // part of the problem, empty for none
	}{
		{"offset below 0", printer.PrintFormCommand{OffsetX: new(-1)}, "offsetX: -1 is below 0"},
		{"offset 0", printer.PrintFormCommand{OffsetX: new(0)}, ""},
		{"unknown enum", printer.PrintFormCommand{Alignment: "middle"}, `alignment: "middle"`},
		{"token", cashdispenser.DispenseCommand{Token: good}, ""},
		{"token with a space", cashdispenser.DispenseCommand{Token: strings.Replace(good, "1.00", "1 00", 1)}, "printable ASCII"},
		{"token too long", cashdispenser.DispenseCommand{Token: strings.Replace(good, "1.00", strings.Repeat("1", 1024), 1)}, "more than 1024"},
		{"token with lower-case HMAC", cashdispenser.DispenseCommand{Token: strings.ToLower(good)}, "does not match"},
		{"doubled backslash corrected", german.SetHSMTDataCommand{OnlineDateAndTime: "20260131235959"}, ""},
		{"not a time", german.SetHSMTDataCommand{OnlineDateAndTime: "20261331235959"}, "does not match"},
		{"key of the terminal", textterminal.ReadCommand{NumOfChars: new(1), Mode: "relative", PosX: new(0), PosY: new(0), EchoMode: "text", EchoAttr: &textterminal.ReadCommandEchoAttr{}, Visible: new(true), Flush: new(true), AutoEnd: new(true), ActiveKeys: []string{"x", "seven"}}, ""},
		{"digit as key", textterminal.ReadCommand{ActiveKeys: []string{"7"}}, `activeKeys: [0]: "7"`},
		{"missing in a command", textterminal.ReadCommand{}, "is missing"},
		{"key length", keyboard.SecureKeyEntryCommand{KeyLen: new(keyboard.SecureKeyEntryCommandKeyLen(17))}, "17 is not a known value"},
		{"interface name", common.Interface{Name: "cardReader"}, `name: "cardReader"`},
	} {
		err := row.p.Validate()
		if (err == nil) != (row.want == "") || err != nil && !strings.Contains(err.Error(), row.want) {
			t.Errorf("%s: Validate = %v, want %q", row.name, err, row.want)
		}
	}
}

func TestSpellingsOfTheReferenceAreReadAndNotWritten(t *testing.T) {
	for _, row := range []struct {
		p        xfs4iot.Payload
		in, want string
	}{
		{new(common.Interface), `{"name":"cardReader"}`, `{"name":"CardReader"}`},
		{new(auxiliaries.SystemTime), `{"dayOfWeek":"friday"}`, `{"dayOfWeek":"Friday"}`},
		{new(auxiliaries.Status), `{"ups":{}}`, `{"UPS":{}}`},
		{new(keyboard.SecureKeyEntryCommand), `{"keyLen":"number48"}`, `{"keyLen":48}`},
		{new(keyboard.SecureKeyEntryCommand), `{"keyLen":16}`, `{"keyLen":16}`},
	} {
		if err := json.Unmarshal([]byte(row.in), row.p); err != nil {
			t.Errorf("%s: %v", row.in, err)
		}
		if got, _ := json.Marshal(row.p); string(got) != row.want {
			t.Errorf("%s became %s, want %s", row.in, got, row.want)
		}
	}
}

func TestManyProblemsGiveAShortText(t *testing.T) {
	var c rule.Fields
	for range 1000 {
		c.Add("field", errors.New(strings.Repeat("x", 50)))
	}
	if text := c.Err().Error(); len(text) > 1000 || !strings.Contains(text, "and 992 more") {
		t.Errorf("%d characters: %s", len(text), text)
	}
}
