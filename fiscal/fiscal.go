// Package fiscal is what the law asks of a till's journal: what each entry
// says, how documents are numbered, how totals run on, and what a stranger can
// check of all that.
//
// It joins the trade (packages sale, drawer, staff) and the proof (package
// journal/proof), and stores nothing itself:
//
//   - [Body]: what an entry says, one Go type a kind ([Kinds]). The JSON form is
//     canonical: whatever [Decode] accepts, [Encode] writes again.
//   - [State]: everything a till needs to go on selling, a pure fold of its
//     entries ([State.Apply]). A snapshot of it is an entry too, so a start
//     reads the last snapshot and what follows.
//   - [State.Draft] and the New functions: from a finished document to an entry
//     with its numbers. Numbers are assigned there and spent by Apply.
//   - [Check]: the same fold for whoever verifies: it finds every entry that
//     does not follow from those before it, and goes on.
//
// Recording and verifying are the same code: a draft is refused for exactly
// what a verifier would find. What it covers: no gap in document, Z and training
// numbers; grand totals before and after each document; lines, taxes and
// tenders that add up; X and Z figures equal to the fold of the entries;
// returns and voids within their originals; flags and numbers in heads equal to
// bodies; snapshots equal to the fold.
//
// Heads hold numbers only. Who did something stands in the body, by id; names
// stand in neither.
//
//	r, err := state.NewReceipt(doc, nil, nil)
//	err = fiscal.SignFor(ctx, country, r)
//	draft, err := state.Draft(r)
//	// stage draft in the journal, which gives head and index
//	err = state.Apply(head, draft.Body)
package fiscal
