package pcsc_test

import (
	"context"
	"fmt"

	"github.com/plomb-pos/plomb/driver/pcsc"
)

// Eight random bytes from the card in the first reader.
func Example() {
	ctx := context.Background()
	c, err := pcsc.Dial(ctx, "/run/no-daemon/pcscd.comm")
	if err != nil {
		fmt.Println("no daemon here")
		return
	}
	defer c.Close()
	readers, err := c.Readers(ctx)
	if err != nil || len(readers) == 0 {
		return
	}
	card, err := c.Connect(ctx, readers[0].Name, pcsc.Shared, pcsc.T0|pcsc.T1)
	if err != nil {
		return
	}
	answer, err := card.Transmit(ctx, []byte{0x00, 0x84, 0x00, 0x00, 0x08})
	fmt.Printf("% X %v\n", answer, err)
	// Output: no daemon here
}
