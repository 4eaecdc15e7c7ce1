// Package raucrig is a machine with RAUC on it, for tests and measurements: Debian's
// rauc and dbus-daemon, two slots of type raw on plain files, and a boot loader that
// is a shell script over a few files and counts starts as boot loaders do.
//
//	m, err := raucrig.New(ctx, dir, raucrig.Options{})
//	defer m.Close()
//	bundle, err := m.Build(ctx, raucrig.Bundle{Version: "2", Image: file})
//	... // whatever is under test talks to m.Address()
//	m.Boot(ctx) // the machine starts again, with what the loader chose
//
// RAUC mounts bundles through a loop device, which needs root in the first user
// namespace; the service gets a mount namespace of its own, so that nothing it mounts
// is left behind, however it ends.
//
// It starts processes and no kernel: what boots is a name. That a real boot loader
// keeps its word is not shown here.
package raucrig

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Options of a machine; the zero value will do.
type Options struct {
	Size       int64 // of each slot in bytes; 64 MiB
	ActivateIt bool  // RAUC activates what it installed by itself
}

// Compatible is what bundles have to be for.
const Compatible = "plomb-rig"

// Tries is how often the boot loader tries a slot that was activated.
const Tries = 3

// Machine is one machine. Its methods are for one goroutine.
type Machine struct {
	dir   string
	run   string // where the bus listens: a short path of plain characters, as an address needs it
	bus   *exec.Cmd
	rauc  *exec.Cmd
	words *os.File
}

// Missing names the programs that are not there, nil when all are.
func Missing() (names []string) {
	for _, name := range []string{"rauc", "dbus-daemon", "dbus-send", "mksquashfs"} {
		if _, err := exec.LookPath(name); err != nil {
			names = append(names, name)
		}
	}
	return names
}

// Unable says why no machine can be had here, "" where one can.
func Unable() string {
	if missing := Missing(); len(missing) > 0 {
		return "without " + missing[0]
	}
	if os.Geteuid() != 0 {
		return "not as root: RAUC mounts its bundles"
	}
	return ""
}

// New makes a machine in dir, an empty folder, and starts it from slot A.
func New(ctx context.Context, dir string, o Options) (*Machine, error) {
	if o.Size == 0 {
		o.Size = 64 << 20
	}
	run, err := os.MkdirTemp("", "raucrig")
	if err != nil {
		return nil, err
	}
	m := &Machine{dir: dir, run: run}
	if m.words, err = os.Create(m.path("words")); err != nil {
		return nil, err
	}
	if err := errors.Join(m.lay(o), m.startBus(ctx), m.Boot(ctx)); err != nil {
		return nil, errors.Join(fmt.Errorf("machine with RAUC: %w", err), m.Close())
	}
	return m, nil
}

func (m *Machine) path(elem ...string) string {
	return filepath.Join(append([]string{m.dir}, elem...)...)
}

// Address is that of the bus on which RAUC serves.
func (m *Machine) Address() string { return "unix:path=" + m.run + "/bus" }

// Device is the file behind the slot of a boot name, A or B.
func (m *Machine) Device(name string) string { return m.path("slot-" + name) }

// Words are what the service wrote so far.
func (m *Machine) Words() string {
	text, _ := os.ReadFile(m.path("words")) // for a test's message
	return string(text)
}

// lay writes slots, configuration, keys and the boot loader.
func (m *Machine) lay(o Options) error {
	files := map[string]string{
		"bus.conf": fmt.Sprintf(busConfig, m.Address()),
		"system.conf": fmt.Sprintf(systemConfig, Compatible, m.path("mnt"), m.path("status"), o.ActivateIt, m.path("loader"), m.path("cert.pem"),
			m.Device("A"), m.Device("B")),
		"loader":  fmt.Sprintf(loader, m.dir, Tries),
		"primary": "A",
		"tries-A": "good", "tries-B": "bad",
	}
	for name, text := range files {
		if err := os.WriteFile(m.path(name), []byte(text), 0o755); err != nil {
			return err
		}
	}
	for _, name := range []string{"A", "B"} {
		f, err := os.Create(m.Device(name))
		if err != nil {
			return err
		}
		if err := errors.Join(f.Truncate(o.Size), f.Close()); err != nil {
			return err
		}
	}
	return errors.Join(os.Mkdir(m.path("mnt"), 0o700), writeKeys(m.path("cert.pem"), m.path("key.pem")), writeKeys(m.path("other.pem"), m.path("other-key.pem")))
}

const busConfig = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>%s</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/><allow user="*"/></policy></busconfig>
`

const systemConfig = `[system]
compatible=%s
bootloader=custom
mountprefix=%s
statusfile=%s
bundle-formats=+plain
activate-installed=%t
[handlers]
bootloader-custom-backend=%s
[keyring]
path=%s
[slot.rootfs.0]
device=%s
type=raw
bootname=A
[slot.rootfs.1]
device=%s
type=raw
bootname=B
`

// loader answers as RAUC's custom boot loader backend. A slot that was activated has
// tries until it is marked; tries-X is their number, good or bad.
const loader = `#!/bin/sh
cd '%s' || exit 1
case $1 in
get-primary) cat primary;;
set-primary) echo "$2" > primary; echo %d > "tries-$2";;
get-state) if [ "$(cat "tries-$2")" = bad ]; then echo bad; else echo good; fi;;
set-state) echo "$3" > "tries-$2"
  if [ "$3" = bad ] && [ "$(cat primary)" = "$2" ]; then
    for o in A B; do [ "$o" = "$2" ] || [ "$(cat tries-$o)" = bad ] || echo $o > primary; done
  fi;;
get-current) cat booted;;
*) exit 1;;
esac
`

// writeKeys makes a certificate that signs itself, and its key.
func writeKeys(cert, key string) error {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: filepath.Base(cert)}, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600),
		os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}), 0o600))
}

// Bundle is what a bundle is made with.
type Bundle struct {
	Version    string
	Image      string // file
	Compatible string // empty: Compatible
	Stranger   bool   // signed by a key that the machine does not know
	Plain      bool   // the squashfs is not compressed
}

// Build makes a bundle (format plain) and gives its file.
func (m *Machine) Build(ctx context.Context, b Bundle) (string, error) {
	dir, err := os.MkdirTemp(m.dir, "bundle-")
	if err != nil {
		return "", err
	}
	if b.Compatible == "" {
		b.Compatible = Compatible
	}
	text := fmt.Sprintf("[update]\ncompatible=%s\nversion=%s\n[bundle]\nformat=plain\n[image.rootfs]\nfilename=rootfs.img\n", b.Compatible, b.Version)
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "manifest.raucm"), []byte(text), 0o600), os.Link(b.Image, filepath.Join(dir, "rootfs.img"))); err != nil {
		return "", err
	}
	cert, key := m.path("cert.pem"), m.path("key.pem")
	if b.Stranger {
		cert, key = m.path("other.pem"), m.path("other-key.pem")
	}
	out := dir + ".raucb"
	args := []string{"--cert", cert, "--key", key}
	if b.Plain {
		args = append(args, "--mksquashfs-args=-noI -noD -noF -noX")
	}
	text2, err := exec.CommandContext(ctx, "rauc", append(args, "bundle", dir, out)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("rauc bundle: %w: %s", err, text2)
	}
	return out, os.RemoveAll(dir)
}

// Booted is the boot name of the slot that runs, A or B.
func (m *Machine) Booted() string { return m.read("booted") }

func (m *Machine) read(name string) string {
	text, _ := os.ReadFile(m.path(name)) // nothing is an answer too
	return strings.TrimSpace(string(text))
}

// Good says whether the boot loader counts the starts of a slot no more, by its boot
// name: it was marked good and nothing was activated since.
func (m *Machine) Good(name string) bool { return m.read("tries-"+name) == "good" }
