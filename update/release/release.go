// Package release is the side of a software update that people are on: the maker
// who builds and publishes, the approval authority that confirms, the deployer who
// decides which device gets it when. The device's side is update/trust and update.
//
// A release is a folder that goes through steps, and each step is a signed entry in
// the folder's record, chained to the one before:
//
//	built → attached → registered → confirmed → encrypted → published
//
// A step out of order is refused (requirement FM-10), and so is one that is signed by
// a key that the parties file does not name for it. Every entry binds by SHA-256 what
// it was about; Open reads all of it again and finds what was changed.
//
// Each party has an Office: a folder with its keys (every one for one purpose, in a
// file, a TPM or on a token, see package keeper), its TUF repository and its own record.
// An office never holds another party's key. A key may also be elsewhere, with a Holder:
// then what needs it gives an *Awaiting, whose request people carry there and back.
//
//	maker, err := release.OpenOffice("maker", unlock)
//	r, err := maker.Build(ctx, "1.4", parties, plan, now)
//	err = r.Attach(maker, "test", "tests.pdf", report, now)
//	err = r.Register(maker, now)          // the manifest is final and signed
//	err = r.Approve(authority, cert, now)  // the authority reads and signs the same bytes
//	err = r.Encrypt(maker, now)            // the content key goes to the deployer's custody
//	err = maker.Publish(ctx, repository, r, witnesses, now)
//
// # Sealing and signing
//
// Packs are sealed while they are built, under a content key drawn then: so the
// manifest that everybody signs names the bytes that travel. Encrypt opens the
// whole packs again, makes sure that they give the approved components, wraps the
// content key to the deployer's custody key and removes the clear one. From then on
// only the deployer can hand it on, device by device (Entitle), and each handing-out
// is an entry in the deployer's record (requirement DL-21).
//
// # Promises
//
// Nothing that a step has bound is written again by a later one. A step that was cut
// off by a crash can be done again; what an act changes in an office changes whole or
// not at all. Every opening of a key is a line in the office's access log before the key
// is used (requirement DL-21). No input makes the package panic or use memory
// without bound; Build holds one component and the one it is compared with in memory.
//
// # What it does not do
//
// A record protects against changes, not against its own loss: whoever removes its
// last entries takes the folder back to an earlier step, where the same bytes have to
// be signed again. The maker's register and the log of releases notice what was
// registered and published. An access log is chained, not signed.
//
// The formats: docs/design/0004-update.md; the steps for people:
// docs/guides/releasing.md.
package release

import (
	"errors"

	"github.com/plomb-pos/plomb/update/manifest"
)

// Errors. They are wrapped with what was being done.
var (
	ErrOrder    = errors.New("a step out of order")
	ErrTampered = errors.New("not what was recorded")
	ErrParty    = errors.New("not for this party to do")
	ErrReports  = errors.New("reports are missing")
	ErrVersion  = errors.New("the version does not rise")
	ErrFormat   = errors.New("malformed")
	ErrExists   = errors.New("is there already")
)

// Reports that a release has to carry before anybody may approve it (requirement
// DL-19).
var neededReports = []string{"assessor", "bom", "provenance", "test"}

// digestName is a digest with its name in an entry of a record.
type digestName struct {
	Name   string          `json:"name"`
	SHA256 manifest.Digest `json:"sha256"`
}
