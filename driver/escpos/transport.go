package escpos

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"

	"go.bug.st/serial"
)

// Dial opens the way to a printer. Close must end a Read and a Write that wait.
type Dial func(ctx context.Context) (io.ReadWriteCloser, error)

// dialTimeout is how long a printer may take to accept a connection.
const dialTimeout = 5 * time.Second

// TCP reaches a printer at host:port; network printers listen on port 9100, in
// plain text and for one client at a time. The link must be protected otherwise.
func TCP(addr string) Dial {
	return func(ctx context.Context) (io.ReadWriteCloser, error) {
		d := net.Dialer{Timeout: dialTimeout}
		conn, err := d.DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, fmt.Errorf("reach printer: %w", err)
		}
		return conn, nil
	}
}

// Serial reaches a printer on a serial line with 8 data bits, no parity and one
// stop bit. Its buffer must be larger than a receipt, or the line must have
// hardware handshake: XON and XOFF are understood as answers but not obeyed.
func Serial(path string, baud int) Dial {
	return func(context.Context) (io.ReadWriteCloser, error) {
		port, err := serial.Open(path, &serial.Mode{BaudRate: baud})
		if err != nil {
			return nil, fmt.Errorf("open serial line %s: %w", path, err)
		}
		return port, nil
	}
}
