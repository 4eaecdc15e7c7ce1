package devices

import (
	"context"
	"slices"

	"github.com/plomb-pos/plomb/xfs4iot/client"
	"github.com/plomb-pos/plomb/xfs4iot/textterminal"
)

// Show puts lines on the customer display. It does not wait: the newest text
// wins, and a display that comes back is told what it missed.
func (s *Set) Show(lines ...string) {
	for {
		select {
		case s.screen <- lines:
			return
		default:
		}
		select {
		case <-s.screen: // make room
		default:
		}
	}
}

// show writes the newest text to the display whenever there is one.
func (s *Set) show(ctx context.Context) {
	var lines []string
	var last *client.Conn
	for {
		conn, err := s.display.session.Conn(ctx)
		if err != nil {
			return // ctx has ended
		}
		if conn == last || lines == nil {
			select {
			case lines = <-s.screen:
			case <-conn.Done():
				last = nil
				continue
			case <-ctx.Done():
				return
			}
		}
		last = conn
		if err := s.write(ctx, conn, lines); err != nil {
			s.config.Log.Info("display", "err", err)
			last = nil
			pause(ctx, retryPause(err))
		}
	}
}

func (s *Set) write(ctx context.Context, conn *client.Conn, lines []string) error {
	if _, err := client.Do(ctx, conn, textterminal.ClearScreen, &textterminal.ClearScreenCommand{}); err != nil {
		return err
	}
	for y, text := range slices.All(lines) {
		x, row := 0, y
		req := &textterminal.WriteCommand{Mode: textterminal.ModesAbsolute, PosX: &x, PosY: &row, Text: text}
		if _, err := client.Do(ctx, conn, textterminal.Write, req); err != nil {
			return err
		}
	}
	return nil
}
