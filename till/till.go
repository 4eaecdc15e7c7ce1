// Package till is a till node: the use cases of a point of sale, with one writer
// before one journal (docs/design/0002-till.md).
//
// # Parts
//
//	Node      opens the journal, folds its tail into fiscal.State, keeps everything
//	          running; Open is ready to sell, Run keeps what goes on behind
//	book      one lock: every command passes it (book.go); the table of commands is
//	          in command.go, each group of commands in a file of its own
//	record    the one way into the journal: bodies are tried on a copy of the
//	          state, staged in one group, and only then become the state
//	printing  one after the other, intent before and outcome after (print.go)
//	behind    projection and full verification catch up (behind.go)
//
// Below lie till/sqlite (vault and projection), till/devices (XFS4IoT clients),
// till/api (HTTP) and till/web (the page).
//
// # Promises
//
//   - Nothing is answered as done before it is durable, nothing printed before its
//     entry and its intent are.
//   - The same command id does its work once, also over a restart.
//   - Whatever is refused is journaled, summarised where it comes in floods.
//   - The open basket, the suspended ones and the sessions survive kill -9.
//   - A printer, scanner, display or signer that is down never holds a sale up
//     longer than a bound.
//   - When the journal stops, the node stops: Run returns, the process ends and
//     starts again, and the next Open takes what the disk kept.
//
// Not here: keys (package seal), what entries mean (package fiscal), prices and
// totals (packages catalog and sale).
//
//	err := till.Create(ctx, opts)       // once
//	node, err := till.Open(ctx, opts)   // ready to sell
//	err = node.Run(ctx)                 // until ctx ends or the journal stops
package till

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/catalog"
	"github.com/plomb-pos/plomb/fiscal"
	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/journal"
	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/money"
	"github.com/plomb-pos/plomb/till/devices"
)

// Options say with what a node is made or opened. Dir, Keys and DatabaseKey must
// be given.
type Options struct {
	// Dir holds the epochs' directories e1, e2, … and the databases; it must exist.
	Dir string
	// Name of the till, for Create; empty: random.
	Name string
	// Keys seal the journal's entries; Signer signs its checkpoints, nil: nothing
	// is signed.
	Keys   journal.Keys
	Signer proof.Signer
	// Key is the signer's verifier key (c2sp.org/signed-note), for Create; empty:
	// the signer is asked, if it has a method Verifier.
	Key string
	// DatabaseKey gives the 32-byte key of a database ("vault", "projection").
	DatabaseKey func(name string) ([]byte, error)
	// Anchors remember how far the journal has come.
	Anchors []journal.Anchor
	// Catalogue is what a new till sells; nil: the sample shop. Country is where;
	// empty: "DE". With the sample shop setup may choose another country and
	// currency, otherwise both stay for the till's life.
	Catalogue *catalog.Set
	Country   money.Country
	// Devices is the address of the XFS4IoT services, "ws://host:port"; empty: none.
	Devices string
	// DevicesLink is how they are reached: certificates for wss, a tunnel.
	DevicesLink devices.Link
	// TakePatience is how long dispensed cash may lie at the output before it is taken
	// back; 0: a minute.
	TakePatience time.Duration
	// Now is the wall clock, nil: time.Now. Uptime is monotonic since boot and Boot
	// names the boot; nil and zero: the operating system's.
	Now    func() time.Time
	Uptime func() time.Duration
	Boot   [16]byte
	// Software names the program and its version; empty: as the build recorded it.
	// Another name than at the last start is journaled as a change.
	Software string
	// Program is SHA-256 of the program in hexadecimal, and Release what it came with;
	// empty and nil where that is not known. Both stand in the entry of each start.
	Program string
	Release *fiscal.Release
	// Format is the highest of the formats of entries and snapshots (fiscal.Format) that
	// this run may write, unless the journal has a higher one already: the highest that
	// each version which may be started after it reads. 0: all that this program knows.
	Format int
	// ClockFloor is a time that the till's clock cannot show unless it is wrong: what
	// is before is marked as unsure. Zero: the beginning of 2026. Only who rings up old
	// data at their own dates, at a till of its own, gives another.
	ClockFloor time.Time
	// Room says how many bytes may still be written to Dir's disk; nil: the operating
	// system is asked.
	Room func(dir string) (int64, error)
	// SignPatience is how long an answer waits for a signature; 0: 2 s.
	SignPatience time.Duration
	Log          *slog.Logger // nil discards
}

func (o Options) withDefaults() (Options, error) {
	if o.Dir == "" || o.Keys == nil || o.DatabaseKey == nil {
		return o, errors.New("till options: Dir, Keys and DatabaseKey are needed")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Uptime == nil {
		o.Uptime = uptime
	}
	if o.Boot == [16]byte{} {
		o.Boot = bootID()
	}
	if o.Room == nil {
		o.Room = durable.Room
	}
	if o.Country == "" {
		o.Country = "DE"
	}
	if o.Software == "" {
		o.Software = software()
	}
	if o.Format < fiscal.LowestFormat || o.Format > fiscal.Format {
		o.Format = fiscal.Format
	}
	if o.ClockFloor.IsZero() {
		o.ClockFloor = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if o.TakePatience == 0 {
		o.TakePatience = takePatience
	}
	if o.SignPatience == 0 {
		o.SignPatience = 2 * time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Origin is the name of a till's epoch: "till-1f2e3d4c/e1".
func Origin(name string, epoch int) string { return name + "/e" + strconv.Itoa(epoch) }

// CurrentOrigin reads which origin the newest epoch in a till's directory has,
// without opening it. Error: [journal.ErrNoJournal].
func CurrentOrigin(dir string) (string, error) {
	epoch, err := newestEpoch(dir)
	if err != nil {
		return "", err
	}
	text, err := os.ReadFile(filepath.Join(epoch, "JOURNAL"))
	if err != nil {
		return "", fmt.Errorf("read origin: %w", err)
	}
	for _, l := range strings.Split(string(text), "\n") {
		if origin, ok := strings.CutPrefix(l, "origin "); ok && proof.ValidOrigin(origin) {
			return origin, nil
		}
	}
	return "", fmt.Errorf("read origin: %s names none", epoch)
}

// newestEpoch is the directory of the epoch with the highest number.
func newestEpoch(dir string) (string, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return "", fmt.Errorf("look for epochs: %w", err)
	}
	highest := 0
	for _, d := range names {
		if n, ok := epochNumber(d.Name()); ok && d.IsDir() {
			highest = max(highest, n)
		}
	}
	if highest == 0 {
		return "", fmt.Errorf("look for epochs in %s: %w", dir, journal.ErrNoJournal)
	}
	return filepath.Join(dir, "e"+strconv.Itoa(highest)), nil
}

func epochNumber(name string) (int, bool) {
	text, ok := strings.CutPrefix(name, "e")
	n, err := strconv.Atoi(text)
	return n, ok && err == nil && n > 0 && strconv.Itoa(n) == text
}

// Name is the till's name, as its origin begins.
func (n *Node) Name() string {
	name, _, _ := strings.Cut(n.journal.Origin(), "/")
	return name
}

// JournalFormat is the highest format that the till's journal lies in, or may get to
// in this run: what a release that is installed has to read.
func (n *Node) JournalFormat() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return max(n.journal.Format(), n.format())
}

// format is the highest that this run writes. The book is held.
func (n *Node) format() int { return max(n.opts.Format, n.state.Version) }

// mayWrite refuses a body that a version of the software which may be started after
// this one could not read. The book is held.
func (n *Node) mayWrite(bodies []fiscal.Body) error {
	for _, b := range bodies {
		if fiscal.FormatOf(b) > n.format() {
			return refuse(Refused, "software-format")
		}
	}
	return nil
}

// SetupCode is the one-time code that POST /api/setup asks for; empty once the
// till is set up. Each Open of a till that waits for its setup makes a new one.
func (n *Node) SetupCode() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.setupCode
}

// Watch follows the node's changes for whoever holds a token; nil when too many
// watch already. The watcher must Leave. Strangers get few of the places, so that
// they cannot keep a till's own screen out.
func (n *Node) Watch(token Token) *Watcher {
	limit := maxWatchers
	if !n.SignedIn(token) {
		limit = maxStrangers
	}
	if n.stream.watched() >= limit {
		return nil
	}
	return n.stream.Watch()
}

// maxWatchers bounds the event streams open at once, maxStrangers those at which
// nobody without a session is let in any more.
const (
	maxWatchers  = 32
	maxStrangers = 16
)

// stopped is what a node that takes nothing more answers.
func (n *Node) stopped() error {
	if err := n.journal.Err(); err != nil {
		return because(Unavailable, "stopping", err)
	}
	return nil
}

// background is a context for work that a client's leaving must not break off.
func background(ctx context.Context, limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.WithoutCancel(ctx), limit)
}
