package sale

import (
	"github.com/go-json-experiment/json"
)

// Encode writes a basket as JSON: the same basket gives the same bytes.
func Encode(b *Basket) ([]byte, error) {
	data, err := json.Marshal(b, json.Deterministic(true))
	if err != nil {
		return nil, because(CodeMalformed, "encode basket", err)
	}
	return data, nil
}

// Decode reads what Encode wrote. Unknown and doubled fields are refused, and
// so is a basket that [Basket.Validate] finds fault with.
func Decode(data []byte) (*Basket, error) {
	b := new(Basket)
	if err := json.Unmarshal(data, b, json.RejectUnknownMembers(true)); err != nil {
		return nil, because(CodeMalformed, "decode basket", err)
	}
	if err := b.Validate(); err != nil {
		return nil, err
	}
	return b, nil
}
