package bench

import (
	"crypto/ed25519"
	"fmt"
	"runtime"
	"sync"
	"time"
)

// The limits of signing and of verifying: nothing but Ed25519, on all cores that
// the program may use, over a text as long as a receipt's checkpoint.

var checkpointText = make([]byte, 150)

func signName() string {
	return fmt.Sprintf("a loop of bare Ed25519 signatures, %d cores", runtime.GOMAXPROCS(0))
}

func verifyName() string {
	return fmt.Sprintf("a loop of as many bare Ed25519 verifications, %d cores", runtime.GOMAXPROCS(0))
}

func bareSign(d time.Duration) (load, error) {
	key := ed25519.NewKeyFromSeed(seed[:])
	return drive(runtime.GOMAXPROCS(0), d, func(int) error {
		ed25519.Sign(key, checkpointText)
		return nil
	})
}

func bareVerify(n int) time.Duration {
	key := ed25519.NewKeyFromSeed(seed[:])
	public, sig := key.Public().(ed25519.PublicKey), ed25519.Sign(key, checkpointText)
	cores := runtime.GOMAXPROCS(0)
	started := time.Now()
	var wg sync.WaitGroup
	for range cores {
		wg.Go(func() {
			for range n / cores {
				ed25519.Verify(public, checkpointText, sig)
			}
		})
	}
	wg.Wait()
	return time.Since(started)
}
