package dialout

import (
	"fmt"
	"io"
)

const (
	streamVersion = 1
	maxTarget     = 64
)

// answer is the agent's one byte to a request.
type answer byte

const (
	answerOpen        answer = 0
	answerNotAllowed  answer = 1
	answerUnreachable answer = 2
	answerBusy        answer = 3
)

func (a answer) err() error {
	switch a {
	case answerOpen:
		return nil
	case answerNotAllowed:
		return ErrNotAllowed
	case answerUnreachable:
		return ErrUnreachable
	case answerBusy:
		return ErrBusy
	}
	return fmt.Errorf("%w: answer %d", ErrProtocol, byte(a))
}

// validTarget: lower-case letters, digits, '.', '-', ':', 1 to 64 of them.
func validTarget(name string) bool {
	if name == "" || len(name) > maxTarget {
		return false
	}
	for _, c := range []byte(name) {
		if !(c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '.' || c == '-' || c == ':') {
			return false
		}
	}
	return true
}

// appendRequest writes the bytes a stream begins with.
func appendRequest(b []byte, target string) ([]byte, error) {
	if !validTarget(target) {
		return nil, fmt.Errorf("target %.70q: %w", target, ErrProtocol)
	}
	return append(append(b, streamVersion, byte(len(target))), target...), nil
}

// readRequest reads them; it reads not a byte more.
func readRequest(r io.Reader) (target string, err error) {
	var head [2]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return "", fmt.Errorf("read request: %w", err)
	}
	if head[0] != streamVersion || head[1] == 0 || head[1] > maxTarget {
		return "", fmt.Errorf("request of version %d and length %d: %w", head[0], head[1], ErrProtocol)
	}
	name := make([]byte, head[1])
	if _, err := io.ReadFull(r, name); err != nil {
		return "", fmt.Errorf("read request: %w", err)
	}
	if !validTarget(string(name)) {
		return "", fmt.Errorf("target %q: %w", name, ErrProtocol)
	}
	return string(name), nil
}

func readAnswer(r io.Reader) error {
	var b [1]byte
	if _, err := io.ReadFull(r, b[:]); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	return answer(b[0]).err()
}
