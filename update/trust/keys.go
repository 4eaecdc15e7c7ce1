package trust

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// maxKeys bounds the keys of a root or a delegation: each costs a verification.
const maxKeys = 64

// topRoles are the roles that a root names, no more and no fewer.
var topRoles = []string{metadata.ROOT, metadata.TIMESTAMP, metadata.SNAPSHOT, metadata.TARGETS}

// checkRoot refuses a root whose keys or thresholds must not stand as they do,
// whoever signed it: its repository would be weaker than it looks. A key does one
// thing (requirement CU-09): root, targets and the online roles (timestamp and
// snapshot, which may share) have none in common.
func checkRoot(root *metadata.RootType, r Repository) error {
	if len(root.Roles) != len(topRoles) || root.Version < 1 || !root.ConsistentSnapshot {
		return fmt.Errorf("%w: a root of %d roles, version %d, consistent snapshots %t", ErrMalformed, len(root.Roles), root.Version, root.ConsistentSnapshot)
	}
	if err := checkKeys(root.Keys); err != nil {
		return err
	}
	for _, name := range topRoles {
		role := root.Roles[name]
		if role == nil {
			return fmt.Errorf("%w: no role %s", ErrMalformed, name)
		}
		if err := checkThreshold(role.KeyIDs, role.Threshold, root.Keys); err != nil {
			return fmt.Errorf("role %s: %w", name, err)
		}
	}
	if at := root.Roles[metadata.ROOT].Threshold; at < r.RootThreshold {
		return fmt.Errorf("%w: threshold %d of root, the policy asks for %d", ErrKeys, at, r.RootThreshold)
	}
	if at := root.Roles[metadata.TARGETS].Threshold; at < r.TargetsThreshold {
		return fmt.Errorf("%w: threshold %d of targets, the policy asks for %d", ErrKeys, at, r.TargetsThreshold)
	}
	return checkSeparate(root)
}

// checkKeys refuses keys of other kinds than Ed25519 and ECDSA, an id that is not
// the key's hash, and one key under two ids.
func checkKeys(keys map[string]*metadata.Key) error {
	if len(keys) > maxKeys {
		return fmt.Errorf("%w: %d keys are more than %d", ErrKeys, len(keys), maxKeys)
	}
	ids := map[string]string{}
	for id, key := range keys {
		point, err := keyBytes(key)
		if err != nil {
			return fmt.Errorf("key %.8s: %w", id, err)
		}
		if other, used := ids[point]; used {
			return fmt.Errorf("%w: one key under the ids %.8s and %.8s", ErrKeys, id, other)
		}
		ids[point] = id
		if own, err := key.ID(); err != nil || own != id {
			return fmt.Errorf("%w: id %.8s is not the key's", ErrKeys, id)
		}
	}
	return nil
}

// keyBytes is what two keys have in common when they are one, whatever they are
// called: the 32 bytes of an Ed25519 key, the DER form of an ECDSA key.
func keyBytes(key *metadata.Key) (string, error) {
	if key == nil {
		return "", fmt.Errorf("%w: no key", ErrKeys)
	}
	if key.Type == metadata.KeyTypeEd25519 {
		raw, err := hex.DecodeString(key.Value.PublicKey)
		if err != nil || len(raw) != ed25519.PublicKeySize || key.Scheme != metadata.KeySchemeEd25519 {
			return "", fmt.Errorf("%w: not an Ed25519 key", ErrKeys)
		}
		return string(raw), nil
	}
	if key.Type != metadata.KeyTypeECDSA_SHA2_P256 && key.Type != metadata.KeyTypeECDSA_SHA2_P256_COMPAT {
		return "", fmt.Errorf("%w: a key of type %q", ErrKeys, key.Type)
	}
	public, err := key.ToPublicKey()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeys, err)
	}
	if _, ok := public.(*ecdsa.PublicKey); !ok {
		return "", fmt.Errorf("%w: not an ECDSA key", ErrKeys)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeys, err)
	}
	return string(der), nil
}

func checkThreshold(ids []string, threshold int, keys map[string]*metadata.Key) error {
	for i, id := range ids {
		if keys[id] == nil || slices.Contains(ids[:i], id) {
			return fmt.Errorf("%w: key %.8s is not there or stands twice", ErrKeys, id)
		}
	}
	if threshold < 1 || threshold > len(ids) {
		return fmt.Errorf("%w: threshold %d of %d keys", ErrKeys, threshold, len(ids))
	}
	return nil
}

func checkSeparate(root *metadata.RootType) error {
	use := map[string]string{}
	for _, name := range topRoles {
		what := name
		if name == metadata.TIMESTAMP || name == metadata.SNAPSHOT {
			what = "online"
		}
		for _, id := range root.Roles[name].KeyIDs {
			if other := use[id]; other != "" && other != what {
				return fmt.Errorf("%w: key %.8s signs %s and %s", ErrKeys, id, other, what)
			}
			use[id] = what
		}
	}
	return nil
}

// checkFiles refuses a list of metadata files in which one has no length, no
// SHA-256 or no version: with them the bytes are checked before they are parsed.
func checkFiles(files map[string]*metadata.MetaFiles, limit int64) error {
	for name, f := range files {
		if f == nil || f.Version < 1 || f.Length < 1 || f.Length > limit || len(f.Hashes["sha256"]) != 32 {
			return fmt.Errorf("%w: %s without version, length up to %d or SHA-256", ErrMalformed, name, limit)
		}
	}
	return nil
}

// maxBits is the most that a delegation to bins may have; 2^14 already need a
// snapshot of half a megabyte.
const maxBits = 14

// checkTargets refuses other delegations than bins (TAP 15), which give every
// target exactly one place: no path pattern, no second way to a role.
func checkTargets(t *metadata.TargetsType, top bool) error {
	d := t.Delegations
	switch {
	case d == nil:
		return checkTargetFiles(t)
	case !top:
		return fmt.Errorf("%w: a bin that delegates", ErrDelegation)
	case len(d.Roles) > 0 || d.SuccinctRoles == nil:
		return fmt.Errorf("%w: %d roles by path", ErrDelegation, len(d.Roles))
	case d.SuccinctRoles.BitLength < 1 || d.SuccinctRoles.BitLength > maxBits || !isPartyName(d.SuccinctRoles.NamePrefix) || slices.Contains(topRoles, d.SuccinctRoles.NamePrefix):
		return fmt.Errorf("%w: bins %q of %d bits", ErrDelegation, d.SuccinctRoles.NamePrefix, d.SuccinctRoles.BitLength)
	}
	if err := checkKeys(d.Keys); err != nil {
		return err
	}
	if err := checkThreshold(d.SuccinctRoles.KeyIDs, d.SuccinctRoles.Threshold, d.Keys); err != nil {
		return err
	}
	return checkTargetFiles(t)
}

func checkTargetFiles(t *metadata.TargetsType) error {
	for name, f := range t.Targets {
		if f == nil || f.Length < 0 || len(f.Hashes["sha256"]) != 32 {
			return fmt.Errorf("%w: target %q without length or SHA-256", ErrMalformed, name)
		}
	}
	return nil
}
