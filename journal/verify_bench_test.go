package journal

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/plomb-pos/plomb/internal/powercut"
	"github.com/plomb-pos/plomb/journal/proof"
)

// benchJournal is a journal of many segments (of 2 MiB) with bodies of 400
// bytes. Every group is signed, and so is every stride-th entry as a receipt;
// the signatures are in the next group, in any order, as signers give them.
func benchJournal(b *testing.B, entries, groupSize, stride int) (d *powercut.Disk, signatures uint64) {
	f := &forgery{origin: forgeOrigin, segment: 2 << 20, next: 1}
	signer, tree := forgeSigner(b, 1), new(proof.Frontier)
	body := string(bytes.Repeat([]byte("x"), 400))
	var due []signatureRecord
	for n := 0; n < entries; {
		g := forgedGroup{signatures: due}
		due = nil
		for range groupSize {
			e := f.entry(b, uint64(n), forgeTime+int64(n), body)
			tree.Append(e.leaf)
			if n%stride == 0 {
				due = append(due, signTree(b, signer, tree, &e.leaf))
			}
			g.entries = append(g.entries, e)
			n++
		}
		due = append(due, signTree(b, signer, tree, nil))
		rand.Shuffle(len(due), func(i, k int) { due[i], due[k] = due[k], due[i] })
		signatures += uint64(len(due))
		f.groups = append(f.groups, g)
	}
	f.groups = append(f.groups, forgedGroup{signatures: due})
	return f.write(b), signatures
}

// files are the segments' bytes, as a reference for what hashing them takes.
func files(b *testing.B, d *powercut.Disk) (all [][]byte) {
	for n := uint32(1); ; n++ {
		data, err := d.ReadFile("j/" + segmentName(n))
		if err != nil {
			return all
		}
		all = append(all, data)
	}
}

// BenchmarkVerifyContents prints how fast contents and root are verified as a
// ratio to plain SHA-256 over the same files on one core.
func BenchmarkVerifyContents(b *testing.B) {
	for _, groupSize := range []int{1, 16, 250} {
		b.Run(fmt.Sprintf("groups of %d", groupSize), func(b *testing.B) {
			const entries = 30_000
			d, _ := benchJournal(b, entries, groupSize, 10)
			segments := files(b, d)
			b.SetBytes(int64(len(segments)) * 2 << 20)
			b.ReportAllocs()
			var plain, verify time.Duration // measured in turn: others use the machine too
			opts := VerifyOptions{Keys: forgeMonths{forgeMonth: forgeKey}}
			for b.Loop() {
				start := time.Now()
				for _, data := range segments {
					sha256.Sum256(data)
				}
				half := time.Now()
				if r := verifyDisk(b, d, opts); !r.Consistent() || r.Contents != r.Size {
					b.Fatal(r)
				}
				plain, verify = plain+half.Sub(start), verify+time.Since(half)
			}
			b.ReportMetric(float64(plain)/float64(verify), "of-SHA-256")
		})
	}
}

// BenchmarkVerifySignatures prints how fast every signature is verified, and
// with it contents and root, as a ratio to a bare Ed25519 loop on the same cores.
func BenchmarkVerifySignatures(b *testing.B) {
	for _, row := range []struct{ groupSize, stride int }{{1, 1}, {250, 1}, {250, 10}} {
		b.Run(fmt.Sprintf("groups of %d, a receipt in %d", row.groupSize, row.stride), func(b *testing.B) {
			d, signatures := benchJournal(b, 10_000, row.groupSize, row.stride)
			var bare, verify time.Duration
			opts := withKeys(b)
			for b.Loop() {
				bare += bareVerify(int(signatures))
				start := time.Now()
				if r := verifyDisk(b, d, opts); !r.Consistent() || r.Signatures != signatures {
					b.Fatal(r)
				}
				verify += time.Since(start)
			}
			b.ReportMetric(float64(bare)/float64(verify), "of-bare-Ed25519")
			b.ReportMetric(float64(signatures)*float64(b.N)/verify.Seconds(), "signatures/s")
		})
	}
}

func bareVerify(n int) time.Duration {
	key := ed25519.NewKeyFromSeed(make([]byte, 32))
	msg := make([]byte, 150)
	sig, pub := ed25519.Sign(key, msg), key.Public().(ed25519.PublicKey)
	cores := runtime.GOMAXPROCS(0)
	start := time.Now()
	var all sync.WaitGroup
	for range cores {
		all.Go(func() {
			for range n / cores {
				ed25519.Verify(pub, msg, sig)
			}
		})
	}
	all.Wait()
	return time.Since(start)
}
