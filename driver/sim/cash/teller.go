package cash

// teller is somebody with totals of his own. Totals are minor units by currency.
type teller struct {
	In        string           `json:"in,omitzero"`
	Out       string           `json:"out,omitzero"`
	Received  map[string]int64 `json:"received,omitzero"`
	Dispensed map[string]int64 `json:"dispensed,omitzero"`
}

func (t *teller) dispensed(amounts map[string]int64) { t.Dispensed = plus(t.Dispensed, amounts) }

func (t *teller) received(amounts map[string]int64) { t.Received = plus(t.Received, amounts) }

func plus(sum, more map[string]int64) map[string]int64 {
	out := map[string]int64{}
	for currency, n := range sum {
		out[currency] = n
	}
	for currency, n := range more {
		out[currency] += n
	}
	return out
}
