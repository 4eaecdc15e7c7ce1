// Command plomb is everything for people: the till with its screen, the
// devices, and the tools around them. `plomb --help` lists the commands,
// `plomb COMMAND --help` explains one; exit codes are in docs/commands.md.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes; docs/commands.md lists them for people.
const (
	exitDone   = 0
	exitFailed = 1 // the command did what it could and says what went wrong
	exitUsage  = 2 // the command was called wrongly: nothing was done
)

// commands is the command line, as kong reads it.
type commands struct {
	Up      upCommand      `cmd:"" help:"Run everything on this machine: devices, signer, till and screen."`
	Till    tillCommand    `cmd:"" help:"Run the till alone."`
	Devices devicesCommand `cmd:"" help:"Run simulated devices: receipt printer with drawer, scanner, customer display."`
	XFS     xfsCommand     `cmd:"" name:"xfs" help:"Talk to device services: find, watch, send, check them."`
	PKI     pkiCommand     `cmd:"" name:"pki" help:"Issue certificates for devices and what drives them."`
	Signer  signerCommand  `cmd:"" help:"Run the signer alone: the one process that holds the signing key."`
	Journal journalCommand `cmd:"" help:"Read, prove and check the journal."`
	Receipt receiptCommand `cmd:"" help:"Show receipts and check their codes."`
	Import  importCommand  `cmd:"" help:"Bring data into the till."`
	Export  exportCommand  `cmd:"" help:"Take data out of the till."`
	Keys    keysCommand    `cmd:"" help:"Hand out keys for reading; take a new signing key."`
	People  peopleCommand  `cmd:"" help:"Let somebody in again when nobody knows their PIN."`
	Epoch   epochCommand   `cmd:"" help:"Go on where a journal cannot: begin a new epoch."`
	Repair  repairCommand  `cmd:"" help:"Put damaged entries back from another copy of the journal."`
	Attest  attestCommand  `cmd:"" help:"State what runs here, signed; check what another states."`
	Policy  policyCommand  `cmd:"" help:"Show whose signatures are to be trusted."`
	Replay  replayCommand  `cmd:"" help:"Ring up a real retail data set at a till of its own."`
	Bench   benchCommand   `cmd:"" help:"Measure plomb against the limits of this machine."`
	Update  updateCommand  `cmd:"" help:"Look after the software of a till: status, check, install from a stick."`
	Release releaseCommand `cmd:"" help:"Build, approve, publish and withdraw software."`
	Version versionCommand `cmd:"" help:"Print the version."`

	BenchVerify  benchVerify     `cmd:"" name:"bench-verify" hidden:""`
	BenchInstall benchInstallOne `cmd:"" name:"bench-install" hidden:""`
	BenchXFSHost benchXFSHost    `cmd:"" name:"bench-xfs-host" hidden:""`
	BenchFrames  benchFrames     `cmd:"" name:"bench-frames" hidden:""`
}

// streams are a command's ways in and out: data on Out, words on Err.
type streams struct {
	In       io.Reader
	Out, Err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// exit carries kong's wish to end (after --help) out of its parser.
type exit int

// run is main without the process around it.
func run(ctx context.Context, args []string, s streams) (code int) {
	defer func() {
		if e, ok := recover().(exit); ok {
			code = int(e)
		}
	}()
	var c commands
	parser, err := kong.New(&c,
		kong.Name("plomb"),
		kong.Description("The trusted core of a point of sale. Start with: plomb up"),
		kong.Writers(s.Out, s.Err),
		kong.Exit(func(code int) { panic(exit(code)) }),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(s),
	)
	if err != nil {
		fmt.Fprintf(s.Err, "plomb: internal error: %v\n", err)
		return exitFailed
	}
	parsed, err := parser.Parse(args)
	if err != nil {
		fmt.Fprintf(s.Err, "plomb: %v\nplomb: try %s --help\n", err, askedFor(err))
		return exitUsage
	}
	if err := parsed.Run(); err != nil {
		return report(s.Err, err)
	}
	return exitDone
}

// askedFor is the command that could not be read, as far as it was one.
func askedFor(err error) string {
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		if path := e.Context.Command(); path != "" {
			words := slices.DeleteFunc(strings.Fields(path), func(w string) bool { return strings.HasPrefix(w, "<") || strings.HasPrefix(w, "[") })
			return strings.Join(append([]string{"plomb"}, words...), " ")
		}
	}
	return "plomb"
}

// codedError is an error with an exit code of its own.
type codedError interface {
	error
	ExitCode() int
}

// hintedError knows what its reader can do next.
type hintedError interface {
	error
	Hint() string
}

// report prints an error and what to do next, and gives the exit code.
func report(w io.Writer, err error) int {
	fmt.Fprintf(w, "plomb: %v\n", err)
	if h, ok := errors.AsType[hintedError](err); ok {
		fmt.Fprintf(w, "plomb: %s\n", h.Hint())
	}
	if c, ok := errors.AsType[codedError](err); ok {
		return c.ExitCode()
	}
	return exitFailed
}

// hint is an error with advice.
type hint struct {
	error
	advice string
}

func (h hint) Hint() string  { return h.advice }
func (h hint) Unwrap() error { return h.error }

type versionCommand struct{}

func (versionCommand) Run(s streams) error {
	fmt.Fprintln(s.Out, version())
	return nil
}

// version is the module's version as the build recorded it.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "devel"
	}
	return info.Main.Version
}
