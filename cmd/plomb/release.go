package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/plomb-pos/plomb/update/bundle"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/release"
	"github.com/plomb-pos/plomb/update/trust"
)

// releaseCommand is the maker's, the authority's and the deployer's desk.
type releaseCommand struct {
	InitMaker     releaseInitMaker     `cmd:"" help:"Hold the key ceremony of a maker."`
	InitAuthority releaseInitAuthority `cmd:"" help:"Hold the key ceremony of an approval authority."`
	InitDeployer  releaseInitDeployer  `cmd:"" help:"Hold the key ceremony of a deployer."`
	Parties       releaseParties       `cmd:"" help:"Write down who takes part, and with which keys."`
	Hardware      releaseHardware      `cmd:"" help:"Hardware versions and their reports."`
	Policy        releasePolicy        `cmd:"" help:"Sign a new trust policy for the devices in the field."`
	Build         releaseBuild         `cmd:"" help:"Make a release out of built files."`
	Attach        releaseAttach        `cmd:"" help:"Attach a report."`
	Register      releaseRegister      `cmd:"" help:"Make the manifest final, and sign it as its maker."`
	Approve       releaseApprove       `cmd:"" help:"Look at a release and sign it as an authority."`
	Encrypt       releaseEncrypt       `cmd:"" help:"Hand the content key to the deployer."`
	Publish       releasePublish       `cmd:"" help:"Put a release, or a party's metadata, into a repository."`
	Entitle       releaseEntitle       `cmd:"" help:"Give one device the content key of a release."`
	Campaign      releaseCampaign      `cmd:"" help:"Decide which devices get a release, and when."`
	Withdraw      releaseWithdraw      `cmd:"" help:"Take a release back."`
	Log           releaseLog           `cmd:"" help:"Enter withdrawals into the log, at once."`
	Witness       releaseWitness       `cmd:"" help:"Cosign the log of releases for others, over HTTP."`
	Rotate        releaseRotate        `cmd:"" help:"Replace a key."`
	Recover       releaseRecover       `cmd:"" help:"Say and do what a lost or compromised key asks for."`
	Key           releaseKey           `cmd:"" help:"Make a key that is kept apart from any office."`
	Sign          releaseSign          `cmd:"" help:"Sign what an office asks of a key that is kept here."`
	Answer        releaseAnswer        `cmd:"" help:"Take signatures that were brought back."`
	Abandon       releaseAbandon       `cmd:"" help:"Give up what waits for signatures."`
	Access        releaseAccess        `cmd:"" help:"Show who opened keys and touched files."`
	Inspect       releaseInspect       `cmd:"" help:"Show what a release is and who stands behind it."`
	Bundle        releaseBundle        `cmd:"" help:"Write a release of a repository into one file, for a stick."`
	Unbundle      releaseUnbundle      `cmd:"" help:"Unpack such a file into a new folder."`
	Demo          releaseDemo          `cmd:"" help:"Release the next version of a running till, and one that is bad: with a sample maker and authority."`
}

// officeFlags open a party's office.
type officeFlags struct {
	Office         string `required:"" type:"path" help:"Folder of the party that acts."`
	PassphraseFile string `type:"path" help:"File with the passphrase of the keys; otherwise each is asked for."`
}

func (f officeFlags) open(s streams) (*release.Office, error) {
	o, err := release.OpenOffice(f.Office, unlockKeys(s, f.PassphraseFile))
	if err != nil {
		return nil, hint{err, "plomb release init-maker, init-authority and init-deployer make one"}
	}
	return o, nil
}

// unlockKeys reads passphrases from a file, or asks for each key's.
func unlockKeys(s streams, file string) release.Unlock {
	return func(key string) (string, error) {
		if file != "" {
			text, err := os.ReadFile(file)
			return strings.TrimRight(string(text), "\r\n"), err
		}
		f, ok := s.In.(*os.File)
		if !ok || !term.IsTerminal(int(f.Fd())) {
			return "", hint{usageError{errors.New("nobody can be asked for a passphrase: standard input is no terminal")}, "name a file that only you can read with --passphrase-file"}
		}
		fmt.Fprintf(s.Err, "passphrase of key %s: ", key)
		text, err := term.ReadPassword(int(f.Fd()))
		fmt.Fprintln(s.Err)
		return string(text), err
	}
}

// stepFlags open an office and a release under the caller's own parties file.
type stepFlags struct {
	Release string `arg:"" type:"path" help:"The release's folder."`
	officeFlags
	Parties string `required:"" type:"path" help:"Your own copy of the parties file."`
}

func (f stepFlags) open(s streams) (*release.Office, *release.Release, error) {
	o, p, err := f.openWith(s, f.Parties)
	if err != nil {
		return nil, nil, err
	}
	r, err := release.OpenRelease(f.Release, p)
	return o, r, err
}

// openWith opens the office, and reads its own copy of the parties file.
func (f officeFlags) openWith(s streams, parties string) (*release.Office, *release.Parties, error) {
	o, err := f.open(s)
	if err != nil {
		return nil, nil, err
	}
	p, err := readParties(parties)
	return o, p, err
}

func readParties(name string) (*release.Parties, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, fmt.Errorf("read parties: %w", err)
	}
	return release.ParseParties(text)
}

// ceremonyFlags are common to the three ceremonies.
type ceremonyFlags struct {
	Dir            string `arg:"" type:"path" help:"Folder to make."`
	Name           string `required:"" help:"Name of the party; its keys carry it."`
	Release        string `default:"1/2" help:"Threshold and number of keys that sign."`
	PassphraseFile string `type:"path" help:"File with one passphrase for all keys; otherwise each is asked for."`
	DryRun         bool   `help:"Say which keys would be made, and make none."`
	WorkFactor     int    `hidden:""`

	Key []string `sep:"none" help:"ROLE=PLACE or KEY=PLACE: where keys are kept; see below."`
}

func (f ceremonyFlags) hold(s streams, c release.Ceremony, root string) (err error) {
	c.Name, c.Work = f.Name, f.WorkFactor
	if c.Release, err = release.ParseQuorum(f.Release); err != nil {
		return usageError{err}
	}
	if root != "" {
		if c.Root, err = release.ParseQuorum(root); err != nil {
			return usageError{err}
		}
	}
	if c.Keep, err = keyPlans(f.Key); err != nil {
		return usageError{err}
	}
	if f.DryRun {
		return f.rehearse(s, c)
	}
	o, err := release.Init(f.Dir, c, unlockKeys(s, f.PassphraseFile), time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s %s  %d keys  %s\n", o.Card.Party, o.Card.Name, len(o.Card.Keys), f.Dir)
	return err
}

const ceremonyHelp = `Draws the party's keys, each for one purpose, and writes each into a file of its own,
encrypted with age under a passphrase: keep the files of a role apart, with the people
who answer for them. The folder's office.json holds no secret; hand it to the others.

A key may be kept elsewhere than in a file, role by role or key by key:

  --key root-1=pkcs11:token=maker?module-path=/usr/lib/softhsm/libsofthsm2.so
  --key root-2=elsewhere:root-2.pub     a key of plomb release key, in another place
  --key targets=tpm:/dev/tpmrm0         ECDSA, made in the chip, never leaves it
  --key note=tpm:/dev/tpmrm0            Ed25519, which no TPM knows: sealed to the chip
  --key targets=ecdsa,pkcs11:...        for tokens that do not know Ed25519

On a token the passphrase is its PIN. What signs without people (snapshot, timestamp,
log, witness) cannot be elsewhere; notes, campaigns and the log are Ed25519.

Nothing can bring back a key whose file or passphrase is lost. As long as the threshold
of root keys is there, plomb release rotate replaces any other. Try with --dry-run.`

// rehearse says which keys would be drawn, and where.
func (f ceremonyFlags) rehearse(s streams, c release.Ceremony) error {
	plans, err := c.Plans()
	if err != nil {
		return usageError{err}
	}
	fmt.Fprintf(s.Out, "would make %s of %s %s\nkeys: %s\n", f.Dir, c.Party, c.Name, strings.Join(c.Keys(), " "))
	for _, name := range c.Keys() {
		if p := plans[name]; p.Place != "" {
			fmt.Fprintf(s.Out, "%s: %s, %s\n", name, p.Kind, p.Place)
		}
	}
	return nil
}

type releaseInitMaker struct {
	ceremonyFlags
	Root string `default:"2/3" help:"Threshold and number of offline root keys."`
}

// Help says what the keys are.
func (releaseInitMaker) Help() string { return ceremonyHelp }

func (c releaseInitMaker) Run(s streams) error {
	return c.hold(s, release.Ceremony{Party: release.Maker}, c.Root)
}

type releaseInitAuthority struct {
	ceremonyFlags
	Root         string   `default:"2/3" help:"Threshold and number of offline root keys."`
	Jurisdiction []string `required:"" help:"Country codes that the body answers for."`
}

// Help says what the keys are.
func (releaseInitAuthority) Help() string { return ceremonyHelp }

func (c releaseInitAuthority) Run(s streams) error {
	return c.hold(s, release.Ceremony{Party: release.Authority, Jurisdictions: c.Jurisdiction}, c.Root)
}

type releaseInitDeployer struct{ ceremonyFlags }

// Help says what the keys are.
func (releaseInitDeployer) Help() string { return ceremonyHelp }

func (c releaseInitDeployer) Run(s streams) error {
	return c.hold(s, release.Ceremony{Party: release.Deployer}, "")
}

type releaseParties struct {
	Out       string        `arg:"" type:"path" help:"File to write."`
	Serial    uint64        `default:"1" help:"Raised with every change of a key."`
	Follow    string        `type:"path" help:"The parties file in force: the serial is the next one."`
	OldKeys   bool          `help:"Also name the keys that were replaced: devices that run a release of theirs take the new policy."`
	Policy    string        `type:"path" help:"Also write the policy of the log, for plomb-verify release."`
	Maker     string        `required:"" type:"path" help:"The maker's office.json."`
	Deployer  string        `required:"" type:"path" help:"The deployer's."`
	Authority []string      `type:"path" help:"Each authority's."`
	Trust     string        `type:"path" help:"Also write the trust policy for devices."`
	Warn      time.Duration `default:"72h" help:"How long before its metadata run out a device says so."`
	Stop      time.Duration `default:"720h" help:"How long after that it stops selling."`
}

// Help says what the file is for.
func (releaseParties) Help() string {
	return `Every party keeps its own copy of the file, made from cards that it got from the
others' hands: it decides whose signatures count. Without an authority the maker alone
is enough for legally relevant releases; only where no law asks for more.

After a key for notes or campaigns was replaced: the same again with --follow OLD and
--old-keys, then every party signs the new trust policy with plomb release policy, and
devices take it by themselves. When all of them run a release that the new key signed,
again without --old-keys: from then on the old key counts no more.`
}

func (c releaseParties) Run() error {
	maker, err := readCard(c.Maker)
	if err != nil {
		return err
	}
	deployer, err := readCard(c.Deployer)
	if err != nil {
		return err
	}
	var bodies []release.Card
	for _, name := range c.Authority {
		b, err := readCard(name)
		if err != nil {
			return err
		}
		bodies = append(bodies, b)
	}
	if err := c.follow(); err != nil {
		return err
	}
	if err := c.withOldKeys(&maker, &deployer); err != nil {
		return err
	}
	for i := range bodies {
		if err := c.withOldKeys(&bodies[i]); err != nil {
			return err
		}
	}
	p, err := release.NewParties(c.Serial, maker, deployer, bodies...)
	if err != nil {
		return err
	}
	return c.write(p, maker, bodies)
}

// follow takes the serial after the one in force.
func (c *releaseParties) follow() error {
	if c.Follow == "" {
		return nil
	}
	old, err := readParties(c.Follow)
	if err != nil {
		return err
	}
	_, boot, err := old.BootPolicy()
	if err != nil {
		return err
	}
	c.Serial = boot.Serial + 1
	return nil
}

func (c releaseParties) write(p *release.Parties, maker release.Card, bodies []release.Card) error {
	text, err := p.Encode()
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.Out, text, 0o644); err != nil {
		return err
	}
	if c.Policy != "" {
		if err := os.WriteFile(c.Policy, p.LogPolicyText(), 0o644); err != nil {
			return err
		}
	}
	if c.Trust == "" {
		return nil
	}
	if text, err = p.TrustPolicy(c.Warn, c.Stop, maker, bodies...); err != nil {
		return err
	}
	return os.WriteFile(c.Trust, text, 0o644)
}

func readCard(name string) (release.Card, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return release.Card{}, fmt.Errorf("read card: %w", err)
	}
	return release.ParseCard(text)
}

// withOldKeys adds the keys that were replaced to every card, where that was asked for.
func (c *releaseParties) withOldKeys(cards ...*release.Card) error {
	for _, card := range cards {
		if !c.OldKeys {
			break
		}
		all, err := card.WithRetired()
		if err != nil {
			return err
		}
		*card = all
	}
	return nil
}

type releaseAttach struct {
	Kind string `arg:"" help:"What it is: test, assessor, bom, provenance, approval-notes."`
	File string `arg:"" type:"path" help:"The report."`
	stepFlags
}

// Help says what a release needs.
func (releaseAttach) Help() string {
	return `Reports are bound by hash in the manifest that everybody signs. A release needs those
of test, assessor, bom and provenance before it can be registered; plomb release build
makes the last two.

  plomb release attach test results.txt till-1.4 --office maker --parties parties.json`
}

func (c releaseAttach) Run(s streams) error {
	o, r, err := c.open(s)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		return usageError{err}
	}
	return r.Attach(o, c.Kind, filepath.Base(c.File), text, time.Now())
}

type releaseRegister struct {
	stepFlags
	DryRun bool `help:"Check everything that can be checked without signing."`
}

// Help says what becomes final.
func (releaseRegister) Help() string {
	return `Puts reports and time into the manifest, signs it and enters it into the maker's
register. Refused: a counter of its scope that does not rise, an identity that was
registered with other bytes, missing reports, hardware that is not registered.
Afterwards nothing in the release can change.`
}

func (c releaseRegister) Run(s streams) error {
	o, r, err := c.open(s)
	if err != nil {
		return err
	}
	if !c.DryRun {
		return r.Register(o, time.Now())
	}
	return rehearsed(s, r, "%s %s %d: would be registered; reports missing: %s\n", r.Draft.Identity, r.Draft.Scope, r.Draft.Counter, orNone(r.Missing()))
}

// rehearsed ends a dry run: all that can be looked at is, and then it is said what
// would be done.
func rehearsed(s streams, r *release.Release, format string, args ...any) error {
	if err := r.Check(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Out, format, args...)
	return err
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

type releaseApprove struct {
	stepFlags
	Model  []string      `help:"Models that the approval is for (default: those of the manifest)."`
	Valid  time.Duration `default:"87600h" help:"How long it counts from now on."`
	DryRun bool          `help:"Check and show what would be approved, and sign nothing."`
}

// Help says what is checked.
func (releaseApprove) Help() string {
	return `Reads every component, pack and report again, compares them with the manifest, shows
the digests of the reports, signs the same bytes as the maker and puts them into the
authority's own repository, which plomb release publish REPOSITORY publishes. A release
without its reports cannot be approved. Look with --dry-run first.`
}

func (c releaseApprove) Run(s streams) error {
	o, r, err := c.open(s)
	if err != nil {
		return err
	}
	for _, rep := range r.Reports() {
		fmt.Fprintf(s.Out, "%-12s %s  %s\n", rep.Kind, rep.SHA256, rep.Name)
	}
	if c.DryRun {
		return rehearsed(s, r, "%s is %s; would approve manifest %s\n", r.Draft.Identity, r.State(), r.Digest())
	}
	now, err := o.Moment(time.Now())
	if err != nil {
		return err
	}
	return r.Approve(o, release.Certificate{Models: c.Model, NotBefore: now, NotAfter: now.Add(c.Valid)}, now)
}

type releaseEncrypt struct {
	stepFlags
	DryRun bool `help:"Check, and leave the content key where it is."`
}

// Help says what is encrypted when.
func (releaseEncrypt) Help() string {
	return `Packs are sealed while they are built, so that what everybody signs is what travels.
This step makes sure that the sealed packs give the approved components, wraps the
content key to the deployer, and removes the clear one. From here on only the deployer
can hand it on, device by device.`
}

func (c releaseEncrypt) Run(s streams) error {
	o, r, err := c.open(s)
	if err != nil {
		return err
	}
	if !c.DryRun {
		return r.Encrypt(o, time.Now())
	}
	return rehearsed(s, r, "%s is %s; the content key would go to %s\n", r.Draft.Identity, r.State(), r.Parties.Deployer.Name)
}

type releasePublish struct {
	Repository string   `arg:"" type:"path" help:"The repository's folder; made if it is missing."`
	Release    string   `arg:"" optional:"" type:"path" help:"An encrypted release; without it only the party's metadata are published."`
	Parties    string   `type:"path" help:"Your own copy of the parties file; needed with a release."`
	Witness    []string `sep:"none" help:"Who cosigns the log: the folder of an authority, or NAME=URL of a witness on the net."`
	Refresh    bool     `help:"Sign snapshot and timestamp anew first: within every week."`
	officeFlags
}

// Help says what is where.
func (releasePublish) Help() string {
	return `Enters release, approvals and withdrawals into the log, has it cosigned, and writes
what travels into a static tree that any web server, relay or stick can carry. Every
authority publishes its own metadata, without naming a release:

  plomb release publish repo --office authority
  plomb release publish repo till-1.4 --office maker --parties parties.json --witness authority
  plomb release publish repo till-1.4 ... --witness nmi=https://witness.example/`
}

func (c releasePublish) Run(ctx context.Context, s streams) error {
	o, err := c.open(s)
	if err != nil {
		return err
	}
	repo, err := release.OpenRepository(c.Repository)
	if err != nil {
		return err
	}
	if c.Refresh {
		if err := o.Refresh(time.Now()); err != nil {
			return err
		}
	}
	if c.Release == "" {
		return o.Push(repo)
	}
	return c.publish(ctx, s, o, repo)
}

func (c releasePublish) publish(ctx context.Context, s streams, o *release.Office, repo *release.Repository) error {
	if c.Parties == "" {
		return usageError{errors.New("--parties is needed to publish a release")}
	}
	p, err := readParties(c.Parties)
	if err != nil {
		return err
	}
	r, err := release.OpenRelease(c.Release, p)
	if err != nil {
		return err
	}
	witnesses, err := openWitnesses(s, c.Witness, c.PassphraseFile, p)
	if err != nil {
		return err
	}
	now, err := o.Moment(time.Now())
	if err != nil {
		return err
	}
	if err := o.Publish(ctx, repo, r, witnesses, now); err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "published %s  %s\n", r.Manifest.Identity, r.Digest())
	return err
}

type releaseEntitle struct {
	Repository string        `arg:"" type:"path" help:"The repository."`
	Device     string        `arg:"" type:"path" help:"File with the device's public key, base64."`
	Valid      time.Duration `default:"2160h" help:"How long the device may begin with it."`
	stepFlags
}

// Help says who can open it.
func (releaseEntitle) Help() string {
	return `Wraps the release's content key to the device's own key (X25519 with ML-KEM-768): no
other device can open it. Each handing-out is an entry in the deployer's record.`
}

func (c releaseEntitle) Run(s streams) error {
	o, r, err := c.open(s)
	if err != nil {
		return err
	}
	repo, err := release.OpenRepository(c.Repository)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(c.Device)
	if err != nil {
		return usageError{err}
	}
	key, err := base64.StdEncoding.DecodeString(strings.TrimSpace(string(text)))
	if err != nil {
		return usageError{fmt.Errorf("%s: %w", c.Device, err)}
	}
	now, err := o.Moment(time.Now())
	if err != nil {
		return err
	}
	signed, err := r.Entitle(o, key, now.Add(c.Valid), now)
	if err != nil {
		return err
	}
	return repo.Put(manifest.EntitlementName(r.Digest(), manifest.Sum(key)), signed)
}

type releaseCampaign struct {
	Repository string        `arg:"" type:"path" help:"The repository."`
	Digest     string        `arg:"" help:"Digest of the release's manifest."`
	Device     string        `help:"One device; otherwise a cohort."`
	Cohort     string        `default:"*" help:"Group of devices; * is all."`
	From       time.Time     `format:"2006-01-02T15:04:05Z07:00" help:"When it begins, RFC 3339 (default: now)."`
	For        time.Duration `default:"336h" help:"How long devices may begin."`
	Wave       []string      `help:"PERCENT@DURATION after the beginning, in order: 5@0h,100@48h."`
	Urgent     bool          `help:"At the end the till chooses the moment, not the user."`
	Attempts   int           `default:"3" help:"How often one device may try, 1 to 10."`
	DryRun     bool          `help:"Show the statement, and sign nothing."`
	officeFlags
}

// Help says what it can and cannot do.
func (releaseCampaign) Help() string {
	return `The deployer decides when and in which waves, never what: devices install only what
maker and authority signed. A campaign's serial rises, so that an older one cannot be
played again. The statement is campaign.json of the repository.`
}

func (c releaseCampaign) Run(s streams) error {
	campaign, err := c.campaign()
	if err != nil {
		return usageError{err}
	}
	if c.DryRun {
		_, err := fmt.Fprintf(s.Out, "%s for %s%s from %s until %s, %s\n", campaign.Release, campaign.Device, campaign.Cohort,
			campaign.From.Format(time.RFC3339), campaign.Until.Format(time.RFC3339), campaign.Urgency)
		return err
	}
	o, err := c.open(s)
	if err != nil {
		return err
	}
	repo, err := release.OpenRepository(c.Repository)
	if err != nil {
		return err
	}
	signed, err := o.Campaign(campaign, time.Now())
	if err != nil {
		return err
	}
	return repo.Put("campaign.json", signed)
}

func (c releaseCampaign) campaign() (out manifest.Campaign, err error) {
	out = manifest.Campaign{Device: c.Device, From: c.From.UTC().Truncate(time.Second), Urgency: manifest.Normal, Attempts: c.Attempts}
	if c.From.IsZero() {
		out.From = time.Now().UTC().Truncate(time.Second)
	}
	if c.Device == "" {
		out.Cohort = c.Cohort
	}
	if c.Urgent {
		out.Urgency = manifest.Urgent
	}
	out.Until = out.From.Add(c.For)
	if err := out.Release.UnmarshalText([]byte(c.Digest)); err != nil {
		return out, err
	}
	for _, w := range c.Wave {
		var percent int
		share, after, _ := strings.Cut(w, "@")
		d, err := time.ParseDuration(after)
		if _, scan := fmt.Sscan(share, &percent); scan != nil || err != nil {
			return out, fmt.Errorf("wave %q is not like 5@0h", w)
		}
		out.Waves = append(out.Waves, manifest.Wave{From: out.From.Add(d), Percent: percent})
	}
	return out, nil
}

type releaseWithdraw struct {
	Digest string        `arg:"" help:"Digest of the release's manifest."`
	Reason string        `required:"" help:"Why; tills show it."`
	Within time.Duration `default:"168h" help:"How long tills may go on before they act."`
	Action string        `default:"warn" enum:"warn,block" help:"What they do then."`
	DryRun bool          `help:"Say what would happen, and sign nothing."`

	Repository string   `type:"path" help:"Publish it there."`
	Parties    string   `type:"path" help:"Your own copy of the parties file, to log it."`
	Witness    []string `sep:"none" help:"Who cosigns the log, as in plomb release publish."`
	officeFlags
}

// Help says what happens.
func (releaseWithdraw) Help() string {
	return `No till installs the release from the moment it hears of it. One that runs it warns, or
stops selling after the deadline. A withdrawal cannot be taken back: release again.
Publish it with plomb release publish REPOSITORY.`
}

func (c releaseWithdraw) Run(ctx context.Context, s streams) error {
	var d manifest.Digest
	if err := d.UnmarshalText([]byte(c.Digest)); err != nil {
		return usageError{err}
	}
	now := time.Now()
	if c.DryRun {
		_, err := fmt.Fprintf(s.Out, "%s would be withdrawn: %s from %s on\n", d, c.Action, now.Add(c.Within).UTC().Format(time.RFC3339))
		return err
	}
	o, err := c.open(s)
	if err != nil {
		return err
	}
	if now, err = o.Moment(now); err != nil {
		return err
	}
	if err := o.Withdraw(d, c.Reason, now.Add(c.Within), trust.Action(c.Action), now); err != nil || c.Repository == "" {
		return err
	}
	return c.publish(ctx, s, o)
}

// publish publishes a withdrawal, and logs it when the office keeps the log.
func (c releaseWithdraw) publish(ctx context.Context, s streams, o *release.Office) error {
	if o.Card.Party == release.Maker && c.Parties != "" {
		return releaseLog{Repository: c.Repository, Parties: c.Parties, Witness: c.Witness, officeFlags: c.officeFlags}.Run(ctx, s)
	}
	repo, err := release.OpenRepository(c.Repository)
	if err != nil {
		return err
	}
	return o.Push(repo)
}

type releaseRotate struct {
	Role   string `arg:"" help:"root, targets, snapshot, timestamp, note, witness or campaign."`
	Key    string `arg:"" help:"The key that goes, as office.json calls it; it may be lost."`
	Keep   string `help:"PLACE of the new key, as in the ceremonies; otherwise a file."`
	DryRun bool   `help:"Say what would be done, and do nothing."`
	officeFlags
}

// Help says what follows.
func (releaseRotate) Help() string {
	return `For root, targets, snapshot and timestamp the next root is signed by the old and by the
new threshold of root keys, so that devices follow; publish it. The other keys stand in
the parties file: make it again with plomb release parties --follow, and let devices
learn it with plomb release policy. A loss of power leaves the old key in force or the
new one, never half of each. plomb release recover says what else a lost or compromised
key asks for.`
}

func (c releaseRotate) Run(s streams) error {
	p, err := keyPlan(c.Keep)
	if err != nil {
		return err
	}
	if c.DryRun {
		_, err := fmt.Fprintf(s.Out, "%s would be replaced by a new key for %s, kept in %s\n", c.Key, c.Role, placeWord(p))
		return err
	}
	o, err := c.open(s)
	if err != nil {
		return err
	}
	fresh, err := o.RotateTo(c.Role, c.Key, p, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%s gives way to %s\n", c.Key, fresh)
	return err
}

type releaseBundle struct {
	Repository string `arg:"" type:"path" help:"The repository."`
	Digest     string `arg:"" help:"Digest of the release's manifest."`
	Out        string `arg:"" type:"path" help:"File to write, *.plomb; it must not exist."`
	Origin     string `type:"existingdir" help:"The release's folder: put its bill of materials and provenance inside too, in the clear."`
}

// Help says what it holds.
func (releaseBundle) Help() string {
	return `One tar with a strict order (docs/guides/releasing.md): metadata, signatures, proof,
entitlements, tables and packs of one release. A stick needs no trust: the till checks
what is on it exactly as if it came from a server.`
}

func (c releaseBundle) Run() error {
	var d manifest.Digest
	if err := d.UnmarshalText([]byte(c.Digest)); err != nil {
		return usageError{err}
	}
	repo, err := release.OpenRepository(c.Repository)
	if err != nil {
		return err
	}
	out, err := os.OpenFile(c.Out, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := errors.Join(c.write(out, repo, d), out.Sync(), out.Close()); err != nil {
		return errors.Join(err, os.Remove(c.Out))
	}
	return nil
}

func (c releaseBundle) write(out io.Writer, repo *release.Repository, d manifest.Digest) error {
	if c.Origin == "" {
		return repo.Bundle(out, d)
	}
	r, err := release.OpenRelease(c.Origin, nil)
	if err != nil {
		return err
	}
	if r.Digest() != d {
		return usageError{fmt.Errorf("%s holds release %s", c.Origin, r.Digest())}
	}
	return repo.BundleWithOrigin(out, r)
}

type releaseUnbundle struct {
	File string `arg:"" type:"path" help:"The bundle."`
	Dir  string `arg:"" type:"path" help:"Folder to make."`
}

func (c releaseUnbundle) Run() error {
	in, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer in.Close()
	return bundle.Extract(in, c.Dir, bundle.MaxBytes)
}
