package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/go-json-experiment/json"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
)

// kindReleases is a repository of releases with its log.
const kindReleases = "log of releases"

// repository is a repository of releases that is held against its own log: nothing
// may be released that is not logged (requirement FM-10), and the log may only grow.
type repository struct {
	files    fs.FS
	policy   *proof.Policy
	log      *tree
	logged   map[string]bool // entries
	released map[manifest.Digest]bool
	it       *item
}

// releases checks a repository's folder.
func (s *session) releases(dir string) item {
	it := item{Path: dir, Kind: kindReleases}
	if err := s.auditReleases(dir, &it); err != nil {
		it.Error = err.Error()
	}
	return it
}

func (s *session) auditReleases(dir string, it *item) error {
	root, err := os.OpenRoot(dir) // links lead nowhere else
	if err != nil {
		return err
	}
	defer root.Close()
	r := &repository{files: root.FS(), policy: s.policy, logged: map[string]bool{}, released: map[manifest.Digest]bool{}, it: it}
	if err := r.readLog(); err != nil {
		return err
	}
	for i := range s.points {
		r.holdAgainst(&s.points[i])
	}
	if err := r.findReleased(); err != nil {
		return err
	}
	if err := r.checkTargets(); err != nil {
		return err
	}
	return r.checkReleased()
}

// wrong notes what is wrong with a file of the repository.
func (r *repository) wrong(name, what, format string, args ...any) {
	r.it.Findings = append(r.it.Findings, finding{Path: name, What: what, Detail: fmt.Sprintf(format, args...)})
}

// readLog reads checkpoint and entries, and checks signatures, witnesses and the tree.
func (r *repository) readLog() error {
	note, err := r.read("log/checkpoint")
	if err != nil {
		return err
	}
	cp, _, err := proof.ParseNote(note)
	if err != nil {
		r.wrong("log/checkpoint", "checkpoint", "%v", err)
		return nil
	}
	r.it.Origin, r.it.Size, r.it.Root = cp.Origin, cp.Size, cp.Root.String()
	r.vouch(note)
	if r.log, err = r.readTree(cp.Size); err != nil {
		return err
	}
	if got, err := r.log.root(cp.Size); err != nil || got != cp.Root {
		r.wrong("log/checkpoint", "root", "the entries do not give the root that the log signed")
	}
	for i, text := range r.log.entries {
		if _, _, err := releaselog.ParseEntry([]byte(text)); err != nil {
			r.it.find(uint64(i), "entry", err.Error())
		}
		r.logged[text] = true
	}
	r.it.Contents = uint64(len(r.log.entries))
	return nil
}

// vouch asks the policy for the log's signature and its witnesses.
func (r *repository) vouch(note []byte) {
	if r.policy == nil {
		return
	}
	by, err := r.policy.Verify(note)
	if err != nil {
		r.wrong("log/checkpoint", "signatures", "%v", err)
		return
	}
	r.it.OriginChecked, r.it.Signatures = true, uint64(1+len(by.Witnesses))
	for _, w := range by.Witnesses {
		r.it.Witnesses = append(r.it.Witnesses, w.Key.Name())
	}
}

// holdAgainst compares the log with a checkpoint seen earlier: it may only have grown.
func (r *repository) holdAgainst(p *point) {
	if r.log == nil || p.Origin != r.it.Origin {
		return
	}
	p.used = true
	if p.Size > r.it.Size {
		r.wrong(p.from, "shrunk", "the log had %d entries, and has %d", p.Size, r.it.Size)
		return
	}
	if root, err := r.log.root(p.Size); err != nil || root != p.Root {
		r.wrong(p.from, "rewritten", "the first %d entries are not those of the earlier checkpoint", p.Size)
	}
}

// findReleased collects what counts as released: what the maker's metadata name, and
// what has signatures, a proof or entitlements lying here.
func (r *repository) findReleased() error {
	files, err := fs.Glob(r.files, "maker/*/metadata/*.targets.json")
	if err != nil {
		return err
	}
	for _, name := range files {
		text, err := r.read(name)
		if err != nil {
			return err
		}
		var m struct {
			Signed struct {
				Targets map[string]struct{} `json:"targets"`
			} `json:"signed"`
		}
		if err := json.Unmarshal(text, &m); err != nil {
			r.wrong(name, "metadata", "%v", err)
		}
		for target := range m.Signed.Targets {
			r.release(strings.TrimPrefix(target, "releases/"))
		}
	}
	for _, folder := range []string{"notes", "proofs", "entitlements"} {
		names, err := r.list(folder)
		if err != nil {
			return err
		}
		for _, name := range names {
			r.release(name)
		}
	}
	return nil
}

// release takes the name of a manifest, and lets everything else pass.
func (r *repository) release(name string) {
	var d manifest.Digest
	if d.UnmarshalText([]byte(name)) == nil {
		r.released[d] = true
	}
}

// statement is what an approval and a withdrawal have in common.
type statement struct {
	Format  string          `json:"format"`
	Release manifest.Digest `json:"release"`
	Body    string          `json:"body"`
	Party   string          `json:"party"`
}

// checkTargets looks at every target's content: manifests, approvals, withdrawals.
func (r *repository) checkTargets() error {
	names, err := r.list("targets")
	if err != nil {
		return err
	}
	for _, name := range names {
		text, err := r.read("targets/" + name)
		if err != nil {
			return err
		}
		if manifest.Sum(text).String() != name {
			r.wrong("targets/"+name, "content", "it does not have the hash that it is called by")
			continue
		}
		r.checkTarget(name, text)
	}
	return nil
}

func (r *repository) checkTarget(name string, text []byte) {
	var s statement
	if json.Unmarshal(text, &s) != nil {
		return // a program's own data
	}
	switch {
	case strings.HasPrefix(s.Format, "plomb-approval/"):
		r.logs(name, releaselog.Approved(s.Body), s.Release, r.released[s.Release])
	case strings.HasPrefix(s.Format, "plomb-withdrawal/"):
		r.logs(name, releaselog.Withdrawn(s.Party), s.Release, true)
	case s.Format == manifest.Format:
		if d := manifest.Sum(text); !r.released[d] {
			r.it.say("%s is signed by an authority, and not released", d)
		}
	}
}

// logs wants an entry in the log.
func (r *repository) logs(name string, event releaselog.Event, d manifest.Digest, must bool) {
	switch {
	case event.Validate() != nil:
		r.wrong("targets/"+name, "statement", "it names no party")
	case r.logged[string(releaselog.Entry(event, d))]:
	case must:
		r.wrong("targets/"+name, "unlogged", "%q of %s is not in the log", string(event), d)
	default:
		r.it.say("%q of %s is not in the log; it is not released", string(event), d)
	}
}

// checkReleased wants for every release its entry, and a proof that devices accept.
func (r *repository) checkReleased() error {
	for _, d := range slices.SortedFunc(maps.Keys(r.released), func(a, b manifest.Digest) int { return strings.Compare(a.String(), b.String()) }) {
		if !r.logged[string(releaselog.Entry(releaselog.Released, d))] {
			r.wrong("releases/"+d.String(), "unlogged", "it is released, and not in the log")
		}
		if err := r.checkProof("proofs/"+d.String(), releaselog.Released, d); err != nil {
			return err
		}
	}
	proofs, err := r.list("proofs")
	if err != nil {
		return err
	}
	for _, name := range proofs {
		var d manifest.Digest
		digest, party, of := strings.Cut(name, ".")
		if of && d.UnmarshalText([]byte(digest)) == nil {
			if err := r.checkProof("proofs/"+name, releaselog.Withdrawn(party), d); err != nil {
				return err
			}
		}
	}
	r.countAbsent()
	return nil
}

// checkProof checks a proof alone, and that its checkpoint is one of this log.
func (r *repository) checkProof(name string, event releaselog.Event, d manifest.Digest) error {
	text, err := r.read(name)
	if errors.Is(err, fs.ErrNotExist) {
		r.wrong(name, "proof", "there is none")
		return nil
	}
	if err != nil {
		return err
	}
	if r.policy != nil {
		if _, err := releaselog.Verify(r.policy, event, d, text); err != nil {
			r.wrong(name, "proof", "%v", err)
			return nil
		}
	}
	inclusion, err := proof.ParseInclusion(text)
	if err != nil {
		r.wrong(name, "proof", "%v", err)
		return nil
	}
	cp, err := inclusion.Check(releaselog.Leaf(event, d))
	if err != nil {
		r.wrong(name, "proof", "%v", err)
		return nil
	}
	if r.log == nil || cp.Origin != r.it.Origin {
		r.wrong(name, "proof", "it is of another log, %q", cp.Origin)
		return nil
	}
	if root, err := r.log.root(cp.Size); err != nil || root != cp.Root {
		r.wrong(name, "fork", "its checkpoint of %d entries is not one of this log: two histories were signed", cp.Size)
	}
	return nil
}

// countAbsent says what the log has and the repository has not.
func (r *repository) countAbsent() {
	absent := 0
	for text := range r.logged {
		event, d, err := releaselog.ParseEntry([]byte(text))
		if err == nil && event == releaselog.Released && !r.released[d] {
			absent++
		}
	}
	if absent > 0 {
		r.it.say("%d releases of the log are not in this repository", absent)
	}
	r.it.say("%d releases checked", len(r.released))
}

// read reads a small file; a larger one is an error.
func (r *repository) read(name string) ([]byte, error) {
	info, err := fs.Stat(r.files, name)
	if err != nil {
		return nil, err
	}
	if info.Size() > largeFile {
		return nil, fmt.Errorf("%s: %d bytes, more than any file of a repository but packs has", name, info.Size())
	}
	return fs.ReadFile(r.files, name)
}

// largeFile bounds metadata, manifests and tiles, in bytes.
const largeFile = 32 << 20

// list names the files in a folder; a missing one is empty.
func (r *repository) list(folder string) (names []string, err error) {
	entries, err := fs.ReadDir(r.files, folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, e := range entries {
		if path.Ext(e.Name()) != ".new" { // what a crash left
			names = append(names, e.Name())
		}
	}
	return names, nil
}
