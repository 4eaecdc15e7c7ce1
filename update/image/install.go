package image

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/godbus/dbus/v5"

	"github.com/plomb-pos/plomb/update"
)

// idle is RAUC's Operation while it does nothing.
const idle = "idle"

// Write has RAUC install a bundle. An installation of before that still runs is
// waited for by asking again later: update.ErrWaiting.
func (r *RAUC) Write(ctx context.Context, image string, told func(percent int)) (place string, err error) {
	if image, err = filepath.Abs(image); err != nil {
		return "", err
	}
	err = r.with(ctx, func(s *session) error {
		if operation, err := s.text("Operation"); err != nil || operation != idle {
			return errors.Join(fmt.Errorf("%w: RAUC is %s", update.ErrWaiting, operation), err)
		}
		before, err := s.slots(ctx)
		if err != nil {
			return err
		}
		if err := s.install(ctx, image, told); err != nil {
			return err
		}
		after, err := s.slots(ctx)
		if err != nil {
			return err
		}
		place, err = written(before, after)
		return err
	})
	return place, err
}

// install starts the installation and follows it to its end.
func (s *session) install(ctx context.Context, image string, told func(percent int)) error {
	signals := make(chan *dbus.Signal, 64)
	s.conn.Signal(signals)
	for _, match := range [][]dbus.MatchOption{
		{dbus.WithMatchSender(service), dbus.WithMatchObjectPath(object)},
		{dbus.WithMatchInterface("org.freedesktop.DBus"), dbus.WithMatchMember("NameOwnerChanged"), dbus.WithMatchArg(0, service)},
	} {
		if err := s.conn.AddMatchSignalContext(ctx, match...); err != nil {
			return fmt.Errorf("%w: listen to it: %w", ErrBackend, err)
		}
	}
	if err := s.call(ctx, "InstallBundle", image, map[string]dbus.Variant{}).Err; err != nil {
		return meant(err)
	}
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case signal, open := <-signals:
			if !open {
				return fmt.Errorf("%w: the connection to the bus was lost during the installation", ErrBackend)
			}
			if done, err := s.heard(signal, told); done {
				return err
			}
		}
	}
}

// heard takes one signal; done says that the installation is over.
func (s *session) heard(signal *dbus.Signal, told func(percent int)) (done bool, err error) {
	switch signal.Name {
	case "org.freedesktop.DBus.NameOwnerChanged":
		return true, fmt.Errorf("%w: the service ended during the installation", ErrBackend)
	case installer + ".Completed":
		return true, s.outcome(signal.Body)
	case "org.freedesktop.DBus.Properties.PropertiesChanged":
		if percent, ok := progress(signal.Body); ok && told != nil {
			told(percent)
		}
	}
	return false, nil
}

// outcome reads the result of an installation, 0 where it went well.
func (s *session) outcome(body []any) error {
	var result int32
	if err := dbus.Store(body, &result); err != nil {
		return fmt.Errorf("%w: how the installation went: %w", ErrBackend, err)
	}
	if result == 0 {
		return nil
	}
	why, err := s.text("LastError")
	if err != nil {
		return err
	}
	return meant(errors.New(why))
}

// progress is the percentage of a change of the property Progress (isi).
func progress(body []any) (percent int, ok bool) {
	if len(body) < 2 {
		return 0, false
	}
	changed, _ := body[1].(map[string]dbus.Variant)
	fields, _ := changed["Progress"].Value().([]any)
	if len(fields) == 0 {
		return 0, false
	}
	n, ok := fields[0].(int32)
	return int(min(max(n, 0), 100)), ok
}

// written finds the bootable slot that an installation wrote, and makes all that it
// wrote durable.
func written(before, after []Slot) (place string, err error) {
	count := map[string]uint32{}
	for _, x := range before {
		count[x.Name] = x.Installed
	}
	for _, x := range after {
		if x.Installed == count[x.Name] {
			continue
		}
		if err := x.sync(); err != nil {
			return "", err
		}
		if x.Bootname != "" {
			place = x.Name
		}
	}
	if place == "" {
		return "", fmt.Errorf("%w: it wrote no slot that can be booted", ErrBackend)
	}
	return place, nil
}
