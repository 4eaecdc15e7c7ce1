package raucrig

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// startBus starts a bus of our own and waits until it listens.
func (m *Machine) startBus(ctx context.Context) error {
	m.bus = exec.CommandContext(ctx, "dbus-daemon", "--config-file", m.path("bus.conf"), "--nofork", "--nosyslog", "--print-address")
	m.bus.Stderr = m.words
	out, err := m.bus.StdoutPipe()
	if err != nil {
		return err
	}
	m.bus.SysProcAttr = together(false)
	if err := m.bus.Start(); err != nil {
		return err
	}
	if _, err := bufio.NewReader(out).ReadString('\n'); err != nil {
		return fmt.Errorf("the bus said no address: %w", err)
	}
	return nil
}

// Boot starts the machine (again): the loader chooses the slot and counts, then the
// service runs on it.
func (m *Machine) Boot(ctx context.Context) error {
	if err := m.stop(&m.rauc); err != nil {
		return err
	}
	name, err := m.choose()
	if err != nil {
		return err
	}
	if err := os.WriteFile(m.path("booted"), []byte(name), 0o600); err != nil {
		return err
	}
	return m.Serve(ctx)
}

// choose is what a boot loader does: the primary while it is good or has tries left,
// the other one otherwise.
func (m *Machine) choose() (string, error) {
	name := m.read("primary")
	tries := m.read("tries-" + name)
	if tries == "good" {
		return name, nil
	}
	if n, err := strconv.Atoi(tries); err == nil && n > 0 {
		return name, os.WriteFile(m.path("tries-"+name), []byte(strconv.Itoa(n-1)), 0o600)
	}
	other := map[string]string{"A": "B", "B": "A"}[name]
	return other, os.WriteFile(m.path("primary"), []byte(other), 0o600)
}

// Serve starts the service, without a start of the machine.
func (m *Machine) Serve(ctx context.Context) error {
	m.rauc = exec.CommandContext(ctx, "rauc", "--conf", m.path("system.conf"), "--override-boot-slot="+m.Booted(), "service")
	m.rauc.Env = append(os.Environ(), "DBUS_STARTER_BUS_TYPE=session", "DBUS_SESSION_BUS_ADDRESS="+m.Address())
	m.rauc.Stdout, m.rauc.Stderr = m.words, m.words
	m.rauc.SysProcAttr = together(true)
	if err := m.rauc.Start(); err != nil {
		return err
	}
	return m.wait(ctx)
}

// wait asks until the service has its name on the bus.
func (m *Machine) wait(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		out, err := exec.CommandContext(ctx, "dbus-send", "--bus="+m.Address(), "--print-reply", "--dest=org.freedesktop.DBus", "/",
			"org.freedesktop.DBus.NameHasOwner", "string:de.pengutronix.rauc").CombinedOutput()
		if err == nil && strings.Contains(string(out), "true") {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("the service does not come up: %w: %s", ctx.Err(), m.Words())
		}
	}
}

// Kill ends the service at once, as a loss of power would, and starts none.
func (m *Machine) Kill() error { return m.stop(&m.rauc) }

// Install has RAUC's own command install a bundle through the service: the peer of
// measurements.
func (m *Machine) Install(ctx context.Context, bundle string) error {
	c := exec.CommandContext(ctx, "rauc", "--conf", m.path("system.conf"), "install", bundle)
	c.Env = append(os.Environ(), "DBUS_STARTER_BUS_TYPE=session", "DBUS_SESSION_BUS_ADDRESS="+m.Address())
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("rauc install: %w: %s", err, out)
	}
	return nil
}

func (m *Machine) stop(c **exec.Cmd) error {
	if *c == nil || (*c).Process == nil {
		return nil
	}
	err := (*c).Process.Kill()
	_ = (*c).Wait() // it was killed, and says so
	if *c = nil; errors.Is(err, os.ErrProcessDone) {
		return nil
	}
	return err
}

// Close ends all processes of the machine. Its folder stays.
func (m *Machine) Close() error {
	return errors.Join(m.stop(&m.rauc), m.stop(&m.bus), m.words.Close(), os.RemoveAll(m.run))
}
