package seal

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"net"

	"github.com/plomb-pos/plomb/journal/proof"
)

// Serve answers signing requests for one origin on l, until ctx ends. Who may
// connect is decided by l: a Unix socket in a directory that only the till's user can enter.
func Serve(ctx context.Context, l net.Listener, origin string, signer proof.Signer) error {
	s := &service{origin, NewGuard(signer)}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("serve signer: %w", err)
		}
		go s.serve(ctx, conn)
	}
}

type service struct {
	origin string
	signer proof.Signer
}

// serve answers one connection until it ends, or says something that is no frame.
func (s *service) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	in, buf, out := bufio.NewReader(conn), make([]byte, 0, 512), make([]byte, 0, 512)
	for {
		ask, err := readFrame(in, buf)
		if err != nil {
			return // gone, or not a till
		}
		out = appendFrame(out[:0], func(dst []byte) []byte { return s.answer(ctx, dst, ask) })
		if _, err := conn.Write(out); err != nil {
			return
		}
	}
}

func (s *service) answer(ctx context.Context, dst, ask []byte) []byte {
	switch ask[0] {
	case askDescribe:
		dst = binary.BigEndian.AppendUint32(append(dst, answered), s.signer.KeyHash())
		return append(dst, s.origin...)
	case askSign:
		sig, err := s.sign(ctx, ask)
		if err != nil {
			return refusal(dst, err)
		}
		return append(append(dst, answered), sig...)
	}
	return refusal(dst, errFrame)
}

func (s *service) sign(ctx context.Context, ask []byte) ([]byte, error) {
	c, err := parseSign(ask)
	if err != nil {
		return nil, err
	}
	if c.Origin != s.origin {
		return nil, fmt.Errorf("refused: this signer signs for %q, not for %q", s.origin, c.Origin)
	}
	sig, err := s.signer.Sign(ctx, c)
	if err == nil && len(sig) >= maxFrame {
		err = fmt.Errorf("signature of %d bytes", len(sig))
	}
	return sig, err
}

func refusal(dst []byte, err error) []byte {
	text := err.Error()
	return append(append(dst, refused), text[:min(len(text), 1000)]...)
}
