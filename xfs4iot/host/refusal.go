package host

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot/pki"
)

// Reason is why somebody was refused.
type Reason string

// The reasons. Their texts are stable and may be kept in journals.
const (
	RefusedPlain         Reason = "plainText"          // spoke without TLS where TLS is asked for
	RefusedNoCertificate Reason = "noCertificate"      // showed no client certificate
	RefusedAuthority     Reason = "unknownAuthority"   // its certificate is of an authority that is not trusted
	RefusedExpired       Reason = "expired"            // its certificate is expired or not valid yet
	RefusedRevoked       Reason = "revoked"            // a revocation list names its certificate
	RefusedStaleList     Reason = "staleList"          // our revocation list is too old to trust anybody
	RefusedUse           Reason = "wrongUse"           // its certificate is not for clients
	RefusedByClient      Reason = "refusedByClient"    // it does not accept our certificate: wrong name, authority, date
	RefusedVersion       Reason = "protocolVersion"    // it speaks an older TLS only
	RefusedTimeout       Reason = "handshakeTimeout"   // it did not finish the handshake in time
	RefusedHandshake     Reason = "handshake"          // any other failure of the TLS handshake
	RefusedRights        Reason = "rights"             // its identity may not use this service, or this command
	RefusedConnections   Reason = "tooManyConnections" // the server has its fill
	RefusedWebPage       Reason = "webPage"            // a browser's request, with an Origin
	RefusedPath          Reason = "unknownService"     // no service of that name
	RefusedRate          Reason = "tooManyMessages"    // cut off: sends too much
	RefusedSlow          Reason = "doesNotRead"        // cut off: does not read, or does not finish a message
)

// Refusal is a connection that was refused or cut off, or a command that was refused
// for lack of rights. Journals keep these.
type Refusal struct {
	Time       time.Time
	Reason     Reason
	Client     Client // as far as it is known; its certificates are not verified when the handshake failed
	Service    string // "" also before it is known
	Command    string // of a command refused
	Err        error  // in words
	Suppressed int    // refusals before this one that were not told, because there were too many
}

// String gives one line.
func (r Refusal) String() string {
	text := fmt.Sprintf("%s refused (%s)", r.Client.Addr, r.Reason)
	if id := r.Client.Identity(); id != "" {
		text = fmt.Sprintf("%s at %s", id, text)
	}
	if r.Service != "" {
		text += " at " + r.Service
	}
	if r.Command != "" {
		text += ": " + r.Command
	}
	if r.Err != nil {
		text += ": " + r.Err.Error()
	}
	return text
}

// refusals tells refusals to a hook, 10 a second with a burst of 100, so that who
// knocks all the time does not fill a journal.
type refusals struct {
	tell func(Refusal)

	mu         sync.Mutex
	pace       pace
	suppressed int
}

func newRefusals(tell func(Refusal)) *refusals {
	return &refusals{tell: tell, pace: pace{rate: 10, burst: 100, left: 100, last: time.Now()}}
}

func (f *refusals) add(r Refusal) {
	if f.tell == nil {
		return
	}
	f.mu.Lock()
	if f.pace.exceeded() {
		f.suppressed++
		f.mu.Unlock()
		return
	}
	r.Suppressed, f.suppressed = f.suppressed, 0
	f.mu.Unlock()
	r.Time = time.Now()
	f.tell(r)
}

// reasonOf reads the reason from the error of a handshake.
func reasonOf(err error) Reason {
	var (
		record  tls.RecordHeaderError
		unknown x509.UnknownAuthorityError
		invalid x509.CertificateInvalidError
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &record):
		return RefusedPlain
	case errors.Is(err, pki.ErrRevoked):
		return RefusedRevoked
	case errors.Is(err, pki.ErrStale):
		return RefusedStaleList
	case errors.As(err, &unknown):
		return RefusedAuthority
	case errors.As(err, &invalid):
		return reasonOfInvalid(invalid)
	case errors.As(err, &timeout) && timeout.Timeout():
		return RefusedTimeout
	}
	return reasonOfText(err.Error())
}

func reasonOfInvalid(err x509.CertificateInvalidError) Reason {
	switch err.Reason {
	case x509.Expired:
		return RefusedExpired
	case x509.IncompatibleUsage:
		return RefusedUse
	}
	return RefusedAuthority
}

// reasonOfText knows the errors for which crypto/tls has no type; a test holds the
// texts against the library.
func reasonOfText(text string) Reason {
	switch {
	case strings.Contains(text, "client didn't provide a certificate"):
		return RefusedNoCertificate
	case strings.Contains(text, "remote error: tls:"), strings.HasSuffix(text, "EOF"):
		return RefusedByClient
	case strings.Contains(text, "unsupported versions"), strings.Contains(text, "protocol version"):
		return RefusedVersion
	}
	return RefusedHandshake
}
