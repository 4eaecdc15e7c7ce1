package trust

import "fmt"

// Separate refuses two trusts that have a key in common, for metadata or for notes: the
// platform and the application of one machine are released under keys of their own
// (requirement CU-19). It looks at the roots in force. Errors wrap ErrKeys. The log of
// releases, its witnesses and the deployer may be the same.
func (t *Trust) Separate(other *Trust) error {
	used := other.allKeys()
	for key, whose := range t.allKeys() {
		if theirs, shared := used[key]; shared {
			return fmt.Errorf("%w: one key of %s here is one of %s there", ErrKeys, whose, theirs)
		}
	}
	return nil
}

// allKeys are the bytes of every key of the policy's parties, with who holds it.
func (t *Trust) allKeys() map[string]string {
	out := t.policy.noteKeys()
	for _, c := range t.clients {
		for _, key := range c.keys() {
			out[key] = c.repo.Name
		}
	}
	return out
}
