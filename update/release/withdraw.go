package release

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/journal/proof"
	"github.com/plomb-pos/plomb/update/manifest"
	"github.com/plomb-pos/plomb/update/releaselog"
	"github.com/plomb-pos/plomb/update/trust"
)

// Withdraw takes a release back, by maker or authority: an explicit statement in the
// party's own repository, which Push publishes. The maker logs it at once with
// LogWithdrawals, its own and every authority's.
func (o *Office) Withdraw(release manifest.Digest, reason string, deadline time.Time, action trust.Action, now time.Time) error {
	if o.Card.Party == Deployer {
		return fmt.Errorf("withdraw: a deployer ends its campaign: %w", ErrParty)
	}
	w := &trust.Withdrawal{Format: trust.WithdrawalFormat, Release: release, Party: o.Card.Name, Reason: reason,
		Deadline: deadline.UTC().Truncate(time.Second), Action: action}
	text, err := w.Encode()
	if err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	err = o.do(fmt.Sprintf("withdraw %s: %s, %s from %s", release, reason, action, w.Deadline.Format(time.RFC3339)), now, nil, func(now time.Time) error {
		return o.whole(func() error { return o.withdraw(w, text, now) })
	})
	if err != nil {
		return fmt.Errorf("withdraw: %w", err)
	}
	return nil
}

func (o *Office) withdraw(w *trust.Withdrawal, text []byte, now time.Time) error {
	t, err := readTree(o.fsys, o.path("metadata"))
	if err != nil {
		return err
	}
	if t.targets.Signed.Targets[trust.ReleaseTarget(w.Release)] == nil {
		return fmt.Errorf("%s is not in the repository of %s: %w", w.Release, o.Card.Name, fs.ErrNotExist)
	}
	if err := o.add(now, map[string][]byte{trust.WithdrawalTarget(w.Release): text}); err != nil {
		return err
	}
	if own, err := o.own(); err != nil || own.has("withdrawn", w.Release.String()) {
		return err // said before, in the same words
	}
	return o.enter(Entry{At: now, Step: "withdrawn", Subject: w.Release.String(), Digests: []digestName{{"withdrawal", manifest.Sum(text)}}, Remark: w.Reason})
}

// LogWithdrawals enters every withdrawal that the maker's own tree and the repository
// know into the log, has it cosigned, and publishes log and proofs: the proof of a
// withdrawal is proofs/DIGEST.PARTY. It is done at once after a withdrawal, not only
// with the next publication. What is logged already is not logged again.
func (o *Office) LogWithdrawals(ctx context.Context, p *Repository, parties *Parties, witnesses []Witness) error {
	if o.Card.role(roleLog) == nil {
		return fmt.Errorf("log withdrawals: %s %s keeps no log: %w", o.Card.Party, o.Card.Name, ErrParty)
	}
	if err := o.logWithdrawals(ctx, p, parties, witnesses); err != nil {
		return fmt.Errorf("log withdrawals: %w", err)
	}
	return nil
}

func (o *Office) logWithdrawals(ctx context.Context, p *Repository, parties *Parties, witnesses []Witness) error {
	if err := o.Push(p); err != nil {
		return err
	}
	entries, err := p.withdrawals(o)
	if err != nil {
		return err
	}
	l, err := openLog(o.fsys, o.path("log"), parties.Log)
	if err != nil {
		return err
	}
	if err := o.growLog(ctx, p, l, entries, witnesses); err != nil {
		return err
	}
	policy, err := parties.LogPolicy()
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := p.prove(l, policy, entry); err != nil {
			return err
		}
	}
	return nil
}

// prove puts the proof of a withdrawal into the repository, when the policy is met.
func (p *Repository) prove(l *releaseLog, policy *proof.Policy, entry []byte) error {
	event, release, err := releaselog.ParseEntry(entry)
	if err != nil {
		return err
	}
	text, err := l.prove(entry)
	if err != nil {
		return err
	}
	if _, err := releaselog.Verify(policy, event, release, text); err != nil {
		return err
	}
	_, party, _ := strings.Cut(string(event), " ")
	return p.put("proofs/"+release.String()+"."+party, text)
}

// withdrawals are the log's entries of all withdrawals in the repository's trees.
func (p *Repository) withdrawals(o *Office) (out [][]byte, err error) {
	dirs := []string{p.treeDir(Maker, o.Card.Name)}
	bodies, err := p.fsys.ReadDir(p.path(string(Authority)))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	for _, b := range bodies {
		dirs = append(dirs, p.treeDir(Authority, b))
	}
	for _, dir := range dirs {
		t, err := readTree(p.fsys, p.path(dir))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("%s: %w", dir, err)
		}
		for _, name := range t.names("withdrawn") {
			text, err := t.target(p.fsys, p.path("targets"), name)
			if err != nil {
				return nil, err
			}
			w, err := trust.ParseWithdrawal(text)
			if err != nil {
				return nil, err
			}
			out = append(out, releaselog.Entry(releaselog.Withdrawn(w.Party), w.Release))
		}
	}
	return out, nil
}
