package till

import (
	"testing"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
)

// What entries say is words in every language, not the codes that they hold.
func TestEntriesAreSaidInWords(t *testing.T) {
	for _, tt := range []struct {
		body fiscal.Body
		want map[string]string
	}{
		{&fiscal.UserChange{Person: "9", What: "shut-out"}, map[string]string{"en": "Person changed: 9 shut out: the till knows an old PIN only"}},
		{&fiscal.UserChange{Person: "9", What: "pin"}, map[string]string{"de": "Person geändert: 9 neue PIN"}},
		{&fiscal.AuthFail{For: "step-up", Failures: 2}, map[string]string{"en": "Wrong PIN: approving, 2", "zh": "密码错误: 授权, 2"}},
		{&fiscal.DeviceState{Device: "ReceiptPrinter", State: "attention", Cause: "paper-out"}, map[string]string{"en": "Device: ReceiptPrinter needs attention no paper"}},
		{&fiscal.DeviceState{Device: "X", State: "down", Cause: "something new"}, map[string]string{"en": "Device: X down something new"}},
		{&fiscal.Outcome{Result: fiscal.Unknown}, map[string]string{"en": "Outcome: nobody can tell"}},
		{&fiscal.Refused{Operation: "basket.scan", Reason: "and-17-more"}, map[string]string{"en": "Refused: 17 more"}},
		{&fiscal.PriceChange{SKU: "BRD-01", Old: 3_490_000, New: 3_990_000}, map[string]string{"en": "Price changed: BRD-01 3.49 → 3.99"}},
	} {
		body, err := fiscal.Encode(tt.body)
		must(t, err)
		for language, want := range tt.want {
			e := journal.Entry{Head: &proof.Head{Kind: tt.body.Kind()}, Body: body}
			if got := wordsOf(e, asker{language: language}); got != want {
				t.Errorf("%s in %s is said as %q, want %q", body, language, got, want)
			}
		}
	}
	for _, result := range []fiscal.Result{fiscal.Done, fiscal.Failed, fiscal.Unknown, fiscal.DoneSaid, fiscal.FailedSaid} {
		if known("en", "result-", string(result)) == string(result) && result != fiscal.Done && result != fiscal.Failed {
			t.Errorf("result %s has no words", result)
		}
	}
}
