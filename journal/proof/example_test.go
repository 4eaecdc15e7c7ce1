package proof_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"fmt"

	"golang.org/x/mod/sumdb/note"

	"github.com/plomb-pos/plomb/journal/proof"
)

// A till signs the tree that ends with a sale; the customer checks the code on
// the receipt with nothing but the till's public key.
func Example() {
	signer, err := proof.NewEd25519Signer("shop.example/till1/e1", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		panic(err)
	}
	body := []byte(`{"total":"12.50"}`)
	head := proof.Head{
		Kind: 1, Index: 0, Time: 1795000000000, Origin: "shop.example/till1/e1",
		Body: proof.Commit([16]byte{7}, body), BodyLen: uint32(len(body)), Numbers: []proof.Number{{Tag: 1, Value: 1250}},
	}
	leafBytes, err := head.AppendBinary(nil)
	if err != nil {
		panic(err)
	}
	var tree proof.Frontier
	leaf := proof.LeafHash(leafBytes)
	tree.Append(leaf)
	c := proof.Checkpoint{Origin: head.Origin, Size: tree.Size(), Root: tree.Root(), Leaf: &leaf}
	sig, err := signer.Sign(context.Background(), c)
	if err != nil {
		panic(err)
	}
	receipt, err := proof.NewReceipt(leafBytes, c, signer.KeyHash(), sig)
	if err != nil {
		panic(err)
	}
	qr := receipt.Encode()

	// The customer's side.
	scanned, err := proof.ParseReceipt(qr)
	if err != nil {
		panic(err)
	}
	key, err := proof.ParseVerifier(signer.Verifier().String())
	if err != nil {
		panic(err)
	}
	got, err := scanned.Verify(note.VerifierList(key))
	if err != nil {
		panic(err)
	}
	total, _ := got.Number(1)
	fmt.Println(qr[:7], len(qr), "characters")
	fmt.Println("entry", got.Index, "of", got.Origin, "total", total)
	// Output:
	// PLOMB1: 345 characters
	// entry 0 of shop.example/till1/e1 total 1250
}

// A policy says who is believed, and how many witnesses it takes.
func ExamplePolicy_Verify() {
	till, _ := proof.NewEd25519Signer("shop.example/till1/e1", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{1}, 32)))
	hub, _ := proof.NewCosigner("hub.example", ed25519.NewKeyFromSeed(bytes.Repeat([]byte{2}, 32)))
	policy, err := proof.ParsePolicy([]byte(
		"log " + till.Verifier().String() + "\n" +
			"witness hub " + hub.Verifier().String() + "\n" +
			"quorum hub\n"))
	if err != nil {
		panic(err)
	}

	c := proof.Checkpoint{Origin: "shop.example/till1/e1", Size: 1, Root: proof.LeafHash([]byte("a head"))}
	sig, _ := till.Sign(context.Background(), c)
	signed := proof.Note(c, c.Origin, till.KeyHash(), sig)
	_, err = policy.Verify(signed)
	fmt.Println(err)

	cosig, _ := hub.Sign(c, 1795000000)
	signed = proof.AddSignature(signed, "hub.example", hub.Verifier().KeyHash(), cosig)
	e, err := policy.Verify(signed)
	fmt.Println(e.Log.Name(), e.Witnesses[0].Witness, err)
	// Output:
	// checkpoint of shop.example/till1/e1 at 1: quorum of witnesses not met
	// shop.example/till1/e1 hub <nil>
}

// A frontier appends without the tree; what it completes can be stored for proofs.
func ExampleFrontier_Append() {
	var f proof.Frontier
	for i := range 4 {
		stored := f.Append(proof.LeafHash([]byte{byte(i)}))
		fmt.Print(len(stored), " ")
	}
	fmt.Println(f.Size(), len(f.Hashes()))
	// Output: 1 2 1 3 4 1
}
