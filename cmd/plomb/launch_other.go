//go:build !unix

package main

import (
	"errors"
	"net"
)

const canLaunch = false

func become(string, []string, []string) error { return errors.ErrUnsupported }

func inheritable(*net.TCPListener) (int, error) { return 0, errors.ErrUnsupported }
