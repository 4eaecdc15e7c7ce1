package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	"golang.org/x/mod/sumdb/tlog"

	"github.com/plomb-pos/plomb/journal/proof"
)

// exported is a line as a stranger reads it, who has the documentation only.
type exported struct {
	Index      uint64         `json:"index"`
	Head       []byte         `json:"head"`
	Salt       string         `json:"salt"`
	Leaf       string         `json:"leaf"`
	Body       jsontext.Value `json:"body"`
	Size       uint64         `json:"size"`
	Root       string         `json:"root"`
	Signed     uint64         `json:"signed"`
	Checkpoint string         `json:"checkpoint"`
}

// TestAStrangerChecksAnExportWithSHA256Alone needs no package of ours for the
// heads, bodies and the tree: only the signature is verified with journal/proof.
//
// Requirement: POS-08
// Requirement: POS-02
func TestAStrangerChecksAnExportWithSHA256Alone(t *testing.T) {
	shop := soldShop(t)
	shop.Close()
	text, code := plomb(t, nil, "export", "journal", "--dir", shop.Dir, "--out", "-")
	if code != 0 {
		t.Fatalf("export ends with %d", code)
	}
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	var leaves []tlog.Hash
	for i, l := range lines[:len(lines)-1] {
		x := readLine(t, l)
		leaf := sha256.Sum256(append([]byte{0}, x.Head...))
		if hex.EncodeToString(leaf[:]) != x.Leaf || x.Index != uint64(i) {
			t.Errorf("line %d: leaf %s is not the hash of its head", i, x.Leaf)
		}
		salt, err := hex.DecodeString(x.Salt)
		commitment := sha256.Sum256(append(append([]byte("plomb body v1\n"), salt...), x.Body...))
		if err != nil || !bytes.Equal(x.Head[60:92], commitment[:]) {
			t.Errorf("line %d: the body is not the one its head commits to", i)
		}
		leaves = append(leaves, leaf)
	}
	end := readLine(t, lines[len(lines)-1])
	root := rootOf(leaves)
	if end.Size != uint64(len(leaves)) || end.Root != base64.StdEncoding.EncodeToString(root[:]) {
		t.Errorf("last line says %d entries and root %s, the lines make %d and %v", end.Size, end.Root, len(leaves), root)
	}
	policy, _ := plomb(t, nil, "policy", "show", "--dir", shop.Dir)
	p, err := proof.ParsePolicy([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	e, err := p.Verify([]byte(end.Checkpoint))
	if err != nil || e.Checkpoint.Size != end.Size || e.Checkpoint.Root != root {
		t.Errorf("checkpoint: %+v, %v", e, err)
	}
}

func readLine(t *testing.T, text string) (x exported) {
	t.Helper()
	if err := json.Unmarshal([]byte(text), &x); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return x
}

// rootOf is RFC 6962 section 2.1 as it is written there.
func rootOf(leaves []tlog.Hash) tlog.Hash {
	if len(leaves) == 1 {
		return leaves[0]
	}
	k := 1
	for k*2 < len(leaves) {
		k *= 2
	}
	l, r := rootOf(leaves[:k]), rootOf(leaves[k:])
	return sha256.Sum256(append(append([]byte{1}, l[:]...), r[:]...))
}

// Requirement: POS-08
func TestEachEntrysProofHoldsUnderTheTillsPolicyAndUnderNoOther(t *testing.T) {
	shop, other := soldShop(t), soldShop(t)
	shop.Close()
	policy, _ := plomb(t, nil, "policy", "show", "--dir", shop.Dir)
	foreign, _ := plomb(t, nil, "policy", "show", "--dir", other.Dir)
	p, err := proof.ParsePolicy([]byte(policy))
	if err != nil {
		t.Fatal(err)
	}
	q, err := proof.ParsePolicy([]byte(foreign))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 12 {
		text, code := plomb(t, nil, "journal", "prove", "--dir", shop.Dir, strconv.Itoa(i))
		if code != 0 {
			t.Fatalf("prove %d ends with %d", i, code)
		}
		inc, err := proof.ParseInclusion([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		leaf := proof.LeafHash(inc.Extra)
		if _, err := p.VerifyInclusion(inc, leaf); err != nil || inc.Index != uint64(i) {
			t.Errorf("entry %d: proof of entry %d: %v", i, inc.Index, err)
		}
		if _, err := q.VerifyInclusion(inc, leaf); err == nil {
			t.Errorf("entry %d: the proof holds under another till's policy", i)
		}
		leaf[0] ^= 1
		if _, err := p.VerifyInclusion(inc, leaf); err == nil {
			t.Errorf("entry %d: the proof holds for another leaf", i)
		}
	}
}

func TestAnExportThatCannotBeFinishedLeavesNoFile(t *testing.T) {
	shop := soldShop(t)
	out := filepath.Join(t.TempDir(), "no", "such", "directory", "all.jsonl")
	if _, code := plomb(t, nil, "export", "journal", "--dir", shop.Dir, "--out", out); code != exitFailed {
		t.Errorf("exit code %d, want %d", code, exitFailed)
	}
}
