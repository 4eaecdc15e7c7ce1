package release

import (
	"fmt"
	"slices"
	"time"
)

// Loss is what happened to a key.
type Loss string

// The losses.
const (
	Lost        Loss = "lost"        // nobody has it any more
	Compromised Loss = "compromised" // somebody else may have it
)

// Recovery is what has to be done about a key, in words, before anything is done.
type Recovery struct {
	Key      string
	Role     string
	Loss     Loss
	Possible bool     // Recover does the first step
	Steps    []string // in order
}

// Recovery plans it: a dry run. It unlocks nothing.
func (o *Office) Recovery(key string, how Loss) (*Recovery, error) {
	if how != Lost && how != Compromised {
		return nil, fmt.Errorf("plan a recovery: %w: a key is lost or compromised, not %q", ErrFormat, how)
	}
	i := slices.IndexFunc(o.Card.Roles, func(r Role) bool { return slices.Contains(r.Keys, key) })
	if i < 0 {
		return nil, fmt.Errorf("plan a recovery: %s has no key %s: %w", o.Card.Name, key, ErrParty)
	}
	r := &Recovery{Key: key, Role: o.Card.Roles[i].Name, Loss: how}
	r.Possible, r.Steps = o.remedy(r)
	return r, nil
}

func (o *Office) remedy(r *Recovery) (possible bool, steps []string) {
	switch r.Role {
	case roleLog:
		return false, o.remedyLog(r)
	case roleCustody:
		return false, o.remedyCustody(r)
	}
	if slices.Contains(tufRoles, r.Role) && o.spare(r) < 0 {
		return false, []string{
			"fewer root keys are left than the threshold asks for: no next root can be signed",
			"make a new office, a new parties file and a new trust policy with its first root",
			"devices have to be commissioned anew",
		}
	}
	steps = []string{fmt.Sprintf("replace %s by a new key for %s", r.Key, r.Role)}
	if slices.Contains(tufRoles, r.Role) {
		return true, append(steps, o.remedyTUF(r)...)
	}
	return true, append(steps, o.remedyNote(r)...)
}

// spare is how many root keys are left above the threshold; negative: too few.
func (o *Office) spare(r *Recovery) int {
	root := o.Card.role(roleRoot)
	left := len(root.Keys)
	if r.Role == roleRoot && r.Loss == Lost {
		left--
	}
	return left - root.Threshold
}

func (o *Office) remedyTUF(r *Recovery) []string {
	steps := []string{
		"the next root is signed by the old and the new threshold of root keys; targets, snapshot and timestamp are signed anew",
		"plomb release publish REPOSITORY --office ...: devices follow with their next refresh",
	}
	if r.Loss == Lost {
		return steps
	}
	steps = append(steps, "until then whoever has the key and enough others of its role can show devices metadata of their own")
	if r.Role == roleTargets {
		steps = append(steps, "look through the targets of the last weeks (plomb release inspect REPOSITORY): what nobody registered is withdrawn")
	}
	return append(steps, "plomb-verify release REPOSITORY: nothing may be released that is not in the log")
}

func (o *Office) remedyNote(r *Recovery) []string {
	steps := []string{
		"plomb release parties --follow OLD --old-keys: the parties file and the trust policy again, with a higher serial, which name the old key beside the new one; hand the parties file to everybody",
		"plomb release policy TRUST by the maker and by every authority, and publish: devices take the policy when all of them have signed the same bytes, and the release that they run passes it",
		"release again: the new key signs; when all devices run it, parties and policy once more without --old-keys",
	}
	if r.Loss == Lost {
		return steps
	}
	switch r.Role {
	case roleNote:
		steps = append(steps, "compare the log of releases with the register (plomb-verify release): what the key signed and nobody registered is withdrawn at once")
	case roleWitness:
		steps = append(steps, "compare the log's checkpoints that other people kept: plomb-verify release --checkpoint OLD")
	case roleCampaign:
		steps = append(steps, "sign a new campaign: devices take the one with the highest serial; the key could choose when, never what")
	}
	return steps
}

func (o *Office) remedyLog(r *Recovery) []string {
	if r.Loss == Lost {
		return []string{"the log cannot grow any more, so nothing can be published; what was published stays good",
			"make a new maker's office for the same root keys' holders, with a new log, and a trust policy that names it",
			"plomb release policy TRUST by every party: devices take the new log with the new policy"}
	}
	return []string{"whoever has the key can sign another log, and no witness cosigns it: devices refuse it as long as the policy names witnesses",
		"stop publishing, and keep the newest cosigned checkpoint", "make a new log with a new office; plomb release policy by every party"}
}

func (o *Office) remedyCustody(r *Recovery) []string {
	if r.Loss == Lost {
		return []string{"no further device can be entitled to releases that are encrypted to this key: build and publish them again for a new deployer's office",
			"devices that are entitled already are not affected"}
	}
	return []string{"whoever has the key and a release's custody.key can read that release; nobody can install anything with it",
		"make a new deployer's office and a new parties file; later releases go to the new key"}
}

// Recover does the first step of a recovery that is possible: it replaces the key.
func (o *Office) Recover(key string, how Loss, p KeyPlan, now time.Time) (fresh string, r *Recovery, err error) {
	if r, err = o.Recovery(key, how); err != nil {
		return "", nil, err
	}
	if !r.Possible {
		return "", r, fmt.Errorf("recover %s: the key for %s cannot be replaced: %w", key, r.Role, ErrParty)
	}
	fresh, err = o.RotateTo(r.Role, key, p, now)
	return fresh, r, err
}
