package devices

import (
	"context"
	"errors"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/barcodereader"
	"github.com/plomb-pos/plomb/xfs4iot/client"
)

// maxCode is the longest code that is passed on, in bytes: a receipt's code has
// about 400 characters.
const maxCode = 2048

// scan asks the scanner for the next code, for ever.
func (s *Set) scan(ctx context.Context) {
	for ctx.Err() == nil {
		conn, err := s.scanner.session.Conn(ctx)
		if err != nil {
			return // ctx has ended
		}
		out, err := client.Do(ctx, conn, barcodereader.Read, &barcodereader.ReadCommand{})
		if err != nil {
			s.config.Log.Info("scan ended", "err", err)
			pause(ctx, retryPause(err))
			continue
		}
		for _, item := range out.ReadOutput {
			s.scanned(item.BarcodeData)
		}
	}
}

func (s *Set) scanned(data []byte) {
	code := strings.TrimRight(string(data), "\r\n\t ")
	if code == "" || len(code) > maxCode || !utf8.ValidString(code) || strings.ContainsFunc(code, func(r rune) bool { return r < ' ' }) {
		s.config.Log.Warn("scanned code is not text", "bytes", len(data))
		return
	}
	if s.events.Scanned != nil {
		s.events.Scanned(code)
	}
}

// retryPause is long after refusals, so that a scanner that refuses at once is
// not asked in a tight loop, and short after the ordinary end of a wait.
func retryPause(err error) time.Duration {
	var said *xfs4iot.Error
	if errors.As(err, &said) && said.Code == xfs4iot.TimeOut {
		return 0
	}
	return time.Second
}

func pause(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
