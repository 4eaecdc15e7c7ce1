// Command plomb-token lets plomb release sign with keys on PKCS#11 tokens. It is a
// program of its own because a token's library is foreign code in C: plomb itself is
// built without cgo, statically and reproducibly, and no such library is ever loaded
// into the process that holds other keys.
//
// It reads one order (package keeper, Order) from standard input, carries it out and
// writes one answer to standard output. The PIN comes with the order, so it stands
// neither among arguments nor in the environment. Exit code 1 with words on standard
// error: it was not carried out.
//
//	CGO_ENABLED=1 go build ./cmd/plomb-token
package main

import (
	"fmt"
	"io"
	"os"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/update/keeper"
)

// maxOrder bounds an order, in bytes: it holds one message to sign.
const maxOrder = 32 << 20

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%v\n", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	text, err := io.ReadAll(io.LimitReader(in, maxOrder))
	if err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	var o keeper.Order
	if err := json.Unmarshal(text, &o, json.RejectUnknownMembers(true)); err != nil {
		return fmt.Errorf("read the order: %w", err)
	}
	a, err := carryOut(o)
	if err != nil {
		return err
	}
	answer, err := json.Marshal(a)
	if err != nil {
		return err
	}
	_, err = out.Write(append(answer, '\n'))
	return err
}
