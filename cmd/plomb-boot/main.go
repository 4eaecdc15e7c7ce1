// Command plomb-boot starts the till's software, and only software that it has
// verified: it reads the slot table, checks the slot that the table names against
// maker's and authority's signatures, starts it, watches it, keeps a trial that
// becomes healthy and falls back from one that does not. When nothing verifies it
// starts nothing and shows a page that says what happened and what to do.
//
//	plomb-boot init --root DIR --policy FILE --device FILE --release DIR
//	plomb-boot run  --root DIR -- up --dir DATA
//
// It speaks the protocol of sd_notify(3) with what it starts, needs no systemd, and
// may run as process 1 of a container. Nothing of an earlier start runs beside what it
// starts. A start that changes nothing writes nothing. docs/design/0004-update.md, section 5.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/internal/notify"
	"github.com/plomb-pos/plomb/update/slot"
)

// Exit codes; docs/commands.md lists them for people.
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitBlocked = 4 // nothing may start
)

func main() {
	if os.Getpid() == 1 && os.Getenv(envChild) == "" {
		os.Exit(reap(os.Args))
	}
	ctx, stop := signal.NotifyContext(context.Background(), ending...)
	defer stop()
	if err := adopt(); err != nil {
		fmt.Fprintf(os.Stderr, "plomb-boot: %v\n", err)
	}
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

const usage = `plomb-boot starts only what it has verified.

  plomb-boot init --root DIR --policy FILE --device FILE --release DIR [--tpm PATH]
      make a device: slot table, launcher's log, first release in slot a; with --tpm the
      version floor lies in the TPM as well, and an old disk put back does not start
  plomb-boot run --root DIR [--rescue ADDRESS] [--trial-time 90s] [--give-up] -- ARGUMENT...
      verify and start the release, with these arguments for it; ADDRESS may be fd:N, a
      listener that was handed on and that the release takes too
  plomb-boot status --root DIR [--json]
      say what would start and why, and what the launcher did of late; changes nothing
  plomb-boot unblock --root DIR --why TEXT
      let a blocked device start again; goes into the launcher's log and so into the journal
  plomb-boot repair --root DIR
      make the table again from the slots, when both of its copies are bad

Exit codes: 0 ended in order, 1 failed, 2 called wrongly, 4 blocked: nothing verifies.
What is started says READY=1 when it is healthy, WATCHDOG=1 every 30 s from then on,
X_UNHEALTHY=reason when a self-test failed (sd_notify(3)); it ends with 75 to be
started again as the table says. Whoever started plomb-boot hears READY=1, WATCHDOG=1
and STOPPING=1 of it, too, if it listens. SIGTERM, SIGINT and SIGHUP end it, then the launcher.
`

// run is main without the process around it.
func run(ctx context.Context, args []string, out, words io.Writer) int {
	verbs := map[string]func(context.Context, []string, io.Writer, io.Writer) error{
		"init": initCommand, "run": runCommand, "status": statusCommand, "unblock": unblockCommand, "repair": repairCommand,
	}
	if len(args) == 0 || verbs[args[0]] == nil {
		fmt.Fprint(words, usage)
		if len(args) > 0 && (args[0] == "help" || args[0] == "--help" || args[0] == "-h") {
			return exitDone
		}
		return exitUsage
	}
	err := verbs[args[0]](ctx, args[1:], out, words)
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
		return exitDone
	case errors.Is(err, errUsage):
		fmt.Fprintf(words, "plomb-boot: %v\nplomb-boot: try plomb-boot help\n", err)
		return exitUsage
	case errors.Is(err, errBlocked):
		return exitBlocked // the page and the log said why
	}
	fmt.Fprintf(words, "plomb-boot: %v\n", err)
	if c, ok := errors.AsType[exitError](err); ok {
		return int(c)
	}
	return exitFailed
}

var (
	errUsage   = errors.New("called wrongly")
	errBlocked = errors.New("blocked")

	// errSettings is a device that does not say whom it trusts, or what it is.
	errSettings = errors.New("the files of this device that never change are damaged")
)

// exitError ends with the code of what was started.
type exitError int

func (e exitError) Error() string { return fmt.Sprintf("what was started ended with %d", int(e)) }

// flags makes a flag set that reports through run.
func flags(name string, words io.Writer) (*flag.FlagSet, *string) {
	f := flag.NewFlagSet(name, flag.ContinueOnError)
	f.SetOutput(words)
	return f, f.String("root", "", "folder with boot/ and slots/")
}

// parse parses and asks for the flags that have to be given.
func parse(f *flag.FlagSet, args []string, needed ...*string) error {
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return err
		}
		return fmt.Errorf("%w: %w", errUsage, err)
	}
	for _, n := range needed {
		if *n == "" {
			return fmt.Errorf("%w: %s needs more", errUsage, f.Name())
		}
	}
	return nil
}

func runCommand(ctx context.Context, args []string, _, words io.Writer) error {
	f, root := flags("run", words)
	rescue := f.String("rescue", "127.0.0.1:8480", "address of the page that is shown while nothing can start, or fd:N for an inherited listener")
	trial := f.Duration("trial-time", 90*time.Second, "how long a trial may take to become healthy")
	giveUp := f.Bool("give-up", false, "end with the release when it fails before it is healthy, instead of starting it again")
	if err := parse(f, args, root); err != nil {
		return err
	}
	d, unknown := openDamaged(*root)
	if d == nil {
		return unknown
	}
	lock, err := d.FS.Lock(d.Path("boot", "lock"))
	if err != nil {
		return fmt.Errorf("another launcher runs on %s: %w", *root, err)
	}
	defer lock.Close()
	l := &launcher{device: d, args: f.Args(), rescue: *rescue, trialTime: *trial, giveUp: *giveUp, words: words}
	if l.above, err = notify.FromEnvironment(); err != nil {
		l.show(err.Error())
	}
	if unknown != nil {
		return l.stopped(ctx, fmt.Errorf("%w: %w", errSettings, unknown))
	}
	return l.run(ctx)
}

// open reads what a device is; the table and the slots are read when needed.
func open(root string) (*device, error) {
	return openDevice(durable.OS{}, root)
}

// openDamaged opens a device whose policy or facts may be damaged, so that nothing of it
// verifies: what is wrong stands in err then. d is nil where there is no device.
func openDamaged(root string) (d *device, err error) {
	if d, err = open(root); err == nil {
		return d, nil
	}
	if d = begun(durable.OS{}, root); d != nil {
		d.damaged = err
	}
	return d, err
}

func unblockCommand(_ context.Context, args []string, _, words io.Writer) error {
	f, root := flags("unblock", words)
	why := f.String("why", "", "why it may start again")
	if err := parse(f, args, root, why); err != nil {
		return err
	}
	return change(*root, "unblocked: "+*why, slot.Table.Unblock)
}

// change changes the table while no launcher runs, and logs it first. Where the files
// that never change are damaged it does so too, and says that nothing starts yet.
func change(root, line string, f func(slot.Table) slot.Table) error {
	d, err := openDamaged(root)
	if d == nil {
		return err
	}
	lock, err := d.FS.Lock(d.Path("boot", "lock"))
	if err != nil {
		return fmt.Errorf("the launcher runs on %s; stop it first: %w", root, err)
	}
	defer lock.Close()
	table, _, err := slot.Open(d.FS, d.Path("boot", "table"))
	if err != nil {
		return err
	}
	if err := d.Say(line); err != nil {
		return err
	}
	if err := table.Write(f(table.Table())); err != nil || d.damaged == nil {
		return err
	}
	return fmt.Errorf("done (%s), and nothing starts yet: %w", line, d.damage())
}
