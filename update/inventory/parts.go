package inventory

import "github.com/plomb-pos/plomb/update/manifest"

// parts is the table; docs/design/0004-update.md, section 11, is the same in words.
var parts = []Part{
	{Name: "till, device host and their pages", By: Application, Kinds: []manifest.Kind{manifest.Program, manifest.Page}, Paths: []string{"slots/"}},
	{Name: "country profile, texts, pictures", By: Application, Kinds: []manifest.Kind{manifest.Profile, manifest.Data}},
	{Name: "operating system, with the browser that shows the till", By: Platform, Kinds: []manifest.Kind{manifest.Image}},
	{Name: "plomb-boot, the launcher", By: Platform, Kinds: []manifest.Kind{manifest.Launcher},
		Why:     "it decides which application starts, so no application may bring another one",
		Instead: "it lies in the platform's image, which is tried and given up as a whole; it is small, has no network and no configuration but the trust policy; its digest is attested where a TPM measures it"},
	{Name: "trust policy: parties, keys, thresholds, release log", By: Policy, Kinds: []manifest.Kind{manifest.BootPolicy, manifest.Anchors}, Paths: []string{"boot/policy.json", "boot/root-*"}},
	fixed("what the device is: hardware, model, jurisdiction", Never,
		"it says what releases have to fit; a release that could change it would choose its own device",
		"set at commissioning from a registered hardware version; another device is commissioned anew",
		"boot/device.json"),
	fixed("key of the device", Never,
		"content keys are wrapped to it and its hash is the device's name; whoever replaces it makes another device",
		"the deployer entitles the old name no more, and the device is provisioned anew; a key that was copied opens contents, and installs nothing",
		"boot/device.key"),
	fixed("configuration: sources, rates, deployer", Service,
		"where to ask and when belongs to the owner, not to the maker",
		"nothing in it can make the device take what maker and authorities did not sign; campaigns change the moment; the relay's certificate and key are files that it names",
		"boot/update.json"),
	fixed("version floors in the TPM", Never,
		"counters only rise: that is what they are for",
		"a release says how far the floor may rise, at most 64 at once; without a TPM the floor lies in the slot table, and only attestation notices an old disk",
		"boot/tpm"),
	fixed("slot table, launcher's log and lock", Record,
		"state of the launcher",
		"checksums, two copies; the log is copied into the journal",
		"boot/table", "boot/ring", "boot/lock", "boot/place", "update.sock", "platform.lock", "platform.making/"),
	fixed("downloads and verified metadata", Record,
		"what the agent fetched",
		"verified anew at each use; lost or damaged it is fetched again",
		"download/", "trust/"),
	fixed("journal, vault and keys of the seal", Record,
		"the record of what happened",
		"its formats are read for ever: a release reads what the one before wrote, and expands formats before it contracts them"),
	fixed("boot ROM, firmware (UEFI) and boot loader", Others,
		"they run before anything of plomb does",
		"registered with the hardware version; secure boot where the machine has it; PCRs 0 to 7 are quoted in the attestation, so that a change is seen"),
	fixed("firmware of the TPM", Others,
		"only its maker can sign it",
		"a release names the hardware that it is for, so one part with a known weakness can be left behind"),
	fixed("firmware of attached devices: printer, cash parts, card reader, PIN pad, scanner, display, and what else speaks XFS4IoT", Others,
		"their makers sign and load it by ways of their own, the payment parts' under rules of their own; plomb carries no firmware of theirs",
		"each service tells model and versions of its firmware and software; rights by client identity and mutual TLS bound what a device can do; it holds no record: whatever it does, the journal has the intent before and asks for the outcome after"),
	fixed("payment terminal", Others,
		"its scheme's rules leave its software to its acquirer",
		"outside of the trusted part: it answers amounts and outcomes, each recorded before and after"),
	fixed("network equipment of the shop", Others,
		"belongs to the shop",
		"trusted with nothing: everything that counts is signed, and connections to devices and hub are mutual TLS"),
}

// fixed is a part that no release of any scope brings, for a reason and with something
// that makes up for it; paths are its files.
func fixed(name string, by By, why, instead string, paths ...string) Part {
	return Part{Name: name, By: by, Paths: paths, Why: why, Instead: instead}
}
