package record_test

import (
	"fmt"
	"os"
	"strings"

	"github.com/plomb-pos/plomb/xfs4iot/record"
)

// A command with a token: what is written holds no token.
func Example() {
	var file strings.Builder
	w := record.NewWriter(&file, "ws://127.0.0.1:5846/xfs4iot/v1.0/Dispenser")
	w.Frame(true, []byte(`{"header":{"type":"command","name":"CashDispenser.Dispense","requestId":1,"version":"2.0"},"payload":{"token":"NONCE=1"}}`))
	if err := w.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return
	}
	_, frames, err := record.Read(strings.NewReader(file.String()))
	fmt.Println(frames[0].Dir, string(frames[0].Message), err)
	// Output:
	// sent {"header":{"type":"command","name":"CashDispenser.Dispense","requestId":1,"version":"2.0"},"payload":{"token":"***"}} <nil>
}
