package maker

import (
	"bytes"
	"fmt"
	"io"
	"os"
)

// Program is the path of the till in its slot.
const Program = "bin/till"

// trailer begins the line behind the program.
const trailer = "\nplomb rig till, version "

// Running reads which version a program file is, from its last bytes.
func Running(name string) (counter uint64, b Behaviour, err error) {
	f, err := os.Open(name)
	if err != nil {
		return 0, "", err
	}
	defer f.Close()
	end, err := f.Seek(-64, io.SeekEnd)
	if err != nil {
		return 0, "", err
	}
	tail := make([]byte, 64)
	if _, err := f.ReadAt(tail, end); err != nil {
		return 0, "", err
	}
	at := bytes.LastIndex(tail, []byte(trailer))
	if at < 0 {
		return 0, "", fmt.Errorf("%s says no version", name)
	}
	_, err = fmt.Sscanf(string(tail[at+len(trailer):]), "%d %s\n", &counter, &b)
	return counter, b, err
}
