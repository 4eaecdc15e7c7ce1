package till

import (
	"slices"
	"strconv"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/staff"
)

// shown is what each answer and event shows again of the shop's profile, with its
// JSON form: half of the state, and the same until the profile changes. Owned by
// the book; the zero value is ready.
type shown struct {
	shop   *ShopState
	rights map[staff.Role]rights
}

// rights are what a role may do; they are shared and must not be changed.
type rights struct {
	answers map[string]staff.Answer
	text    jsontext.Value
}

// forget makes everything be made again, after entries that change the profile.
func (s *shown) forget(bodies []fiscal.Body) {
	for _, b := range bodies {
		switch b.(type) {
		case *fiscal.ConfigChange, *fiscal.TaxChange:
			*s = shown{}
		}
	}
}

func (n *Node) shopState() ShopState {
	if n.shown.shop == nil {
		made := newShopState(&n.state.Shop)
		made.text = encoded(made)
		n.shown.shop = &made
	}
	return *n.shown.shop
}

func (n *Node) mayAll(role staff.Role) (map[string]staff.Answer, jsontext.Value) {
	r, ok := n.shown.rights[role]
	if !ok {
		r.answers = newRights(n.state.Shop.Roles, role)
		r.text = encoded(r.answers)
		if n.shown.rights == nil {
			n.shown.rights = map[staff.Role]rights{}
		}
		n.shown.rights[role] = r
	}
	return r.answers, r.text
}

// encoded is v in JSON, nil where it has none; then it is tried again, and fails,
// with the whole state.
func encoded(v any) jsontext.Value {
	text, err := json.Marshal(v, json.Deterministic(true))
	if err != nil {
		return nil
	}
	return text
}

// AppendJSON appends the state in JSON, with the forms that were made before.
func (s State) AppendJSON(dst []byte) ([]byte, error) {
	if s.Session == nil || s.Shop.text == nil || s.Session.may == nil {
		text, err := json.Marshal(s, json.Deterministic(true))
		return append(dst, text...), err
	}
	person, err := json.Marshal(s.Session.Person, json.Deterministic(true))
	if err != nil {
		return dst, err
	}
	dst = append(append(dst, `{"shop":`...), s.Shop.text...)
	dst = append(append(dst, `,"session":{"person":`...), person...)
	dst = strconv.AppendBool(append(dst, `,"locked":`...), s.Session.Locked)
	dst = append(append(append(dst, `,"may":`...), s.Session.may...), "},"...)
	rest, err := json.Marshal(struct {
		State
		Shop    *struct{} `json:"shop,omitzero"`    // instead of the state's
		Session *struct{} `json:"session,omitzero"` // likewise
	}{State: s}, json.Deterministic(true))
	if err != nil {
		return dst, err
	}
	return append(dst, rest[1:]...), nil
}

func newShopState(shop *fiscal.Shop) ShopState {
	out := ShopState{
		Name: shop.Name, Country: shop.Country, Currency: shop.Currency, Exponent: shop.Currency.Exponent(), Language: shop.Language,
		Languages: slices.Clone(Languages), Zone: zone(shop).String(), CashRounding: max(1, shop.CashStep), Tenders: []string{}, Currencies: currenciesOf(shop),
		QuickCash: list(shop.QuickCash), Denominations: denominations(shop.Currency),
	}
	for _, t := range shop.Tenders {
		out.Tenders = append(out.Tenders, string(t))
	}
	return out
}

// newRights answers the staff table for every command; where that depends on the
// arguments, for the usual ones.
func newRights(roles staff.Book, role staff.Role) map[string]staff.Answer {
	out := map[string]staff.Answer{}
	for name, c := range commands {
		op := c.op
		switch name {
		case "basket.discount":
			op = staff.Discount
		case "people.add", "people.change":
			op = staff.PeopleChange
		case "people.pin":
			op = staff.OwnPIN
		}
		out[name] = roles.Allowed(role, op).Answer
	}
	for name, op := range questionRights {
		out[name] = roles.Allowed(role, op).Answer
	}
	return out
}
