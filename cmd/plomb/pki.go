package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// pkiCommand is a small certificate authority for devices and what drives them.
type pkiCommand struct {
	Init   pkiInit   `cmd:"" help:"Make an authority, and identities for a device host and a till to begin with."`
	Issue  pkiIssue  `cmd:"" help:"Issue an identity: a certificate with its key."`
	Renew  pkiRenew  `cmd:"" help:"Issue an identity again, with a new key."`
	Revoke pkiRevoke `cmd:"" help:"Make certificates void."`
	List   pkiList   `cmd:"" help:"List what was issued."`
	CRL    pkiCRL    `cmd:"" name:"crl" help:"Sign the revocation list anew, before its time is over."`
}

// authorityDir is where the authority is.
type authorityDir struct {
	Dir string `default:"plomb-pki" type:"path" help:"Folder of the authority. Keep it on a machine that is not a till."`
}

func (a authorityDir) open() (*pki.Authority, error) {
	out, err := pki.Open(a.Dir, pki.Options{})
	if err != nil {
		return nil, hint{err, "plomb pki init makes an authority"}
	}
	return out, nil
}

// identityDir is where the files of a party are put when nothing else is said.
func (a authorityDir) identityDir(name string) string {
	return filepath.Join(a.Dir, "identities", strings.NewReplacer("/", "_", ":", "_").Replace(name))
}

type pkiInit struct {
	authorityDir
	Name    string `default:"XFS4IoT devices" help:"Name of the authority, for people."`
	Ed25519 bool   `name:"ed25519" help:"Ed25519 keys in place of P-256; not every maker's TLS knows them."`
	Devices string `default:"devices" help:"Identity of the device host."`
	Till    string `default:"till" help:"Identity of the till."`
	Host    string `placeholder:"HOST" help:"Name or address under which the device host is reached, beside this machine's loopback."`
	Bare    bool   `help:"Make the authority only."`
}

// Help shows the way on.
func (pkiInit) Help() string {
	return `Makes a certificate authority in a folder, and two identities to begin with: one
for the host of the devices, one for the till. Each is a folder with cert.pem,
key.pem, ca.pem and crl.pem that is carried to where it is used; the root's key
stays in the authority's folder. An authority that is there is never replaced.

  plomb pki init
  plomb pki issue monitor --client
  plomb xfs list HOST:5846 --identity plomb-pki/identities/monitor

A maker with an authority of his own puts files of the same names into a folder
and needs no plomb pki.`
}

func (c pkiInit) Run(s streams) error {
	a, err := pki.Create(c.Dir, c.options())
	if errors.Is(err, pki.ErrExists) {
		return hint{err, "plomb pki issue issues a further identity"}
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(s.Out, "authority  %s\n", c.Dir)
	if c.Bare {
		return nil
	}
	devices := pki.Request{Name: c.Devices, Use: pki.Both, DNS: []string{"localhost"}, IPs: loopback()}
	if err := addHost(&devices, c.Host); err != nil {
		return usage{err}
	}
	for _, r := range []pki.Request{devices, {Name: c.Till, Use: pki.Both, DNS: []string{"localhost"}, IPs: loopback()}} {
		if err := issue(s, a, r, c.identityDir(r.Name)); err != nil {
			return err
		}
	}
	return nil
}

func (c pkiInit) options() pki.Options {
	o := pki.Options{Name: c.Name}
	if c.Ed25519 {
		o.Algorithm = pki.Ed25519
	}
	return o
}

func loopback() []netip.Addr {
	return []netip.Addr{netip.AddrFrom4([4]byte{127, 0, 0, 1}), netip.IPv6Loopback()}
}

// addHost adds a name or an address under which a server is reached.
func addHost(r *pki.Request, host string) error {
	if host == "" {
		return nil
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		r.IPs = append(r.IPs, ip)
		return nil
	}
	if strings.ContainsAny(host, "/: ") {
		return fmt.Errorf("%q is neither a host's name nor an address", host)
	}
	r.DNS = append(r.DNS, host)
	return nil
}

func issue(s streams, a *pki.Authority, r pki.Request, dir string) error {
	issued, err := a.Issue(r)
	if err != nil {
		return err
	}
	return save(s, r.Name, issued, dir)
}

func save(s streams, name string, issued *pki.Issued, dir string) error {
	if _, err := issued.Save(dir); err != nil {
		return err
	}
	_, err := fmt.Fprintf(s.Out, "identity   %s  until %s  %s\n", name, issued.Certificate.NotAfter.Format(time.DateOnly), dir)
	return err
}

type pkiIssue struct {
	authorityDir
	Name   string   `arg:"" help:"The identity: a DNS name (till-2, dispenser.shop.example) or a URI (xfs4iot://shop/till-2)."`
	Client bool     `xor:"use" help:"It drives devices only."`
	Server bool     `xor:"use" help:"It serves devices only. By default it may do both."`
	Host   []string `placeholder:"HOST" help:"Names and addresses under which it is reached; repeat for several."`
	Days   int      `default:"730" help:"How long it is valid."`
	CSR    string   `name:"csr" type:"existingfile" placeholder:"FILE" help:"Certificate request (PEM or DER) of a key that stays where it was made."`
	Out    string   `type:"path" placeholder:"DIR" help:"Folder for its files; default plomb-pki/identities/NAME."`
}

func (c pkiIssue) Run(s streams) error {
	r, err := c.request()
	if err != nil {
		return usage{err}
	}
	a, err := c.open()
	if err != nil {
		return err
	}
	if c.Out == "" {
		c.Out = c.identityDir(c.Name)
	}
	return issue(s, a, r, c.Out)
}

// day is how lifetimes are counted.
const day = 24 * time.Hour

func (c pkiIssue) request() (pki.Request, error) {
	r := pki.Request{Name: c.Name, Use: pki.Both}
	switch {
	case c.Client:
		r.Use = pki.Client
	case c.Server:
		r.Use = pki.Server
	}
	if c.Days < 1 || c.Days > 36500 {
		return r, fmt.Errorf("%d days are not between 1 and 36500", c.Days)
	}
	r.Life = time.Duration(c.Days) * day
	for _, h := range c.Host {
		if err := addHost(&r, h); err != nil {
			return r, err
		}
	}
	var err error
	r.CSR, err = readCSR(c.CSR)
	return r, err
}

// maxCSR is more than any request has, in bytes.
const maxCSR = 64 << 10

func readCSR(name string) ([]byte, error) {
	if name == "" {
		return nil, nil
	}
	info, err := os.Stat(name)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxCSR {
		return nil, fmt.Errorf("%s: %d bytes are more than any certificate request has", name, info.Size())
	}
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(text); block != nil {
		text = block.Bytes
	}
	if _, err := x509.ParseCertificateRequest(text); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return text, nil
}

type pkiRenew struct {
	authorityDir
	Name string `arg:"" help:"The identity to issue again."`
	Days int    `help:"How long it is valid; default: as long as the last one."`
	Out  string `type:"path" placeholder:"DIR" help:"Folder for its files; default plomb-pki/identities/NAME."`
}

// Help says what becomes of the old one.
func (pkiRenew) Help() string {
	return `Issues a certificate like the newest one of the name, with a new key. The old one
stays valid until its end or until it is revoked, so that it can be replaced
without a pause: device host and till read their files again while they run.`
}

func (c pkiRenew) Run(s streams) error {
	a, err := c.open()
	if err != nil {
		return err
	}
	if c.Days < 0 {
		return usage{errors.New("a certificate is valid for a day at least")}
	}
	issued, err := a.Renew(c.Name, pki.Request{Life: time.Duration(c.Days) * day})
	if err != nil {
		return err
	}
	if c.Out == "" {
		c.Out = c.identityDir(c.Name)
	}
	return save(s, c.Name, issued, c.Out)
}

type pkiRevoke struct {
	authorityDir
	Name   string `arg:"" help:"An identity, all of whose certificates become void, or the serial number of one."`
	Reason string `required:"" help:"Why, for whoever reads the list of what was issued."`
	DryRun bool   `help:"Show what would become void."`
}

// Help says when it counts.
func (pkiRevoke) Help() string {
	return `Makes certificates void and signs a new revocation list, crl.pem, in the authority's
folder. Carry the list to every device host and till: they refuse the
certificates as soon as they have it, also on connections that are open. A
revocation cannot be taken back; plomb pki issue issues the identity again.`
}

func (c pkiRevoke) Run(s streams) error {
	a, err := c.open()
	if err != nil {
		return err
	}
	if c.DryRun {
		return c.preview(s, a)
	}
	void, err := a.Revoke(c.Name, c.Reason)
	if err != nil {
		return err
	}
	if err := writeEntries(s, void); err != nil {
		return err
	}
	fmt.Fprintf(s.Err, "plomb: carry %s to every device host and till\n", filepath.Join(c.Dir, pki.ListFile))
	return nil
}

func (c pkiRevoke) preview(s streams, a *pki.Authority) error {
	all, err := a.List()
	if err != nil {
		return err
	}
	var hit []pki.Entry
	for _, e := range all {
		if (e.Name == c.Name || e.Serial == c.Name) && e.State != pki.Revoked {
			hit = append(hit, e)
		}
	}
	if len(hit) == 0 {
		return fmt.Errorf("%q: %w", c.Name, pki.ErrUnknown)
	}
	return writeEntries(s, hit)
}

type pkiList struct {
	authorityDir
	JSON bool `name:"json" help:"Print one line of JSON a certificate."`
}

func (c pkiList) Run(s streams) error {
	a, err := c.open()
	if err != nil {
		return err
	}
	all, err := a.List()
	if err != nil {
		return err
	}
	if c.JSON {
		return encodeLines(s, all)
	}
	return writeEntries(s, all)
}

func writeEntries(s streams, all []pki.Entry) error {
	w := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, e := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\tuntil %s\t%s\t%s\n", e.Name, e.Use, e.State, e.NotAfter.Format(time.DateOnly), e.Serial, e.Reason)
	}
	return w.Flush()
}

type pkiCRL struct {
	authorityDir
}

// Help says why it is needed.
func (pkiCRL) Help() string {
	return `A revocation list counts for a year. Parties refuse everybody rather than trust an
old one: sign it anew before, and carry crl.pem to every device host and till.`
}

func (c pkiCRL) Run(s streams) error {
	a, err := c.open()
	if err != nil {
		return err
	}
	if err := a.PublishList(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(s.Out, filepath.Join(c.Dir, pki.ListFile))
	return err
}
