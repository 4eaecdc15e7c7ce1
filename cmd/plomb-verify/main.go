// Command plomb-verify checks what a till has recorded, for those who do not
// trust the till: journals, receipts, checkpoints and inclusion proofs, from
// files alone and without a network.
//
//	plomb-verify --policy shop.policy --keys 2026.keys /mnt/till1
//
// It also checks a repository of releases: that everything released is in the public
// log, which only grew and was cosigned.
//
//	plomb-verify release --policy releases.policy /srv/repository
//
// It prints what it has checked and what is wrong and where; with --json, one
// object. The exit code says it in short: 0 whole, 1 tampered, 2 cannot read,
// 3 consistent, but nobody vouches for the origin.
//
// With keys it also checks what the law asks of the contents: numbers without
// gaps, grand totals that go on, sums, Z figures, and that an epoch goes on from
// the end of the one before. That is package fiscal, the very fold by which
// tills record, on journal and files alone; an objection to an entry is a
// finding "content". Entries of kinds that a newer version made are named, and
// are no tampering.
//
// It is small on purpose: the standard library, golang.org/x/mod, the journal,
// update/manifest and update/releaselog, which are pure,
// package fiscal (which is pure: it neither reads nor writes anything) with the
// words of the trade it is written in, and what these need. A test lists all of
// it.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"
)

const usage = `plomb-verify checks what a till has recorded. It needs no network and no till.

usage: plomb-verify [flags] DIR-or-FILE...
       plomb-verify release [flags] REPOSITORY...

DIR   a till's directory (with journal/e1, e2, ... in it), a journal directory
      (with e1, e2, ... in it), or one epoch's directory (with JOURNAL in it)
FILE  an inclusion proof (.tlog-proof), a signed checkpoint, or a file with the
      text of a receipt's QR code

REPOSITORY  a folder with releases, as plomb release publish writes it. It is
            shown that nothing was released unlogged: every release, approval and
            withdrawal in it is an entry of its log, the entries give the root that
            the log signed and the witnesses cosigned, every proof that devices get
            verifies, and the log begins as every --checkpoint says.

flags, before DIR, FILE or REPOSITORY:
  --policy FILE      who may sign: a c2sp.org/tlog-policy file. It must come from
                     somewhere else than the journal, for example the authority.
                     Without it nobody vouches for the origin (exit code 3).
  --keys FILE        month keys, to check the contents too: each entry, document
                     numbers, sums, grand totals, Z reports, and how an epoch
                     goes on from the one before. Lines of text:
                       plomb-keys 1
                       month 202611 BASE64-OF-32-BYTES
  --checkpoint FILE  a signed checkpoint seen earlier or elsewhere: tells a tail
                     that was cut off, an older copy that was restored, and a
                     history that was rewritten. May be given several times.
  --receipt TEXT     the text of a receipt's QR code, to check alone or against
                     the journals given. May be given several times.
  --json             one JSON object on standard output
  --help             this text

exit codes:
  0  whole: nothing is wrong, and every entry is vouched for by the policy
  1  tampered: the output says what and where
  2  cannot read, or called wrongly
  3  consistent, but the origin of some or all entries is unchecked

examples:
  Is this journal what the shop's till wrote? May I read its contents?
      plomb-verify --policy shop.policy --keys 2026.keys /mnt/till1
  Does it still hold what it held when I was here last year?
      plomb-verify --policy shop.policy --checkpoint 2025.checkpoint /mnt/till1
  Is this receipt genuine?
      plomb-verify --policy shop.policy --receipt 'PLOMB1:2%0...'
  Is it in the journal?
      plomb-verify --policy shop.policy --receipt 'PLOMB1:2%0...' /mnt/till1
  Is this proof good, and have enough witnesses cosigned?
      plomb-verify --policy shop.policy sale-4711.tlog-proof
  Was any till software released that nobody could see?
      plomb-verify release --policy releases.policy --checkpoint last-year /srv/repository
`

// garbage is how many bytes of it may lie about for 100 in use, which are nearly
// all buffers of whole segments: so a long journal takes as much memory as a short one.
const garbage = 5

func main() {
	debug.SetGCPercent(garbage)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// config is the command line.
type config struct {
	policy, keys          string
	checkpoints, receipts texts
	json                  bool
	release               bool // targets are repositories of releases
	targets               []string
}

// texts is a flag that may be given several times.
type texts []string

func (t *texts) String() string     { return fmt.Sprint(*t) }
func (t *texts) Set(s string) error { *t = append(*t, s); return nil }

func parse(args []string, stderr io.Writer) (*config, error) {
	c := new(config)
	f := flag.NewFlagSet("plomb-verify", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.Usage = func() { fmt.Fprint(stderr, "plomb-verify --help explains\n") }
	f.StringVar(&c.policy, "policy", "", "")
	f.StringVar(&c.keys, "keys", "", "")
	f.Var(&c.checkpoints, "checkpoint", "")
	f.Var(&c.receipts, "receipt", "")
	f.BoolVar(&c.json, "json", false, "")
	if len(args) > 0 && args[0] == "release" {
		c.release, args = true, args[1:]
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	c.targets = f.Args()
	if len(c.targets)+len(c.receipts) == 0 || c.release && len(c.targets) == 0 {
		f.Usage()
		return nil, fmt.Errorf("nothing to check")
	}
	return c, nil
}

// run is main without the process around it; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	for _, a := range args {
		if a == "--help" || a == "-help" || a == "-h" {
			fmt.Fprint(stdout, usage)
			return int(whole)
		}
	}
	c, err := parse(args, stderr)
	if err != nil {
		return int(unreadable)
	}
	s, err := newSession(c, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "plomb-verify: %v\n", err)
		return int(unreadable)
	}
	r := s.check(ctx, c)
	if err := r.print(stdout, c.json); err != nil {
		fmt.Fprintf(stderr, "plomb-verify: %v\n", err)
		return int(unreadable)
	}
	return int(r.verdict())
}
