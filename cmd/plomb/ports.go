package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
)

// ports are the listeners of plomb up. They stay open while the launcher replaces the
// software, so that addresses stay what they were and no connection is refused.
type ports struct {
	screen   *net.TCPListener
	services *net.TCPListener // of the devices
	page     *net.TCPListener // of the devices
	// repository is the sample maker's; nil without a launcher, for then there are no
	// updates.
	repository *net.TCPListener
}

// all are the ports in the order in which they are handed on.
func (p *ports) all() []**net.TCPListener {
	return []**net.TCPListener{&p.screen, &p.services, &p.page, &p.repository}
}

func (p *ports) close() {
	for _, l := range p.all() {
		if *l != nil {
			(*l).Close()
		}
	}
}

// openPorts opens the ports.
func (c upCommand) openPorts() (*ports, error) {
	p := new(ports)
	return p, c.openRest(p)
}

// openRest opens the ports that are not open.
func (c upCommand) openRest(p *ports) error {
	for i, l := range p.all() {
		if *l != nil || l == &p.repository {
			continue
		}
		address := "127.0.0.1:0"
		if i == 0 {
			address = c.Listen
		}
		got, err := net.Listen("tcp", address)
		if err != nil {
			p.close()
			return hint{err, "choose another address with --listen, or 127.0.0.1:0 for any free port"}
		}
		*l = got.(*net.TCPListener)
	}
	return nil
}

// takePorts takes the ports that whoever started the launcher opened. A version that
// knows more of them than that one opens the rest; one that knows fewer leaves it.
func (c upCommand) takePorts() (*ports, error) {
	p := new(ports)
	for i, l := range p.all() {
		if i == len(c.Handed) {
			break
		}
		if c.Handed[i] < 0 {
			continue
		}
		f := os.NewFile(uintptr(c.Handed[i]), "listener")
		got, err := net.FileListener(f)
		if err := errors.Join(err, f.Close()); err != nil {
			p.close()
			return nil, fmt.Errorf("take a listener that was handed on: %w", err)
		}
		*l = got.(*net.TCPListener)
	}
	return p, c.openRest(p)
}

// handOn makes the listeners survive the start of another program in this process, and
// gives the descriptors.
func (p *ports) handOn() (fds []string, err error) {
	for _, l := range p.all() {
		if *l == nil {
			fds = append(fds, "-1")
			continue
		}
		fd, err := inheritable(*l)
		if err != nil {
			return nil, fmt.Errorf("hand on a listener: %w", err)
		}
		fds = append(fds, strconv.Itoa(fd))
	}
	return fds, nil
}
