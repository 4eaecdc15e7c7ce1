package fiscal_test

import (
	"fmt"

	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/journal/proof"
)

func Example() {
	var state fiscal.State
	draft, err := state.Draft(&fiscal.Commission{Shop: shop(), Software: "1.0.0", Key: "till-1/e1+key"})
	if err != nil {
		fmt.Println(err)
		return
	}
	// the journal stages the draft, and gives it a head
	head := &proof.Head{Kind: draft.Kind, Flags: draft.Flags, Numbers: draft.Numbers, Origin: "till-1/e1", Time: 1}
	if err := state.Apply(head, draft.Body); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fiscal.KindName(head.Kind), "next document", state.Next.Document)
	_, err = state.Draft(&fiscal.TrainingMode{On: false})
	fmt.Println(err)
	// Output:
	// commission next document 1
	// training is false already
}
