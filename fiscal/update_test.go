package fiscal_test

import (
	"strings"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
)

// step is a stage of release 2.
func (x *till) step(stage, outcome string, edit func(*fiscal.SoftwareStage)) uint64 {
	r := release(2, false)
	b := &fiscal.SoftwareStage{
		Stage: stage, Outcome: outcome, At: x.now.UTC().Truncate(time.Millisecond), Identity: r.Identity, Counter: r.Counter, Manifest: r.Manifest,
	}
	if edit != nil {
		edit(b)
	}
	return x.record(b)
}

// consent is anna's, with the boss's approval.
func (x *till) consent() uint64 {
	r := release(2, false)
	return x.record(&fiscal.SoftwareConsent{
		Actor: both, Role: "service", For: fiscal.ForInstall, Agreed: true, Identity: r.Identity, Counter: r.Counter, Manifest: r.Manifest,
		Language: "en", Text: "The till is updated.", Deadline: x.now.UTC().Truncate(time.Second).Add(24 * time.Hour),
	})
}

// update takes release 2 through all its stages, a power cut and a withdrawal.
func (x *till) update() {
	x.step(fiscal.StageAsked, fiscal.OutcomeDone, func(b *fiscal.SoftwareStage) { b.By, b.Identity, b.Counter, b.Manifest = "anna", "", 0, "" })
	for _, s := range fiscal.SoftwareStages()[1:7] {
		x.step(s, fiscal.OutcomeDone, nil)
	}
	said := x.consent()
	x.step(fiscal.StageConsent, fiscal.OutcomeDone, func(b *fiscal.SoftwareStage) { b.By, b.Consent = "boss", &said })
	x.step(fiscal.StageGate, fiscal.OutcomeWaiting, func(b *fiscal.SoftwareStage) { b.Detail = "waiting: a sale is open" })
	x.step(fiscal.StageGate, fiscal.OutcomeDone, nil)
	begun := x.step(fiscal.StageInstalled, fiscal.OutcomeBegun, func(b *fiscal.SoftwareStage) { b.By = "boss" })
	x.record(&fiscal.SoftwareStart{Version: "1.0.0"})
	x.step(fiscal.StageInstalled, fiscal.OutcomeBegun, func(b *fiscal.SoftwareStage) { b.By, b.Again = "boss", &begun })
	for _, s := range []string{fiscal.StageInstalled, fiscal.StageVerified, fiscal.StagePointer} {
		x.step(s, fiscal.OutcomeDone, nil)
	}
	x.line(1, fiscal.StageTrial, fiscal.OutcomeBegun)
	x.line(2, fiscal.StageKept, fiscal.OutcomeDone)
	x.step(fiscal.StageWithdrawn, fiscal.OutcomeFailed, func(b *fiscal.SoftwareStage) { b.Detail = "ptb: block: wrong rounding" })
	x.step(fiscal.StageFreshness, fiscal.OutcomeWaiting, func(b *fiscal.SoftwareStage) {
		b.Identity, b.Counter, b.Manifest, b.Policy = "", 0, "", true
		b.Detail = "what is known of releases runs out on 2026-11-29 08:00:00"
	})
	r := release(2, false)
	x.record(&fiscal.SoftwareConsent{
		Actor: fiscal.Actor{By: "boss"}, Role: "supervisor", For: fiscal.ForSpend, Until: x.now.UTC().Truncate(time.Millisecond).Add(4 * time.Hour),
		Identity: r.Identity, Counter: r.Counter, Manifest: r.Manifest, Bytes: 70 << 20,
	})
}

// line is one of the launcher's, from before it is recorded.
func (x *till) line(n uint64, stage, outcome string) uint64 {
	return x.step(stage, outcome, func(b *fiscal.SoftwareStage) {
		b.Line, b.Detail = n, strings.ReplaceAll(stage, "-", " ")+" slot b"
		b.At = b.At.Add(-time.Minute)
	})
}
