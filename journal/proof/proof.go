// Package proof is the mathematics of the journal: what an entry's head looks
// like, how heads become a tree, how a tree's root is signed, and how a
// stranger checks all that without the journal.
//
// Everything here is pure: no files, no clock, no global state. Only the
// standard library and golang.org/x/mod/sumdb are imported, so that a launcher,
// an inspector's tool and a phone app can share it.
//
// The formats, all of them canonical (what parses, encodes to the same bytes):
//
//   - [Head]: the leaf of the tree, at most [MaxHead] bytes, version 1.
//   - [Checkpoint]: c2sp.org/tlog-checkpoint, with one extension line of ours,
//     "leaf <base64>", in the checkpoint that signs a receipt.
//   - [Receipt]: the text of a receipt's QR code; verifies alone and offline.
//   - [Inclusion]: c2sp.org/tlog-proof, whose extra data is the entry's head.
//   - [Policy]: c2sp.org/tlog-policy, the only root of trust; it must come from
//     somewhere else than the data it judges.
//
// Signatures are Ed25519 as in c2sp.org/signed-note (type 0x01); witnesses
// cosign as in c2sp.org/tlog-cosignature (type 0x04). Tree hashes are those of
// RFC 6962, section 2.1.
//
// What is not here: the meaning of kinds, numbers and bodies (package fiscal),
// keeping private keys (package seal), storing entries (package journal).
//
// A receipt is checked in three lines:
//
//	r, err := proof.ParseReceipt(qrText)
//	key, err := proof.ParseVerifier(vkey)
//	head, err := r.Verify(note.VerifierList(key))
package proof
