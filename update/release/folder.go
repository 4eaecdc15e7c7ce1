package release

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/frame"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/trust"
)

// Step is one of the steps of a release.
type Step string

// The steps, in order.
const (
	Built      Step = "built"
	Attached   Step = "attached"   // all reports that are needed are there
	Registered Step = "registered" // the manifest is final and signed by the maker
	Confirmed  Step = "confirmed"  // by every body that the parties name for it
	Encrypted  Step = "encrypted"  // the content key is the deployer's alone
	Published  Step = "published"
)

// Release is a release's folder:
//
//	parties.json             the parties that it was built for
//	draft.json               what was built, before its reports
//	manifest.json            what everybody signs, from registration on
//	manifest.note            all signatures over it
//	components/NAME          the components
//	packs/SHA256             sealed packs, and their tables/SHA256
//	reports/SHA256
//	approvals/BODY           the approval of each body
//	content.key              until it is encrypted
//	custody.key              the content key, wrapped to the deployer
//	record/                  a signed entry a step
//	access.log               who tried what, one line of JSON each; not signed
//
// Not safe for concurrent use.
type Release struct {
	Parties  *Parties
	Draft    *manifest.Manifest
	Manifest *manifest.Manifest // nil before registration

	dir     string
	fsys    durable.FS
	encoded []byte // the manifest
	record  *record
}

// OpenRelease opens a release's folder, and checks its record and every small file
// against it. parties is the caller's own copy; nil takes the folder's, which shows
// what it says of itself and proves nothing. Check reads the large files too.
func OpenRelease(dir string, parties *Parties) (*Release, error) {
	return openReleaseOn(durable.OS{}, dir, parties)
}

func openReleaseOn(fsys durable.FS, dir string, parties *Parties) (*Release, error) {
	r := &Release{dir: absolute(fsys, dir), fsys: fsys}
	if err := r.load(parties); err != nil {
		return nil, fmt.Errorf("open release %s: %w", dir, err)
	}
	return r, nil
}

func (r *Release) load(parties *Parties) (err error) {
	text, err := durable.ReadFile(r.fsys, r.path("parties.json"), manifest.MaxBytes)
	if err != nil {
		return err
	}
	if r.Parties = parties; parties == nil {
		if r.Parties, err = ParseParties(text); err != nil {
			return err
		}
	}
	if r.record, err = openRecord(r.fsys, r.path("record"), r.Parties.all()...); err != nil {
		return err
	}
	if len(r.record.Entries) == 0 || r.record.Entries[0].Step != string(Built) {
		return fmt.Errorf("its record does not begin with %q: %w", Built, ErrTampered)
	}
	if err := r.bound(Built, "parties.json", text); err != nil {
		return err
	}
	if err := r.checkAuthors(); err != nil {
		return err
	}
	return r.loadManifests()
}

func (r *Release) loadManifests() error {
	draft, err := durable.ReadFile(r.fsys, r.path("draft.json"), manifest.MaxBytes)
	if err != nil {
		return err
	}
	if err := r.bound(Built, "draft.json", draft); err != nil {
		return err
	}
	if r.Draft, err = manifest.Parse(draft); err != nil {
		return err
	}
	if !r.did(Registered) {
		return nil
	}
	if r.encoded, err = durable.ReadFile(r.fsys, r.path("manifest.json"), manifest.MaxBytes); err != nil {
		return err
	}
	for _, step := range []Step{Registered, Confirmed, Encrypted, Published} {
		if err := r.bound(step, "manifest.json", r.encoded); err != nil {
			return err
		}
	}
	r.Manifest, err = manifest.Parse(r.encoded)
	return err
}

// bound compares data with what every entry of a step says of it.
func (r *Release) bound(step Step, name string, data []byte) error {
	for i := range r.record.Entries {
		e := &r.record.Entries[i]
		if d, ok := e.digest(name); e.Step == string(step) && (!ok || d != manifest.Sum(data)) {
			return fmt.Errorf("%s: entry %d (%s) is about another: %w", name, e.Seq, step, ErrTampered)
		}
	}
	return nil
}

// checkAuthors makes sure that every step was signed by who may do it.
func (r *Release) checkAuthors() error {
	for _, e := range r.record.Entries {
		if !r.may(Step(e.Step), e.By) {
			return fmt.Errorf("entry %d: %s may not do %q: %w", e.Seq, e.By, e.Step, ErrTampered)
		}
	}
	return nil
}

// may says whether a party may do a step: a body confirms, the maker does the rest.
func (r *Release) may(step Step, party string) bool {
	if step == Confirmed {
		return r.Parties.body(party) != nil
	}
	return slices.Contains([]Step{Built, Attached, Registered, Encrypted, Published}, step) && party == r.Parties.policy.Maker.Name
}

func (r *Release) path(parts ...string) string {
	return path.Join(append([]string{r.dir}, parts...)...)
}

// did says whether a step was done.
func (r *Release) did(step Step) bool {
	return slices.ContainsFunc(r.record.Entries, func(e Entry) bool { return e.Step == string(step) })
}

// Entries are the record's entries, oldest first.
func (r *Release) Entries() []Entry { return slices.Clone(r.record.Entries) }

// Digest is the manifest's SHA-256; zero before registration.
func (r *Release) Digest() manifest.Digest {
	if r.Manifest == nil {
		return manifest.Digest{}
	}
	return manifest.Sum(r.encoded)
}

// State is the last step that is complete.
func (r *Release) State() Step {
	state := Built
	for _, s := range []struct {
		step Step
		done bool
	}{
		{Attached, len(r.Missing()) == 0}, {Registered, r.did(Registered)}, {Confirmed, len(r.unconfirmed()) == 0},
		{Encrypted, r.did(Encrypted)}, {Published, r.did(Published)},
	} {
		if !s.done {
			return state
		}
		state = s.step
	}
	return state
}

// Reports are the reports that were attached, in the order of kind and name.
func (r *Release) Reports() (out []manifest.Report) {
	for _, e := range r.record.Entries {
		if e.Step != string(Attached) {
			continue
		}
		kind, name, _ := strings.Cut(e.Subject, " ")
		for _, d := range e.Digests {
			out = append(out, manifest.Report{Kind: kind, Name: name, SHA256: d.SHA256})
		}
	}
	slices.SortFunc(out, func(a, b manifest.Report) int { return strings.Compare(a.Kind+" "+a.Name, b.Kind+" "+b.Name) })
	return out
}

// Missing are the kinds of reports that are still needed.
func (r *Release) Missing() (kinds []string) { return missing(r.Reports()) }

func missing(reports []manifest.Report) (kinds []string) {
	for _, kind := range neededReports {
		if !slices.ContainsFunc(reports, func(x manifest.Report) bool { return x.Kind == kind }) {
			kinds = append(kinds, kind)
		}
	}
	return kinds
}

// unconfirmed are the bodies that have not confirmed yet.
func (r *Release) unconfirmed() (bodies []string) {
	if r.Manifest == nil {
		return []string{"not registered"}
	}
	for _, name := range r.Parties.policy.Needed(r.Manifest)[1:] {
		if !slices.ContainsFunc(r.record.Entries, func(e Entry) bool { return e.Step == string(Confirmed) && e.By == name }) {
			bodies = append(bodies, name)
		}
	}
	return bodies
}

// do is the way of every step: who is asked for, then the order, then the act; the
// attempt is logged whatever comes of it (requirement DL-21).
func (r *Release) do(o *Office, step Step, after []Step, now time.Time, act func(now time.Time) error) error {
	err := r.allowed(o, step, after)
	if err == nil {
		err = o.do(string(step)+" "+r.dir, now, r, act)
	}
	if err != nil {
		err = fmt.Errorf("%s: %w", step, err)
	}
	return errors.Join(err, r.accessed(o, string(step), err))
}

// accessed writes a line into the folder's access log.
func (r *Release) accessed(o *Office, what string, refused error) error {
	return accessLog{r.fsys, r.path(accessFile), o.Card.Name}.write(what, refused)
}

// allowed refuses a step that is not the office's, or not now.
func (r *Release) allowed(o *Office, step Step, after []Step) error {
	if !r.may(step, o.Card.Name) {
		return fmt.Errorf("%s %s: %w", o.Card.Party, o.Card.Name, ErrParty)
	}
	if state := r.State(); !slices.Contains(after, state) {
		return fmt.Errorf("the release is %s: %w", state, ErrOrder)
	}
	return nil
}

// enter signs an entry with the office's quorum.
func (r *Release) enter(o *Office, e Entry, now time.Time) error {
	signers, err := o.noteSigners(o.Card.recordRole())
	if err != nil {
		return err
	}
	e.At, e.By = now, o.Card.Name
	return r.record.append(e, signers)
}

// Attach adds a report to a release that is not registered yet: kind test, assessor,
// bom, provenance, approval-notes or another. The folder keeps a copy by its hash.
func (r *Release) Attach(o *Office, kind, name string, report []byte, now time.Time) error {
	return r.do(o, Attached, []Step{Built, Attached}, now, func(now time.Time) error {
		sum := manifest.Sum(report)
		if strings.ContainsAny(kind, " ") || kind == "" || name == "" || len(report) == 0 {
			return fmt.Errorf("%w: report %q of kind %q with %d bytes", ErrFormat, name, kind, len(report))
		}
		if err := r.store("reports", sum, report); err != nil {
			return err
		}
		return r.enter(o, Entry{Step: string(Attached), Subject: kind + " " + name, Digests: []digestName{{"report", sum}}}, now)
	})
}

// store writes a file under its hash.
func (r *Release) store(folder string, sum manifest.Digest, data []byte) error {
	if err := mkdirs(r.fsys, r.path(folder)); err != nil {
		return err
	}
	return durable.Replace(r.fsys, r.path(folder, sum.String()), data)
}

// Register makes the manifest final, with its reports, signs it and enters it into
// the maker's register. It is refused while reports are missing, when the counter of
// its scope does not rise (requirement CU-19), when its identity was registered with
// other bytes, and when it names hardware that is not registered (FM-19).
func (r *Release) Register(o *Office, now time.Time) error {
	return r.do(o, Registered, []Step{Built, Attached}, now, func(now time.Time) error {
		if kinds := r.Missing(); len(kinds) > 0 {
			return fmt.Errorf("%s: %w", strings.Join(kinds, ", "), ErrReports)
		}
		if err := r.check(r.Draft); err != nil {
			return err
		}
		m, encoded, err := r.final(now)
		if err != nil {
			return err
		}
		// before the register: cut off in between, the next attempt has to find the time
		// that the register's entry binds
		if err := durable.Replace(r.fsys, r.path("manifest.json"), encoded); err != nil {
			return err
		}
		if err := o.register(m, encoded, now); err != nil {
			return err
		}
		return r.freeze(o, m, encoded, now)
	})
}

// final is the draft with its reports and the time of signing; a manifest that an
// earlier attempt left is taken as it is, if it is the same but for its time.
func (r *Release) final(now time.Time) (*manifest.Manifest, []byte, error) {
	m := *r.Draft
	m.Reports, m.Issued = r.Reports(), now.UTC().Truncate(time.Second)
	old, err := durable.ReadFile(r.fsys, r.path("manifest.json"), manifest.MaxBytes)
	if before, parse := manifest.Parse(old); err == nil && parse == nil {
		m.Issued = before.Issued
	}
	encoded, err := m.Encode()
	return &m, encoded, err
}

func (r *Release) freeze(o *Office, m *manifest.Manifest, encoded []byte, now time.Time) error {
	signers, err := o.noteSigners(roleNote)
	if err != nil {
		return err
	}
	signed, err := manifest.Sign(encoded, signers...)
	if err != nil {
		return err
	}
	if err := durable.Replace(r.fsys, r.path("manifest.note"), signed); err != nil {
		return err
	}
	r.Manifest, r.encoded = m, encoded
	return r.enter(o, Entry{Step: string(Registered), Subject: string(m.Identity), Digests: r.about()}, now)
}

// about binds the manifest in an entry.
func (r *Release) about(more ...digestName) []digestName {
	return append([]digestName{{"manifest.json", manifest.Sum(r.encoded)}}, more...)
}

// register refuses a version that does not rise, and enters the release.
func (o *Office) register(m *manifest.Manifest, encoded []byte, now time.Time) error {
	own, err := o.own()
	if err != nil {
		return err
	}
	sum := manifest.Sum(encoded)
	for _, e := range own.Entries {
		if e.Step != string(Registered) {
			continue
		}
		var identity, scope string
		var counter uint64
		if _, err := fmt.Sscanf(e.Subject, "%s %s %d", &identity, &scope, &counter); err != nil {
			return fmt.Errorf("entry %d of the register: %w", e.Seq, ErrFormat)
		}
		if d, _ := e.digest("manifest.json"); d == sum {
			return nil // an earlier attempt got as far as here
		}
		if identity == string(m.Identity) {
			return fmt.Errorf("%s was registered with other bytes: %w", m.Identity, ErrVersion)
		}
		if scope == string(m.Scope) && m.Counter <= counter {
			return fmt.Errorf("counter %d of the %s is not above %d of %s: %w", m.Counter, m.Scope, counter, identity, ErrVersion)
		}
	}
	if err := o.knowsHardware(own, m); err != nil {
		return err
	}
	signers, err := o.noteSigners(roleNote)
	if err != nil {
		return err
	}
	return own.append(Entry{At: now, Step: string(Registered), By: o.Card.Name, Subject: fmt.Sprintf("%s %s %d", m.Identity, m.Scope, m.Counter),
		Digests: []digestName{{"manifest.json", sum}}}, signers)
}

// Certificate is what an authority approves with.
type Certificate struct {
	Models        []string
	Jurisdictions []string // empty: those of manifest and body together
	NotBefore     time.Time
	NotAfter      time.Time
}

// Approve confirms a registered release: the authority reads everything again,
// compares it with the manifest and its reports, signs the same bytes, and puts them
// into its own repository with the approval. Without the reports it is refused.
func (r *Release) Approve(o *Office, c Certificate, now time.Time) error {
	return r.do(o, Confirmed, []Step{Registered}, now, func(now time.Time) error {
		if kinds := missing(r.Manifest.Reports); len(kinds) > 0 {
			return fmt.Errorf("%s: %w", strings.Join(kinds, ", "), ErrReports)
		}
		if err := r.Check(); err != nil {
			return err
		}
		approval, err := r.approval(o, c)
		if err != nil {
			return err
		}
		return r.confirm(o, approval, now)
	})
}

// approval is what the authority says; what an attempt that was cut off has put into
// its repository stands.
func (r *Release) approval(o *Office, c Certificate) ([]byte, error) {
	t, err := readTree(o.fsys, o.path("metadata"))
	if err != nil {
		return nil, err
	}
	if before, err := t.target(o.fsys, o.path("targets"), trust.ApprovalTarget(r.Digest())); !isMissing(err) {
		return before, err
	}
	a := &trust.Approval{Format: trust.ApprovalFormat, Release: r.Digest(), Certificate: r.Manifest.Certificate, Body: o.Card.Name,
		Models: c.Models, Jurisdictions: c.Jurisdictions, NotBefore: c.NotBefore.UTC().Truncate(time.Second), NotAfter: c.NotAfter.UTC().Truncate(time.Second)}
	if len(a.Jurisdictions) == 0 {
		for _, j := range r.Manifest.Jurisdictions {
			if slices.Contains(o.Card.Jurisdictions, j) {
				a.Jurisdictions = append(a.Jurisdictions, j)
			}
		}
	}
	for _, j := range a.Jurisdictions {
		if !slices.Contains(o.Card.Jurisdictions, j) || !slices.Contains(r.Manifest.Jurisdictions, j) {
			return nil, fmt.Errorf("%s is not for %s to approve here: %w", j, o.Card.Name, ErrParty)
		}
	}
	return a.Encode()
}

func (r *Release) confirm(o *Office, approval []byte, now time.Time) error {
	signers, err := o.noteSigners(roleNote)
	if err != nil {
		return err
	}
	mine, err := manifest.Sign(r.encoded, signers...)
	if err != nil {
		return err
	}
	before, err := durable.ReadFile(r.fsys, r.path("manifest.note"), manifest.MaxDocument)
	if err != nil {
		return err
	}
	merged, err := manifest.Merge(before, mine)
	if err != nil {
		return err
	}
	if err := r.writeApproval(o, approval, merged); err != nil {
		return err
	}
	id := r.Digest()
	if err := o.add(now, map[string][]byte{trust.ReleaseTarget(id): r.encoded, trust.ApprovalTarget(id): approval}); err != nil {
		return err
	}
	return r.enter(o, Entry{Step: string(Confirmed), Subject: string(r.Manifest.Identity), Digests: r.about(digestName{"approval", manifest.Sum(approval)})}, now)
}

func (r *Release) writeApproval(o *Office, approval, merged []byte) error {
	if err := mkdirs(r.fsys, r.path("approvals")); err != nil {
		return err
	}
	if err := durable.Replace(r.fsys, r.path("approvals", o.Card.Name), approval); err != nil {
		return err
	}
	return durable.Replace(r.fsys, r.path("manifest.note"), merged)
}

// Check reads the whole folder again and compares it with manifest and record: the
// components by their trees, packs and tables by their hashes, reports, approvals and
// signatures. Its errors wrap ErrTampered or manifest.ErrContent.
func (r *Release) Check() error {
	m := r.Manifest
	if m == nil {
		m = r.Draft
	}
	if err := r.check(m); err != nil {
		return err
	}
	if err := r.checkApprovals(); err != nil {
		return err
	}
	return r.checkNote()
}

func (r *Release) check(m *manifest.Manifest) error {
	for i := range m.Components {
		c := &m.Components[i]
		if err := r.checkComponent(c); err != nil {
			return err
		}
		for _, p := range c.Packs {
			if err := r.checkPack(c, p); err != nil {
				return fmt.Errorf("pack of %s: %w", c.Name, err)
			}
		}
	}
	for _, rep := range r.Reports() {
		if err := checkFile(r.fsys, r.path("reports", rep.SHA256.String()), rep.SHA256, 0); err != nil {
			return fmt.Errorf("report %s: %w", rep.Name, err)
		}
	}
	return nil
}

func (r *Release) checkComponent(c *manifest.Component) error {
	f, err := openStream(r.fsys, r.path("components", c.Name))
	if err != nil {
		return missingFile(err)
	}
	defer f.Close()
	return c.Check(f)
}

func missingFile(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: %w", ErrTampered, err)
	}
	return err
}

// checkPack compares a pack and its table with the manifest, and the table's tree
// with the component.
func (r *Release) checkPack(c *manifest.Component, p manifest.Pack) error {
	table, err := r.table(p)
	if err != nil {
		return err
	}
	if table.Root() != c.Root || table.Bytes() != p.Bytes {
		return fmt.Errorf("its table makes another component: %w", ErrTampered)
	}
	return checkFile(r.fsys, r.path("packs", p.SHA256.String()), p.SHA256, p.Bytes)
}

func (r *Release) table(p manifest.Pack) (*frame.Table, error) {
	text, err := durable.ReadFile(r.fsys, r.path("tables", p.Table.String()), maxTable)
	if err != nil {
		return nil, missingFile(err)
	}
	if manifest.Sum(text) != p.Table {
		return nil, fmt.Errorf("table: %w", ErrTampered)
	}
	return frame.ParseTable(text)
}

// maxTable is the size of the largest table that package frame reads.
const maxTable = 128 << 20

// stream is a file read from its beginning to its end.
type stream struct {
	*io.SectionReader
	durable.File
}

func (s stream) ReadAt(p []byte, off int64) (int, error) { return s.File.ReadAt(p, off) }
func (s stream) Size() (int64, error)                    { return s.File.Size() }

func openStream(fsys durable.FS, name string) (stream, error) {
	f, err := fsys.Open(name)
	if err != nil {
		return stream{}, err
	}
	size, err := f.Size()
	if err != nil {
		return stream{}, errors.Join(err, f.Close())
	}
	return stream{io.NewSectionReader(f, 0, size), f}, nil
}

// checkFile compares a file with its hash, and with its length unless that is 0.
func checkFile(fsys durable.FS, name string, want manifest.Digest, length int64) error {
	f, err := openStream(fsys, name)
	if err != nil {
		return missingFile(err)
	}
	defer f.Close()
	got, n, err := sum(f)
	if err != nil {
		return err
	}
	if got != want || (length > 0 && n != length) {
		return fmt.Errorf("%s: %w", name, ErrTampered)
	}
	return nil
}

// checkApprovals compares approvals with the entries that bind them.
func (r *Release) checkApprovals() error {
	for _, e := range r.record.Entries {
		if e.Step != string(Confirmed) {
			continue
		}
		text, err := durable.ReadFile(r.fsys, r.path("approvals", e.By), manifest.MaxDocument)
		if err != nil {
			return missingFile(err)
		}
		if d, _ := e.digest("approval"); d != manifest.Sum(text) {
			return fmt.Errorf("approval of %s: %w", e.By, ErrTampered)
		}
		if a, err := trust.ParseApproval(text); err != nil || a.Release != r.Digest() || a.Body != e.By {
			return fmt.Errorf("approval of %s: %w", e.By, errors.Join(err, ErrTampered))
		}
	}
	return nil
}

// checkNote verifies the signatures that the steps so far have to have left.
func (r *Release) checkNote() error {
	if r.Manifest == nil {
		return nil
	}
	note, err := durable.ReadFile(r.fsys, r.path("manifest.note"), manifest.MaxDocument)
	if err != nil {
		return missingFile(err)
	}
	_, met, err := r.Parties.policy.Verify(r.encoded, note)
	switch {
	case err == nil:
		return nil
	case slices.Contains(met, r.Parties.policy.Maker.Name) && errors.Is(err, manifest.ErrUnsigned) && len(r.unconfirmed()) > 0:
		return nil
	}
	return fmt.Errorf("signatures: %w: %w", ErrTampered, err)
}

// sum hashes a stream.
func sum(r io.Reader) (manifest.Digest, int64, error) {
	h := newHash()
	n, err := io.Copy(h, r)
	var d manifest.Digest
	h.Sum(d[:0])
	return d, n, err
}
