// Package tpmtest runs a simulated TPM 2.0 (Debian package swtpm) for tests. Each has
// its own state and socket and ends with the test. In CI a missing swtpm is a
// failure; elsewhere the test is skipped.
//
//	tpm := tpmtest.Start(t)
//	floors, err := counter.TPM(tpm.Socket).Floors()
package tpmtest

import (
	"encoding/binary"
	"fmt"
	"io"
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

// getRandom asks for one byte (TPM 2.0 part 3, TPM2_GetRandom, without a session).
var getRandom = []byte{0x80, 0x01, 0, 0, 0, 0x0c, 0, 0, 0x01, 0x7b, 0, 1}

// On powers the TPM up and returns when it has answered: one whose power goes before
// that may not have counted the start.
func (m *TPM) On() {
	m.t.Helper()
	os.Remove(m.Socket)
	m.cmd = exec.Command("swtpm", "socket", "--tpm2", "--tpmstate", "dir="+m.State, "--server", "type=unixio,path="+m.Socket, "--flags", "not-need-init,startup-clear")
	m.cmd.Stderr = os.Stderr
	if err := m.cmd.Start(); err != nil {
		m.t.Fatal(err)
	}
	for deadline := time.Now().Add(20 * time.Second); ; {
		err := m.answers()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("swtpm does not answer: %v", err)
		}
		<-time.After(5 * time.Millisecond)
	}
}

func (m *TPM) answers() error {
	c, err := net.Dial("unix", m.Socket)
	if err != nil {
		return err
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second)) // a read without one would only wait longer
	if _, err := c.Write(getRandom); err != nil {
		return err
	}
	head := make([]byte, 10)
	if _, err := io.ReadFull(c, head); err != nil {
		return err
	}
	if code := binary.BigEndian.Uint32(head[6:]); code != 0 {
		return fmt.Errorf("response code %#x", code)
	}
	return nil
}

// Off cuts its power.
func (m *TPM) Off() {
	if m.cmd != nil {
		_ = m.cmd.Process.Kill() // it may have ended
		_ = m.cmd.Wait()         // killed
		m.cmd = nil
	}
}
