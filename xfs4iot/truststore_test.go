package xfs4iot_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
)

// The system's trust store is never asked: Android has none that a device may rely on,
// and elsewhere whoever can add a root to it could drive devices. This test reads every
// file of the tree that is not a test.
//
// Requirement: XFS-15
func TestNoFileAsksTheSystemsTrustStore(t *testing.T) {
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return err
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, fault := range trustFaults(f) {
			t.Errorf("%s: %s", name, fault)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// trustFaults finds what would trust the system's authorities or nobody's at all.
func trustFaults(f *ast.File) (faults []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.SelectorExpr:
			if n.Sel.Name == "SystemCertPool" {
				faults = append(faults, "uses SystemCertPool")
			}
		case *ast.CompositeLit:
			if isSelector(n.Type, "x509", "VerifyOptions") && !hasKey(n, "Roots") {
				faults = append(faults, "x509.VerifyOptions without Roots")
			}
		case *ast.KeyValueExpr:
			if key, ok := n.Key.(*ast.Ident); ok && key.Name == "InsecureSkipVerify" {
				faults = append(faults, "sets InsecureSkipVerify")
			}
		}
		return true
	})
	return faults
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg && s.Sel.Name == name
}

func hasKey(l *ast.CompositeLit, name string) bool {
	for _, e := range l.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok {
			if key, ok := kv.Key.(*ast.Ident); ok && key.Name == name {
				return true
			}
		}
	}
	return false
}

func TestTheTrustStoreTestFindsWhatItLooksFor(t *testing.T) {
	f, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x
import ("crypto/tls"; "crypto/x509")
var pool, _ = x509.SystemCertPool()
var o = x509.VerifyOptions{DNSName: "x"}
var c = tls.Config{InsecureSkipVerify: true}`, 0)
	if err != nil {
		t.Fatal(err)
	}
	if faults := trustFaults(f); len(faults) != 3 {
		t.Errorf("%v", faults)
	}
}
