package host

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// Anonymous is the name of a client without a certificate in a table of rights.
const Anonymous = "anonymous"

// Queries stands in Allow and Deny for the commands that only ask: they move
// nothing, change nothing and show no secret of a customer.
const Queries = "queries"

// Rights say which clients may send which commands. What no row allows is refused;
// what any row that fits a client denies is refused to it whatever others allow.
//
//	{Client: "till-*", Services: []string{"*"}, Allow: []string{"*"}},
//	{Client: "monitor.shop.example", Services: []string{"*"}, Allow: []string{"queries"}},
//	{Client: "*", Services: []string{"Dispenser"}, Deny: []string{"*.Reset"}},
//
// The commands with which a client learns what it talks to and takes back its own
// commands (Common.Capabilities, Common.Status, Common.Cancel, Common.SetVersions,
// ServicePublisher.GetServices) are allowed to each client that has any right on the
// service, unless denied. Who has none on a service is refused the connection.
type Rights []Right

// Right is one row. In its patterns * stands for any characters, also none; letters
// count as they are.
type Right struct {
	Client   string   `json:"client"`         // of one of the identities, "" never fits; see Client.Names
	Services []string `json:"services"`       // of the services' names; the publisher is open to all clients of the table
	Allow    []string `json:"allow,omitzero"` // of the commands, "CashDispenser.*"; or Queries
	Deny     []string `json:"deny,omitzero"`
}

// Validate tells what is wrong with the table: rows that can never fit.
func (r Rights) Validate() error {
	var errs []error
	for i, row := range r {
		switch {
		case row.Client == "":
			errs = append(errs, fmt.Errorf("right %d: client is empty", i+1))
		case len(row.Services) == 0:
			errs = append(errs, fmt.Errorf("right %d (%s): services is empty", i+1, row.Client))
		case len(row.Allow)+len(row.Deny) == 0:
			errs = append(errs, fmt.Errorf("right %d (%s): neither allow nor deny is given", i+1, row.Client))
		}
		for _, p := range slices.Concat(row.Allow, row.Deny) {
			if p != Queries && p != "*" && !strings.ContainsAny(p, ".*") {
				errs = append(errs, fmt.Errorf("right %d (%s): %q names no command; write Interface.Command", i+1, row.Client, p))
			}
		}
	}
	return errors.Join(errs...)
}

// ErrRights is wrapped by the errors of Authorize and Connect.
var ErrRights = errors.New("not allowed to this client")

// Connect decides whether a client may connect to a service ("" is the publisher).
func (r Rights) Connect(c Client, service string) error {
	for _, row := range r {
		if row.fits(c, service) && len(row.Allow) > 0 {
			return nil
		}
	}
	return fmt.Errorf("service %q: %w", service, ErrRights)
}

// Authorize decides whether a client may send a command to a service.
func (r Rights) Authorize(c Client, service, command string) error {
	allowed := false
	for _, row := range r {
		if !row.fits(c, service) {
			continue
		}
		if matchesCommand(row.Deny, command) {
			return fmt.Errorf("%s: %w", command, ErrRights)
		}
		allowed = allowed || matchesCommand(row.Allow, command) || len(row.Allow) > 0 && slices.Contains(always, command)
	}
	if !allowed {
		return fmt.Errorf("%s: %w", command, ErrRights)
	}
	return nil
}

func (r Right) fits(c Client, service string) bool {
	return slices.ContainsFunc(c.Names(), func(n string) bool { return match(r.Client, n) }) &&
		(service == "" || slices.ContainsFunc(r.Services, func(p string) bool { return match(p, service) }))
}

func matchesCommand(patterns []string, command string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		return p == Queries && slices.Contains(queries, command) || match(p, command)
	})
}

// match compares a text with a pattern in which * stands for any characters.
func match(pattern, text string) bool {
	head, rest, wild := strings.Cut(pattern, "*")
	if !wild {
		return pattern == text
	}
	if !strings.HasPrefix(text, head) {
		return false
	}
	text = text[len(head):]
	for {
		var piece string
		if piece, rest, wild = strings.Cut(rest, "*"); !wild {
			return strings.HasSuffix(text, piece)
		}
		i := strings.Index(text, piece)
		if i < 0 {
			return false
		}
		text = text[i+len(piece):]
	}
}

// always are allowed with any right on a service.
var always = []string{
	"Common.Capabilities", "Common.Status", "Common.Cancel", "Common.SetVersions", "ServicePublisher.GetServices",
}

// queries are the commands that only ask. Common.GetCommandNonce is not one: it makes
// the nonce before it void. A test holds the names against the description.
var queries = slices.Concat(always, []string{
	"Biometric.GetStorageInfo",
	"CardReader.QueryIFMIdentifier", "CardReader.EMVClessQueryApplications",
	"Auxiliaries.GetAutoStartupTime",
	"CashAcceptor.GetCashInStatus", "CashAcceptor.GetPresentStatus",
	"CashAcceptor.GetDeviceLockStatus", "CashAcceptor.GetReplenishTarget", "CashAcceptor.GetDepleteSource",
	"CashDispenser.GetMixTypes", "CashDispenser.GetMixTable", "CashDispenser.GetPresentStatus",
	"CashManagement.GetBankNoteTypes", "CashManagement.GetTellerInfo", "CashManagement.GetClassificationList",
	"Common.GetTransactionState",
	"German.GetHSMTData",
	"KeyManagement.GetKeyDetail", "KeyManagement.GetCertificate",
	"Keyboard.GetLayout",
	"PinPad.GetQueryPCIPTSDeviceId",
	"Printer.GetFormList", "Printer.GetMediaList", "Printer.GetQueryForm", "Printer.GetQueryMedia", "Printer.GetQueryField",
	"Storage.GetStorage",
	"TextTerminal.GetFormList", "TextTerminal.GetQueryForm", "TextTerminal.GetQueryField", "TextTerminal.GetKeyDetail",
	"VendorApplication.GetActiveInterface",
})

// Names are the identities of a client's verified certificate: its URIs and DNS names,
// in this order. Without a certificate it is Anonymous.
func (c Client) Names() []string {
	if len(c.Certificates) == 0 {
		return []string{Anonymous}
	}
	var names []string
	for _, u := range c.Certificates[0].URIs {
		names = append(names, u.String())
	}
	return append(names, c.Certificates[0].DNSNames...)
}

// Identity is the first of a client's names; empty without a certificate.
func (c Client) Identity() string {
	if len(c.Certificates) == 0 {
		return ""
	}
	return pki.Identity(c.Certificates[0])
}
