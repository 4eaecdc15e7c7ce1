package bench

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
)

// lines are open connections to a till. A command goes out in one write, and its
// answer is read by who waits for it: [http.Client] hands both to goroutines of
// its own, which costs a third of an append for each command, and it is not the
// client that is measured.
type lines struct {
	mu   sync.Mutex
	free []*line
}

type line struct {
	conn net.Conn
	in   *bufio.Reader
}

func (l *lines) take(address string) (*line, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.free); n > 0 {
		x := l.free[n-1]
		l.free = l.free[:n-1]
		return x, nil
	}
	conn, err := net.Dial("tcp", address)
	if err != nil {
		return nil, err
	}
	return &line{conn, bufio.NewReaderSize(conn, 64<<10)}, nil
}

func (l *lines) give(x *line) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.free = append(l.free, x)
}

// request is a POST of JSON in the session of the screen, as it crosses the wire.
func (s *screen) request(path string, body []byte) []byte {
	head := fmt.Sprintf("POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\nCookie: %s\r\n\r\n",
		path, s.address(), len(body), s.cookie)
	return append([]byte(head), body...)
}

func (s *screen) address() string { return strings.TrimPrefix(s.url, "http://") }

// exchange sends a request and reads what it is answered.
func (s *screen) exchange(request []byte) (status int, text []byte, err error) {
	x, err := s.lines.take(s.address())
	if err != nil {
		return 0, nil, err
	}
	if _, err := x.conn.Write(request); err != nil {
		return 0, nil, err
	}
	resp, err := http.ReadResponse(x.in, nil)
	if err != nil {
		return 0, nil, err
	}
	text = make([]byte, max(0, resp.ContentLength))
	if _, err := io.ReadFull(resp.Body, text); err != nil || resp.ContentLength < 0 {
		return 0, nil, fmt.Errorf("an answer of %d bytes: %w", resp.ContentLength, cmp.Or(err, io.ErrUnexpectedEOF))
	}
	s.lines.give(x)
	return resp.StatusCode, text, nil
}
