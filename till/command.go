package till

import (
	"github.com/plomb-pos/plomb/staff"
)

// command is a row of the table of commands.
type command struct {
	// op is the operation that staff's table decides about; which tells where it
	// depends on the arguments.
	op    staff.Name
	which func(*call) (staff.Name, error)
	// basket says that there has to be an open basket.
	basket bool
	// real says that it moves money or closes the day: not in training.
	real bool
	// whileLocked says that it is possible while the screen is locked.
	whileLocked bool
	// before does what takes long, outside the book.
	before func(*call, sessionKey) error
	run    func(*call) error
}

// commands is every command there is: docs/design/0002-till.md, "Commands".
// It is filled by init because functions of the table look into it.
var commands map[string]command

func init() {
	commands = map[string]command{
		"basket.scan":     {op: staff.Sell, run: scan},
		"basket.add":      {op: staff.Sell, run: add},
		"basket.quantity": {op: staff.Quantity, basket: true, run: quantity},
		"basket.remove":   {op: staff.LineRemoval, basket: true, run: remove},
		"basket.price":    {op: staff.PriceOverride, basket: true, run: override},
		"basket.discount": {which: discountOperation, basket: true, run: discount},
		"basket.suspend":  {op: staff.Suspend, basket: true, run: suspend},
		"basket.resume":   {op: staff.Resume, run: resume},
		"basket.abort":    {op: staff.Abort, basket: true, run: abort},
		"basket.tender":   {op: staff.Tender, basket: true, run: tender},
		"basket.untender": {op: staff.Tender, basket: true, run: untender},
		"sale.complete":   {op: staff.Complete, basket: true, run: complete},
		"basket.proforma": {op: staff.ProForma, basket: true, run: proForma},

		"sale.late": {op: staff.LateEntry, basket: true, real: true, run: completeLate},

		"return.begin": {op: staff.Return, before: awaitOriginals, run: beginReturn},
		"return.line":  {op: staff.Return, basket: true, before: awaitOriginals, run: returnLine},

		"receipt.void":  {op: staff.Void, before: awaitSearch, run: void},
		"receipt.copy":  {op: staff.Copy, before: awaitSearch, run: copyReceipt},
		"receipt.print": {op: staff.Copy, before: awaitSearch, run: printReceipt},

		"drawer.open":   {op: staff.OpenShift, real: true, run: openShift},
		"drawer.float":  {op: staff.FloatIn, real: true, run: floatIn},
		"drawer.payin":  {op: staff.PayIn, real: true, run: payIn},
		"drawer.payout": {op: staff.PayOut, real: true, before: readPayOut, run: payOut},
		"drawer.nosale": {op: staff.NoSale, run: noSale},
		"drawer.count":  {op: staff.Count, real: true, run: count},
		"drawer.close":  {op: staff.CloseShift, real: true, run: closeShift},

		"change.dispense": {op: staff.NoSale, before: readChange, run: dispenseChange},
		"dispense.decide": {op: staff.ResolveOutcome, run: decideDispense},
		"dispenser.clear": {op: staff.NoSale, run: clearDispenser},

		"report.x": {op: staff.XReport, run: reportX},
		"report.z": {op: staff.ZReport, real: true, run: reportZ},

		"training.start": {op: staff.TrainingStart, run: startTraining},
		"training.stop":  {op: staff.TrainingStop, run: stopTraining},

		"session.lock":    {op: staff.Lock, whileLocked: true, run: lock},
		"session.unlock":  {op: staff.Unlock, whileLocked: true, before: proveOneself, run: unlock},
		"session.signout": {op: staff.SignOut, whileLocked: true, run: signOut},

		"people.add":    {which: personOperation, before: hashPIN, run: addPerson},
		"people.change": {which: personOperation, run: changePerson},
		"people.pin":    {which: pinOperation, before: hashPIN, run: changePIN},

		"settings.change":   {op: staff.SettingsChange, run: changeSettings},
		"articles.import":   {op: staff.ArticlesImport, before: readArticles, run: importArticles},
		"articles.lookup":   {op: staff.PriceLookup, run: lookUp},
		"articles.price":    {op: staff.PriceChange, run: changePrice},
		"tax.change":        {op: staff.TaxChange, run: changeTax},
		"till.decommission": {op: staff.Decommission, real: true, run: decommission},
		"language.set":      {op: staff.Language, run: setLanguage},

		"software-check": {op: staff.SoftwareCheck, run: checkSoftware},
		"software-agree": {op: staff.SoftwareUpdate, run: agreeSoftware},
		"software-later": {op: staff.SoftwareLater, run: laterSoftware},
	}
}

// Commands lists the names of all commands and the operation each needs; empty
// where that depends on the arguments.
func Commands() map[string]staff.Name {
	out := map[string]staff.Name{}
	for name, c := range commands {
		out[name] = c.op
	}
	return out
}
