package fiscal

import "github.com/plomb-pos/plomb/journal/proof"

// Empty is an empty body of a kind.
func Empty(k proof.Kind) Body {
	r, _ := lookup(k)
	return r.make()
}
