package seal_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/seal"
)

// socket is a Unix socket with a short path.
func socket(t testing.TB) (net.Listener, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "plomb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	return l, path
}

func TestASignerThatStartsAgainIsFoundByTheNextSignature(t *testing.T) {
	box, _ := create(t)
	signer, err := box.CreateSigner(origin)
	if err != nil {
		t.Fatal(err)
	}
	l, path := socket(t)
	start := func(l net.Listener) (end func()) {
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- seal.Serve(ctx, l, origin, signer) }()
		return func() { cancel(); <-served }
	}
	end := start(l)
	r, err := seal.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := r.Sign(t.Context(), proof.Checkpoint{Origin: origin, Size: 1}); err != nil {
		t.Fatal(err)
	}
	end()
	if _, err := r.Sign(t.Context(), proof.Checkpoint{Origin: origin, Size: 2}); err == nil {
		t.Error("a signer that has ended signed")
	}
	if l, err = net.Listen("unix", path); err != nil {
		t.Fatal(err)
	}
	defer start(l)()
	if _, err := r.Sign(t.Context(), proof.Checkpoint{Origin: origin, Size: 2}); err != nil {
		t.Errorf("the signer that started again: %v", err)
	}
}

func TestASignerThatDoesNotAnswerIsLeftWhenTimeIsUp(t *testing.T) {
	l, path := socket(t)
	go func() { // it describes itself, and says nothing more
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				var ask [3]byte
				_, _ = io.ReadFull(c, ask[:])
				_, _ = c.Write(append([]byte{0, 6, 'k', 1, 2, 3, 4}, 'x'))
			}()
		}
	}()
	defer l.Close()
	r, err := seal.Dial(path)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := r.Sign(ctx, proof.Checkpoint{Origin: "x", Size: 1}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Sign = %v", err)
	}
}

// FuzzServe says anything to a signer: it answers or hangs up, and signs nothing
// of another origin.
func FuzzServe(f *testing.F) {
	f.Add([]byte{0, 1, 'd'})
	f.Add([]byte{0, 1, 's'})
	f.Add([]byte{0, 0})
	f.Add(append([]byte{0, 48, 's'}, bytes.Repeat([]byte{0}, 47)...))
	f.Add(append(append([]byte{0, 48, 's'}, make([]byte, 41)...), "till/1"...))
	box, _ := create(f)
	signer, err := box.CreateSigner(origin)
	if err != nil {
		f.Fatal(err)
	}
	l, path := socket(f)
	go func() { _ = seal.Serve(context.Background(), l, origin, signer) }()
	f.Fuzz(func(t *testing.T, said []byte) {
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		_, err1 := c.Write(said)
		err2 := c.(*net.UnixConn).CloseWrite()
		heard, err3 := io.ReadAll(c)
		if err := errors.Join(err1, err2, err3); errors.Is(err, os.ErrDeadlineExceeded) {
			t.Fatal("neither answered nor hung up")
		}
		for len(heard) > 2 {
			n := int(heard[0])<<8 | int(heard[1])
			if n == 0 || len(heard) < 2+n || heard[2] != 'k' && heard[2] != 'r' {
				t.Fatalf("answered %q", heard)
			}
			heard = heard[2+n:]
		}
	})
}

func BenchmarkRemoteSign(b *testing.B) {
	box, _ := create(b)
	signer, err := box.CreateSigner(origin)
	if err != nil {
		b.Fatal(err)
	}
	l, path := socket(b)
	go func() { _ = seal.Serve(b.Context(), l, origin, signer) }()
	r, err := seal.Dial(path)
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	size := uint64(0)
	for b.Loop() {
		size++
		if _, err := r.Sign(b.Context(), proof.Checkpoint{Origin: origin, Size: size}); err != nil {
			b.Fatal(err)
		}
	}
}
