// Gen writes one Go package per XFS4IoT interface from interfaces.json and
// constraints-2021-1.json, and the table of all of them (package interfaces).
// It is run by go generate in the folder xfs4iot; its output is committed.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

func main() {
	dir := flag.String("dir", ".", "folder of package xfs4iot")
	flag.Parse()
	if err := run(*dir); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(dir string) error {
	d, err := load(dir)
	if err != nil {
		return err
	}
	files, err := generate(d)
	if err != nil {
		return err
	}
	for name, src := range files {
		if err := put(filepath.Join(dir, name), src); err != nil {
			return err
		}
	}
	return nil
}

func put(name string, src []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	return os.WriteFile(name, src, 0o644)
}

// table writes package interfaces.
func (g *generator) table() error {
	f := newFile("interfaces")
	f.imports[module] = true
	f.p("// All lists the interfaces in alphabetical order. The slices in it are shared and\n// must not be changed.")
	f.p("func All() []xfs4iot.Interface {\nreturn []xfs4iot.Interface{")
	for _, i := range g.d.Interfaces {
		pkg := strings.ToLower(i.Name)
		f.imports[module+"/"+pkg] = true
		f.p("%s.Description,", pkg)
	}
	f.p("}\n}")
	src, err := f.source("")
	g.files["interfaces/all.go"] = src
	return err
}
