package seal

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/rpc"
	"sync"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// ErrTwoRoots is a refusal to sign a tree size a second time with another
// root. Two such signatures would be proof of fraud against the till.
var ErrTwoRoots = errors.New("refused: this tree size was signed with another root")

// rememberedSizes bounds what a Guard keeps; a till asks for sizes far apart only after a restart.
const rememberedSizes = 1 << 16

// Guard is a signer that never signs one size with two roots, as far back as
// it remembers: the last 65,536 sizes since the process started. It is the
// second lock on that door; the first is the journal, which asks only for
// sizes that are synced.
type Guard struct {
	proof.Signer

	mu     sync.Mutex
	roots  map[uint64]tlog.Hash
	oldest []uint64 // sizes in the order they came, a ring once it is full
	next   int
}

// NewGuard puts a guard before a signer.
func NewGuard(s proof.Signer) *Guard {
	return &Guard{Signer: s, roots: map[uint64]tlog.Hash{}}
}

// Sign signs unless the size was signed with another root.
func (g *Guard) Sign(ctx context.Context, c proof.Checkpoint) ([]byte, error) {
	if !g.admit(c.Size, c.Root) {
		return nil, fmt.Errorf("size %d: %w", c.Size, ErrTwoRoots)
	}
	return g.Signer.Sign(ctx, c)
}

func (g *Guard) admit(size uint64, root tlog.Hash) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if known, ok := g.roots[size]; ok {
		return known == root
	}
	g.forgetOldest()
	g.oldest[g.next] = size
	g.next = (g.next + 1) % rememberedSizes
	g.roots[size] = root
	return true
}

// forgetOldest makes the slot at next free.
func (g *Guard) forgetOldest() {
	if len(g.oldest) <= g.next {
		g.oldest = append(g.oldest, 0)
		return
	}
	delete(g.roots, g.oldest[g.next])
}

// Request and Reply are what crosses the signer's socket. The signer itself
// writes the text it signs, so the socket can obtain checkpoints of its own
// origin and nothing else.
type (
	Request struct {
		Origin string
		Size   uint64
		Root   tlog.Hash
		Leaf   *tlog.Hash
	}
	// Reply carries the raw signature over the checkpoint's text.
	Reply struct{ Signature []byte }
)

// service is the RPC receiver; net/rpc wants its methods exported.
type service struct {
	origin string
	signer proof.Signer
}

// Describe answers the origin and key hash this signer signs for.
func (s *service) Describe(_ struct{}, reply *Description) error {
	*reply = Description{Origin: s.origin, KeyHash: s.signer.KeyHash()}
	return nil
}

// Description says which key stands behind a socket.
type Description struct {
	Origin  string
	KeyHash uint32
}

// Sign signs a checkpoint of the service's own origin.
func (s *service) Sign(q Request, reply *Reply) error {
	if q.Origin != s.origin {
		return fmt.Errorf("refused: this signer signs for %q, not for %q", s.origin, q.Origin)
	}
	sig, err := s.signer.Sign(context.Background(), proof.Checkpoint{Origin: q.Origin, Size: q.Size, Root: q.Root, Leaf: q.Leaf})
	reply.Signature = sig
	return err
}

// Serve answers signing requests for one origin on l, until ctx ends. Who may
// connect is decided by l: a Unix socket in a directory that only the till's user can enter.
func Serve(ctx context.Context, l net.Listener, origin string, signer proof.Signer) error {
	server := rpc.NewServer()
	if err := server.RegisterName("Signer", &service{origin, NewGuard(signer)}); err != nil {
		return fmt.Errorf("serve signer: %w", err)
	}
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
		go server.ServeConn(conn)
	}
}

// Remote is a signer in another process. It connects when it is first asked and
// again after the connection broke; while the other side is down Sign fails at
// once, which the journal takes as "signer down".
type Remote struct {
	path    string
	keyHash uint32
	origin  string

	mu     sync.Mutex
	client *rpc.Client
}

// Dial reaches the signer on a Unix socket and learns its key hash.
func Dial(path string) (*Remote, error) {
	r := &Remote{path: path}
	client, err := r.connect()
	if err != nil {
		return nil, err
	}
	var d Description
	if err := client.Call("Signer.Describe", struct{}{}, &d); err != nil {
		return nil, fmt.Errorf("dial signer %s: %w", path, err)
	}
	r.keyHash, r.origin = d.KeyHash, d.Origin
	return r, nil
}

// Origin is the origin the signer signs for.
func (r *Remote) Origin() string { return r.origin }

// KeyHash is the signed-note hash of the signer's key.
func (r *Remote) KeyHash() uint32 { return r.keyHash }

// Sign asks the other process. When ctx ends first, the signature may still be made; asking again gives the same one.
func (r *Remote) Sign(ctx context.Context, c proof.Checkpoint) ([]byte, error) {
	client, err := r.connect()
	if err != nil {
		return nil, err
	}
	var reply Reply
	call := client.Go("Signer.Sign", Request{c.Origin, c.Size, c.Root, c.Leaf}, &reply, make(chan *rpc.Call, 1))
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-call.Done:
	}
	if call.Error != nil {
		r.drop(client, call.Error)
		return nil, fmt.Errorf("sign size %d: %w", c.Size, call.Error)
	}
	return reply.Signature, nil
}

func (r *Remote) connect() (*rpc.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client != nil {
		return r.client, nil
	}
	conn, err := net.Dial("unix", r.path)
	if err != nil {
		return nil, fmt.Errorf("dial signer: %w", err)
	}
	r.client = rpc.NewClient(conn)
	return r.client, nil
}

// drop forgets a broken connection; a refusal by the signer leaves it open.
func (r *Remote) drop(client *rpc.Client, err error) {
	if _, refused := errors.AsType[rpc.ServerError](err); refused {
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == client {
		r.client = nil
	}
	client.Close()
}

// Close ends the connection.
func (r *Remote) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.client == nil {
		return nil
	}
	client := r.client
	r.client = nil
	return client.Close()
}
