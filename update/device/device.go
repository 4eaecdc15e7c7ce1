// Package device is a whole device that keeps its own software up to date: its folder
// on disk, made once and opened at every start, and everything of the update joined
// over it: trust (update/trust), the log of releases, version floors, the deployer's
// campaigns and entitlements, the sources, and the agent (package update).
//
// Making one is the end of commissioning:
//
//	key, err := device.NewKey()              // the deployer entitles key.Public()
//	release, err := device.Provision(ctx, device.New{
//		Root: "/srv/device", Policy: trustPolicy, Key: key,
//		Facts:      boot.Facts{Model: "TIL", Jurisdiction: "NL"},
//		Config:     device.Config{Sources: []string{"https://updates.example"}, Deployer: &deployer},
//		Repository: "/media/stick/repository",
//	})
//
// # Folder
//
//	ROOT/boot/policy.json       trust policy: parties, their first roots, the release log
//	ROOT/boot/root-SHA256.json  first roots
//	ROOT/boot/device.json       what the device is: hardware, model, jurisdiction
//	ROOT/boot/update.json       Config
//	ROOT/boot/device.key        key that content keys are wrapped to; its hash is the device's name
//	ROOT/boot/{table,ring,tpm}  the launcher's (packages update/slot and update/counter)
//	ROOT/slots/{a,b}            two versions
//	ROOT/download               the agent's
//	ROOT/trust                  verified metadata, campaign, entitlements: written while running
//
// docs/design/0004-update.md, section 5.
package device
