package client

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Session keeps a connection to one service, dialling again whenever it ends. It
// repeats no command.
type Session struct {
	URL     string
	Options Options

	// Up is called with each new connection before anyone gets it from Conn; an
	// error from it (the device is not the one expected) ends the connection.
	Up func(ctx context.Context, c *Conn) error
	// Down is called when a connection or an attempt to connect ended, with why.
	Down func(err error)

	Min, Max time.Duration // bounds of the back-off; defaults 200 ms and 30 s

	mu      sync.Mutex    // guards what follows
	current *Conn         // nil while down
	turned  chan struct{} // closed at the next change of current
}

// Run connects and reconnects until ctx ends; Up and Down are called by it, one at
// a time. The wait before an attempt doubles from Min to Max, less a random part of
// up to a half, so that many clients of one device do not come at once.
func (s *Session) Run(ctx context.Context) error {
	for attempt := 0; ctx.Err() == nil; attempt++ {
		up, err := s.once(ctx)
		if up {
			attempt = 0
		}
		if s.Down != nil && err != nil {
			s.Down(err)
		}
		wait(ctx, s.backoff(attempt))
	}
	return nil
}

// once connects and stays until the connection ends; up tells whether it was ever
// handed out.
func (s *Session) once(ctx context.Context) (up bool, err error) {
	dial, cancel := context.WithTimeout(ctx, s.max())
	defer cancel()
	c, err := Dial(dial, s.URL, s.Options)
	if err != nil {
		return false, err
	}
	defer c.Close()
	if s.Up != nil {
		if err := s.Up(ctx, c); err != nil {
			return false, fmt.Errorf("%s: %w", s.URL, err)
		}
	}
	s.set(c)
	defer s.set(nil)
	select {
	case <-ctx.Done():
		return true, ctx.Err()
	case <-c.Done():
		return true, c.Err()
	}
}

// Conn gives the present connection, waiting for one until ctx ends.
func (s *Session) Conn(ctx context.Context) (*Conn, error) {
	for {
		c, turned := s.state()
		if c != nil {
			return c, nil
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%s is not connected: %w", s.URL, ctx.Err())
		case <-turned:
		}
	}
}

func (s *Session) state() (*Conn, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.turned == nil {
		s.turned = make(chan struct{})
	}
	return s.current, s.turned
}

func (s *Session) set(c *Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current = c
	if s.turned != nil {
		close(s.turned)
		s.turned = nil
	}
}

func (s *Session) max() time.Duration {
	if s.Max == 0 {
		return 30 * time.Second
	}
	return s.Max
}

func (s *Session) backoff(attempt int) time.Duration {
	d := s.Min
	if d == 0 {
		d = 200 * time.Millisecond
	}
	for range attempt {
		if d = 2 * d; d >= s.max() {
			d = s.max()
			break
		}
	}
	return d/2 + rand.N(d/2+1)
}

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
