package witness

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// maxBody bounds requests and answers, in bytes: a proof and a note.
const maxBody = 64 << 10

// sizeType is the type of the answer that says which size was cosigned last.
const sizeType = "text/x.tlog.size"

// ServeHTTP answers POST add-checkpoint and GET HASH/checkpoint, wherever they stand
// below.
func (w *Witness) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	path := strings.TrimPrefix(r.URL.Path, "/")
	switch {
	case path == "add-checkpoint" && r.Method == http.MethodPost:
		w.serveAdd(rw, r)
	case path == "add-checkpoint":
		rw.Header().Set("Allow", http.MethodPost)
		http.Error(rw, "POST a checkpoint", http.StatusMethodNotAllowed)
	case strings.HasSuffix(path, "/checkpoint") && r.Method == http.MethodGet:
		w.serveNewest(rw, strings.TrimSuffix(path, "/checkpoint"))
	default:
		http.NotFound(rw, r)
	}
}

func (w *Witness) serveAdd(rw http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(http.MaxBytesReader(rw, r.Body, maxBody))
	if err != nil {
		http.Error(rw, "the request is too long, or broke off", http.StatusBadRequest)
		return
	}
	request, err := ParseRequest(body)
	var lines []byte
	if err == nil {
		lines, err = w.Add(r.Context(), request)
	}
	var conflict *ConflictError
	if errors.As(err, &conflict) {
		rw.Header().Set("Content-Type", sizeType)
		rw.WriteHeader(http.StatusConflict)
		fmt.Fprintf(rw, "%d\n", conflict.Size)
		return
	}
	if err != nil {
		http.Error(rw, err.Error(), status(err))
		return
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = rw.Write(lines) // the client asks again
}

func status(err error) int {
	for _, s := range []struct {
		err  error
		code int
	}{{ErrFormat, http.StatusBadRequest}, {ErrUnsigned, http.StatusForbidden}, {ErrUnknown, http.StatusNotFound}, {ErrProof, http.StatusUnprocessableEntity}} {
		if errors.Is(err, s.err) {
			return s.code
		}
	}
	return http.StatusInternalServerError
}

// serveNewest gives the newest checkpoint since the witness was started, cosigned.
func (w *Witness) serveNewest(rw http.ResponseWriter, hash string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for origin, text := range w.newest {
		if fmt.Sprintf("%x", sha256.Sum256([]byte(origin))) == hash {
			rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
			_, _ = rw.Write(text) // the client asks again
			return
		}
	}
	http.Error(rw, "no checkpoint of this log was cosigned since the witness was started", http.StatusNotFound)
}

// Client is a witness somewhere else. It may be used concurrently.
type Client struct {
	URL  string          // submission prefix
	Key  *proof.Verifier // of the witness: its signatures count, no others
	HTTP *http.Client    // nil: one with a timeout of 30 s

	mu   sync.Mutex
	seen map[string]uint64 // sizes by origin, as the witness said
}

// Size is what is known of the size that the witness saw last; 0 where nothing is, and
// Cosign finds out.
func (c *Client) Size(_ context.Context, origin string) (uint64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.seen[origin], nil
}

// Cosign asks for a signature and gives the checkpoint with it. Its error is a
// *ConflictError when the witness has seen another size, or wraps one of the errors of
// this package as the witness's status says.
func (c *Client) Cosign(ctx context.Context, checkpoint []byte, old uint64, consistency tlog.TreeProof) ([]byte, error) {
	cp, _, err := proof.ParseNote(checkpoint)
	if err != nil {
		return nil, fmt.Errorf("cosign: %w", err)
	}
	answer, err := c.post(ctx, Request{old, consistency, checkpoint}.Encode())
	var conflict *ConflictError
	if errors.As(err, &conflict) {
		c.remember(cp.Origin, conflict.Size)
	}
	if err != nil {
		return nil, fmt.Errorf("cosign by %s: %w", c.URL, err)
	}
	signed, err := c.take(cp, checkpoint, answer)
	if err != nil {
		return nil, fmt.Errorf("cosign by %s: %w", c.URL, err)
	}
	c.remember(cp.Origin, cp.Size)
	return signed, nil
}

func (c *Client) remember(origin string, size uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[string]uint64{}
	}
	c.seen[origin] = size
}

func (c *Client) post(ctx context.Context, body []byte) ([]byte, error) {
	client := c.HTTP
	if client == nil {
		client = &http.Client{Timeout: 30 * time.Second}
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.URL, "/")+"/add-checkpoint", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Content-Type", "text/plain; charset=utf-8")
	answer, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxBody))
	if err != nil {
		return nil, err
	}
	return text, refusal(answer.StatusCode, answer.Header.Get("Content-Type"), string(text))
}

// refusal is what a status says.
func refusal(code int, kind, text string) error {
	text = strings.TrimSpace(text[:min(len(text), 200)])
	switch code {
	case http.StatusOK:
		return nil
	case http.StatusConflict:
		size, err := strconv.ParseUint(text, 10, 63)
		if err != nil || kind != sizeType {
			return fmt.Errorf("%w: status 409 without a size: %q", ErrFormat, text)
		}
		return &ConflictError{size}
	case http.StatusBadRequest:
		return fmt.Errorf("%w: %q", ErrFormat, text)
	case http.StatusForbidden:
		return fmt.Errorf("%w: %q", ErrUnsigned, text)
	case http.StatusNotFound:
		return fmt.Errorf("%w: %q", ErrUnknown, text)
	case http.StatusUnprocessableEntity:
		return fmt.Errorf("%w: %q", ErrProof, text)
	}
	return fmt.Errorf("status %d: %q", code, text)
}

// take adds the signatures of the known key, when they verify; others are ignored.
func (c *Client) take(cp proof.Checkpoint, checkpoint, answer []byte) ([]byte, error) {
	for line := range strings.Lines(string(answer)) {
		name, sig, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(line, "— "), "\n"), " ")
		raw, err := base64.StdEncoding.DecodeString(sig)
		if !ok || err != nil || len(raw) < 5 || name != c.Key.Name() || binary.BigEndian.Uint32(raw) != c.Key.KeyHash() {
			continue
		}
		if err := c.Key.VerifyCheckpoint(cp, raw[4:]); err != nil {
			return nil, err
		}
		return proof.AddSignature(checkpoint, name, c.Key.KeyHash(), raw[4:]), nil
	}
	return nil, fmt.Errorf("%w: the answer has no signature of %s", ErrUnsigned, c.Key.Name())
}
