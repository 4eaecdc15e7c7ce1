// Package arch states who may import whom, and nothing else; its test reads
// the imports as the go command sees them and compares.
//
// The table is the house of docs/design/ARCHITECTURE in short: the trade
// imports only the trade; the journal and the device protocol import nothing
// of ours; the till and the drivers meet in the protocol; SQL, WebSocket and
// serial ports have one home each.
package arch

// module is the path all of ours begin with.
const module = "github.com/plomb-pos/plomb"

// may lists, for a package or (with a trailing /...) a tree of packages, the
// trees of ours it may import besides its own subtree. The longest match
// counts; a package that matches nothing fails the test.
var may = map[string][]string{
	// the trade: pure
	"money":         nil,
	"money/format":  {"money"},
	"tax/...":       {"money"},
	"catalog/...":   {"money", "tax"},
	"staff":         nil,
	"sale":          {"money", "tax", "catalog", "staff"},
	"drawer":        {"money", "tax", "catalog", "staff", "sale"},
	"receipt":       {"money", "tax", "catalog", "staff", "sale", "drawer", "receipt/paper"},
	"receipt/paper": nil,

	// proof
	"journal/proof":       nil,
	"journal":             {"journal/proof", "internal/durable"},
	"journal/journaltest": {"journal", "journal/proof", "internal/durable", "internal/powercut"},
	"fiscal/...":          {"money", "tax", "catalog", "staff", "sale", "drawer", "receipt", "receipt/paper", "journal/proof"},
	"logbook":             {"fiscal", "journal", "journal/proof", "seal", "internal/durable"},
	"seal":                {"journal", "journal/proof", "internal/durable"},

	// devices
	"xfs4iot/...": nil,
	"driver/...":  {"xfs4iot/...", "receipt/paper", "internal/durable"},

	// trust in software
	"update":            {"update/frame", "update/manifest", "update/slot", "internal/durable", "internal/notify"},
	"update/image":      {"update", "update/manifest"},
	"update/manifest":   nil,
	"update/frame":      {"update/manifest"},
	"update/slot":       {"update/manifest", "internal/durable"},
	"update/bundle":     {"update/manifest"},
	"update/releaselog": {"update/manifest", "journal/proof"},
	"update/trust":      {"update/manifest", "update/releaselog", "journal/proof", "internal/durable"},
	"update/counter":    {"update/slot", "internal/durable"},
	"update/boot":       {"update/manifest", "update/slot", "update/counter", "update/releaselog", "journal/proof", "internal/durable"},
	"update/device": {"update", "update/boot", "update/bundle", "update/manifest", "update/slot", "update/counter", "update/releaselog", "update/trust",
		"update/inventory", "internal/durable"},
	"update/attest":    {"update/manifest", "update/slot", "update/counter", "update/boot", "internal/durable"},
	"update/inventory": {"update/manifest"},
	"update/keeper":    {"update/counter", "internal/durable"},
	"update/witness":   {"journal/proof"},
	"update/release":   {"update/keeper", "update/witness", "update/bundle", "update/manifest", "update/frame", "update/releaselog", "update/trust", "journal/proof", "internal/durable", "internal/mapped"},

	// programs
	"till": {"money", "tax", "catalog/...", "staff", "sale", "drawer", "receipt", "receipt/paper", "fiscal/...",
		"journal", "journal/proof", "internal/durable", "till/..."},
	"till/sqlite":                {"internal/durable", "internal/redo", "journal/proof", "money", "fiscal", "till"},
	"till/devices":               {"xfs4iot/...", "receipt/paper", "money", "sale", "receipt"},
	"till/devices/dispensertest": {"xfs4iot/..."},
	"till/api":                   {"till", "journal", "journal/proof", "money", "fiscal", "staff", "receipt", "receipt/paper", "sale", "catalog", "drawer", "tax"},
	"till/web":                   nil,
	"till/backup":                {"journal", "journal/proof", "internal/durable"},
	"till/software":              {"till", "till/backup", "fiscal", "staff", "update", "update/manifest", "internal/durable"},
	"till/tilltest":              {"..."},

	"cmd/plomb":        {"..."},
	"cmd/plomb-boot":   {"update/manifest", "update/slot", "update/counter", "update/boot", "internal/durable", "internal/notify"},
	"cmd/plomb-token":  {"update/keeper"},
	"cmd/plomb-verify": {"update/manifest", "update/releaselog", "journal", "journal/proof", "internal/durable", "fiscal", "money", "tax", "catalog", "staff", "sale", "drawer", "receipt", "receipt/paper"},

	"internal/durable":          nil,
	"internal/redo":             {"internal/durable"},
	"internal/powercut":         {"internal/durable"},
	"internal/powercut/rig/...": {"internal/powercut/rig/...", "journal", "journal/proof", "internal/durable", "internal/notify", "update", "update/boot", "update/counter", "update/frame", "update/manifest", "update/slot"},
	"internal/raucrig":          nil,
	"internal/replay":           {"..."},
	"internal/releasetest":      {"internal/durable", "update/manifest", "update/release", "update/slot", "update/trust"},
	"internal/supervise":        nil,
	"internal/netns":            nil,
	"internal/tpmtest":          nil,
	"internal/tokentest":        nil,
	"internal/notify":           nil,
	"internal/bench":            {"..."},
	"internal/mapped":           nil,
	"internal/sample":           {"update/release", "update/manifest", "update/slot", "update/trust", "internal/durable"},
	"internal/browsertest":      nil,
	"internal/arch":             nil,
	"internal/evidence":         {"update/inventory"},
}

// home lists the packages of others that only some of ours may import, in
// files that are not tests.
var home = map[string][]string{
	"database/sql":                  {"till/sqlite"},
	"github.com/ncruces/go-sqlite3": {"till/sqlite"},
	"github.com/coder/websocket":    {"xfs4iot", "internal/bench"}, // the echo that the protocol is measured against
	"go.bug.st/serial":              {"driver/escpos"},
	"net/http":                      {"till", "xfs4iot", "driver", "cmd/plomb", "cmd/plomb-boot", "update", "internal/replay", "internal/bench", "update/trust", "update/device", "update/witness"},
	"github.com/hashicorp/yamux":    {"xfs4iot/dialout"},
	"github.com/google/go-tpm":      {"update/counter", "update/attest", "update/keeper"},
	"github.com/miekg/pkcs11":       {"cmd/plomb-token"}, // needs cgo, so it has a program of its own
	"github.com/veraison/go-cose":   {"update/attest"},
	"github.com/fxamacker/cbor":     {"update/attest"},
	"github.com/godbus/dbus":        {"update/image"},
	"filippo.io/age":                {"update/keeper"},
	"github.com/CycloneDX":          {"update/release"},
	"github.com/theupdateframework": {"update/release", "update/trust"},
	"math/big":                      {"xfs4iot", "driver/cms", "driver/emvkey", "driver/sim/epp", "internal/raucrig"}, // RSA and certificates; otherwise amounts are integers; a JSON number may be any size
}
