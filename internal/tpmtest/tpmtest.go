// Package tpmtest runs a simulated TPM 2.0 (Debian package swtpm) for tests. Each has
// its own state and socket and ends with the test. In CI a missing swtpm is a
// failure; elsewhere the test is skipped.
//
//	tpm := tpmtest.Start(t)
//	floors, err := counter.TPM(tpm.Socket).Floors()
package tpmtest

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// TPM is a running simulator.
type TPM struct {
	Socket string // Unix socket that takes TPM commands
	State  string // folder of what a chip would keep; its copy put back is a chip rolled back
	t      testing.TB
	cmd    *exec.Cmd
}

// Start starts a new TPM.
func Start(t testing.TB) *TPM {
	t.Helper()
	if _, err := exec.LookPath("swtpm"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("swtpm is missing: apt install swtpm")
		}
		t.Skip("swtpm is missing: apt install swtpm")
	}
	// a socket's path is short, whatever the test is called
	dir, err := os.MkdirTemp("", "tpm")
	if err != nil {
		t.Fatal(err)
	}
	m := &TPM{Socket: filepath.Join(dir, "socket"), State: filepath.Join(dir, "state"), t: t}
	if err := os.Mkdir(m.State, 0o700); err != nil {
		t.Fatal(err)
	}
	m.On()
	t.Cleanup(func() {
		m.Off()
		os.RemoveAll(dir)
	})
	return m
}

// On powers the TPM up.
func (m *TPM) On() {
	m.t.Helper()
	os.Remove(m.Socket)
	m.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+m.State, "--server", "type=unixio,path="+m.Socket, "--flags", "not-need-init,startup-clear")
	m.cmd.Stderr = os.Stderr
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("unix", m.Socket)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("swtpm does not answer: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

// Off cuts its power.
func (m *TPM) Off() {
	if m.cmd != nil {
		_ = m.cmd.Process.Kill() // it may have ended
		_ = m.cmd.Wait()         // killed
		m.cmd = nil
	}
}
