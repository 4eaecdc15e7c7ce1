// Package image hands the operating-system image of a platform release to RAUC
// (rauc.io), over its D-Bus interface de.pengutronix.rauc. It is the back end
// (update.Backend) of the agent that brings the platform:
//
//	machine := &image.RAUC{}              // the system bus
//	agent, err := update.New(update.Config{Root: root + "/platform", Backend: machine, ...})
//	err = agent.Settle(ctx, tests)        // when the program is up
//
// The image is a RAUC bundle. It was verified by maker, authorities and log before
// RAUC hears of it; RAUC's own signature and its check of "compatible" stay on, and
// come on top.
//
// # What RAUC's configuration has to say
//
// activate-installed=false, so that writing and activating stay two stages (an image
// that RAUC activated by itself is taken back and refused); a statusfile that
// survives; a boot loader that counts starts and goes back by itself.
//
// # Promises
//
// Every call asks RAUC anew over a connection of its own; nothing is remembered, so a
// restarted service does no harm. Write returns after the written slots were synced,
// whatever RAUC itself syncs. Verify reads slots of the types raw and vfat from the
// disk, not from memory, and compares them with the hash that RAUC's signed manifest
// gave; of other types, which RAUC or the file system changes while installing, only
// RAUC's status is looked at.
//
// # What it does not do
//
// It starts no RAUC, mounts nothing and has no way to stop an installation: when the
// context ends RAUC goes on, and the next Write waits for it. Tried with RAUC 1.8.
package image

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/plomb-pos/plomb/update"
)

// Names of RAUC's service, from its data/rauc-installer.xml.
const (
	service   = "de.pengutronix.rauc"
	installer = "de.pengutronix.rauc.Installer"
	object    = dbus.ObjectPath("/")
)

// RAUC is the service on one bus.
type RAUC struct {
	// Address of the bus, such as unix:path=/run/dbus/system_bus_socket; empty: the
	// system bus.
	Address string
}

var _ update.Backend = (*RAUC)(nil)

// ErrBackend is wrapped by errors about what RAUC says or how it is set up.
var ErrBackend = errors.New("RAUC")

// session is one connection.
type session struct {
	conn *dbus.Conn
	rauc dbus.BusObject
}

func (r *RAUC) open(ctx context.Context) (*session, error) {
	connect := dbus.ConnectSystemBus
	if r.Address != "" {
		connect = func(opts ...dbus.ConnOption) (*dbus.Conn, error) { return dbus.Connect(r.Address, opts...) }
	}
	conn, err := connect(dbus.WithContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("%w: connect to the bus: %w", ErrBackend, err)
	}
	return &session{conn: conn, rauc: conn.Object(service, object)}, nil
}

func (s *session) close() { _ = s.conn.Close() } // nothing was written that a close could lose

func (s *session) call(ctx context.Context, method string, args ...any) *dbus.Call {
	return s.rauc.CallWithContext(ctx, installer+"."+method, 0, args...)
}

func (s *session) text(name string) (string, error) {
	v, err := s.rauc.GetProperty(installer + "." + name)
	if err != nil {
		return "", fmt.Errorf("%w: ask for %s: %w", ErrBackend, name, err)
	}
	text, ok := v.Value().(string)
	if !ok {
		return "", fmt.Errorf("%w: %s is no text", ErrBackend, name)
	}
	return text, nil
}

// Machine asks which slot is booted and which is primary. Places are RAUC's names of
// bootable slots, such as rootfs.1.
func (r *RAUC) Machine(ctx context.Context) (m update.Machine, err error) {
	s, err := r.open(ctx)
	if err != nil {
		return m, err
	}
	defer s.close()
	return s.machine(ctx)
}

func (s *session) machine(ctx context.Context) (m update.Machine, err error) {
	slots, err := s.slots(ctx)
	if err != nil {
		return m, err
	}
	for _, x := range slots {
		if x.Bootname != "" && x.State == "booted" {
			m.Running = x.Name
		}
	}
	if m.Running == "" {
		return m, fmt.Errorf("%w: none of its slots is booted", ErrBackend)
	}
	if err := s.call(ctx, "GetPrimary").Store(&m.Next); err != nil {
		return m, fmt.Errorf("%w: ask for the primary slot: %w", ErrBackend, err)
	}
	return m, nil
}

// Check has RAUC verify a bundle's signature and compares what it is for.
func (r *RAUC) Check(ctx context.Context, image string) error {
	s, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	if image, err = filepath.Abs(image); err != nil {
		return err
	}
	var compatible, version string
	if err := s.call(ctx, "Info", image).Store(&compatible, &version); err != nil {
		return meant(err)
	}
	own, err := s.text("Compatible")
	if err != nil {
		return err
	}
	if compatible != own {
		return update.At(update.Compatibility, fmt.Errorf("%w: the bundle is for %q, this is %q", update.ErrRejected, compatible, own))
	}
	return nil
}

// Activate marks a slot as active.
func (r *RAUC) Activate(ctx context.Context, place string) error {
	return r.with(ctx, func(s *session) error { return s.activate(ctx, place) })
}

func (r *RAUC) with(ctx context.Context, do func(*session) error) error {
	s, err := r.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	return do(s)
}

func (s *session) activate(ctx context.Context, place string) error {
	if err := s.mark(ctx, "active", place); err != nil {
		return err
	}
	m, err := s.machine(ctx)
	if err == nil && m.Next != place {
		err = fmt.Errorf("%w: %s was activated, and %s starts next", ErrBackend, place, m.Next)
	}
	return err
}

func (s *session) mark(ctx context.Context, state, place string) error {
	var name, message string
	if err := s.call(ctx, "Mark", state, place).Store(&name, &message); err != nil {
		return fmt.Errorf("%w: mark %s %s: %w", ErrBackend, place, state, err)
	}
	return nil
}

// Keep marks the booted slot as good.
func (r *RAUC) Keep(ctx context.Context, place string) error {
	return r.with(ctx, func(s *session) error {
		m, err := s.machine(ctx)
		if err != nil {
			return err
		}
		if m.Running != place {
			return fmt.Errorf("%w: %s is booted, not %s", ErrBackend, m.Running, place)
		}
		return s.mark(ctx, "good", place)
	})
}

// GiveUp marks a slot as bad; where it was the next to start, another bootable one is.
func (r *RAUC) GiveUp(ctx context.Context, place string) error {
	return r.with(ctx, func(s *session) error {
		if err := s.mark(ctx, "bad", place); err != nil {
			return err
		}
		m, err := s.machine(ctx)
		if err != nil || m.Next != place {
			return err
		}
		slots, err := s.slots(ctx)
		if err != nil {
			return err
		}
		for _, x := range slots {
			if x.Bootname != "" && x.Name != place {
				return s.activate(ctx, x.Name)
			}
		}
		return fmt.Errorf("%w: there is no bootable slot but %s", ErrBackend, place)
	})
}

// meanings are words of RAUC's errors, which have no codes (src/signature.c,
// install.c, update_handler.c and service.c of 1.8).
var meanings = []struct {
	words string
	stage update.Stage
	err   error
}{
	{"signature", update.Authenticity, update.ErrRejected},
	{"rauc info error", update.Authenticity, update.ErrRejected}, // all that 1.8 says of a bundle that it does not accept
	{"Compatible mismatch", update.Compatibility, update.ErrRejected},
	{"too small for image", update.Compatibility, update.ErrRejected},
	{"No space left", update.Installed, update.ErrSpace},
	{"lready processing", update.Installed, update.ErrWaiting},
}

// meant says what an error of RAUC means for the update.
func meant(err error) error {
	for _, m := range meanings {
		if strings.Contains(err.Error(), m.words) {
			return update.At(m.stage, fmt.Errorf("%w: RAUC: %w", m.err, err))
		}
	}
	return fmt.Errorf("%w: %w", ErrBackend, err)
}
