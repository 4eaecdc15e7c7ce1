package main

import (
	"fmt"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/update/keeper"
	"github.com/plomb-pos/plomb/update/release"
)

// keyPlans reads --key flags: ROLE=PLACE or KEY=PLACE.
func keyPlans(flags []string) (map[string]release.KeyPlan, error) {
	plans := map[string]release.KeyPlan{}
	for _, f := range flags {
		name, place, ok := strings.Cut(f, "=")
		if _, twice := plans[name]; !ok || twice {
			return nil, fmt.Errorf("--key %q is not ROLE=PLACE, or stands twice", f)
		}
		p, err := keyPlan(place)
		if err != nil {
			return nil, err
		}
		plans[name] = p
	}
	return plans, nil
}

// keyPlan reads a place: file, tpm:PATH, pkcs11:..., elsewhere:FILE, each with "ecdsa,"
// before it where the key is to be one for ECDSA. Its errors are the user's.
func keyPlan(place string) (p release.KeyPlan, err error) {
	rest, ecdsa := strings.CutPrefix(place, "ecdsa,")
	if ecdsa {
		p.Kind = keeper.P256
	}
	if name, ok := strings.CutPrefix(rest, "elsewhere:"); ok {
		text, err := os.ReadFile(name)
		if err != nil {
			return p, usageError{err}
		}
		if p, err = release.ParsePublicKey(string(text)); err != nil {
			return p, usageError{err}
		}
		return p, nil
	}
	if p.Place = keeper.Place(rest); rest == "file" {
		p.Place = ""
	}
	return p, nil
}

// placeWord says where a key would be kept.
func placeWord(p release.KeyPlan) string {
	if p.Place == "" {
		return "a file"
	}
	return string(p.Place)
}

type releaseRecover struct {
	Loss   string `arg:"" enum:"lost,compromised" help:"lost: nobody has the key; compromised: somebody else may have it."`
	Key    string `arg:"" help:"The key, as office.json calls it."`
	Keep   string `help:"PLACE of the new key, as in the ceremonies; otherwise a file."`
	DryRun bool   `help:"Say what has to be done, and do nothing."`
	officeFlags
}

// Help says what it does itself.
func (releaseRecover) Help() string {
	return `Says step by step what the loss asks for, of this office and of the others, and does the
first step: it replaces the key where that is possible. Begin with --dry-run, which
unlocks nothing.

  plomb release recover compromised targets-2 --office maker --dry-run`
}

func (c releaseRecover) Run(s streams) error {
	o, err := c.open(s)
	if err != nil {
		return err
	}
	r, err := o.Recovery(c.Key, release.Loss(c.Loss))
	if err != nil {
		return err
	}
	for i, step := range r.Steps {
		fmt.Fprintf(s.Out, "%d. %s\n", i+1, step)
	}
	if c.DryRun {
		return nil
	}
	p, err := keyPlan(c.Keep)
	if err != nil {
		return err
	}
	fresh, _, err := o.Recover(c.Key, release.Loss(c.Loss), p, time.Now())
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "done: %s gives way to %s\n", c.Key, fresh)
	return err
}

type releaseKey struct {
	Keys           string `arg:"" type:"path" help:"Folder of the keys that are kept here; made if it is missing."`
	Name           string `arg:"" help:"Name of the new key."`
	Holder         string `default:"holder" help:"Name of who keeps the folder, for its log."`
	Keep           string `help:"PLACE of the key, as in the ceremonies; otherwise a file."`
	PassphraseFile string `type:"path" help:"File with the passphrase; otherwise it is asked for."`
}

// Help says what the key is for.
func (releaseKey) Help() string {
	return `For a key that lies in another place than the office that needs it: a root key in a
safe, the second of two signatures. Prints its public half, which the office's ceremony
or rotation takes as elsewhere:FILE:

  plomb release key safe root-2 > root-2.pub
  plomb release init-maker maker --name plomb --root 2/2 --key root-2=elsewhere:root-2.pub`
}

func (c releaseKey) Run(s streams) error {
	p, err := keyPlan(c.Keep)
	if err != nil {
		return err
	}
	h, err := release.OpenHolder(c.Keys, c.Holder, unlockKeys(s, c.PassphraseFile))
	if err != nil {
		return err
	}
	public, err := h.Draw(c.Name, p)
	if err != nil {
		return err
	}
	_, err = fmt.Fprint(s.Out, public)
	return err
}

type releaseSign struct {
	Request        string `arg:"" type:"path" help:"The request that was carried here."`
	Folder         string `type:"path" help:"Folder of the keys that are kept here."`
	Out            string `type:"path" help:"File to write the answer to; otherwise standard output."`
	DryRun         bool   `help:"Say in words what would be signed, and sign nothing."`
	PassphraseFile string `type:"path" help:"File with the passphrase; otherwise it is asked for."`
}

// Help says whom to believe.
func (releaseSign) Help() string {
	return `Says in words what is to be signed, read from the messages themselves and not from what
the request says of them; then signs it with the keys of --folder. What cannot be read is
not signed. Look with --dry-run first, and compare with what you were told: this is the
last look that anybody has.`
}

func (c releaseSign) Run(s streams) error {
	text, err := os.ReadFile(c.Request)
	if err != nil {
		return usageError{err}
	}
	r, err := release.ParseRequest(text)
	if err != nil {
		return err
	}
	if err := c.show(s, r); err != nil || c.DryRun {
		return err
	}
	if c.Folder == "" {
		return usageError{fmt.Errorf("--folder is needed to sign")}
	}
	h, err := release.OpenHolder(c.Folder, "", unlockKeys(s, c.PassphraseFile))
	if err != nil {
		return hint{err, "plomb release key makes keys that are kept apart"}
	}
	a, err := h.Answer(r)
	if err != nil {
		return err
	}
	return c.write(s, a)
}

// show says what would be signed; on standard error, where the answer goes to standard
// output.
func (c releaseSign) show(s streams, r *release.Request) error {
	w := s.Err
	if c.DryRun || c.Out != "" {
		w = s.Out
	}
	fmt.Fprintf(w, "%s %s asks for: %s, begun %s\n", r.Party, r.Name, r.Act, r.At.Format(time.RFC3339))
	for i, x := range r.Wanted {
		words, err := release.Describe(x.Message)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%d. %s %s\n", i+1, x.Key, strings.Join(words, "\n     "))
	}
	return nil
}

func (c releaseSign) write(s streams, a *release.Answer) error {
	text, err := json.Marshal(a, jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	if text = append(text, '\n'); c.Out != "" {
		return os.WriteFile(c.Out, text, 0o644)
	}
	_, err = s.Out.Write(text)
	return err
}

type releaseAnswer struct {
	Answer string `arg:"" type:"path" help:"The answer that was brought back."`
	Office string `required:"" type:"path" help:"Folder of the party that asked."`
}

// Help says what comes next.
func (releaseAnswer) Help() string {
	return `Every signature is verified over what was asked for. When enough of them are there, call
the command again that asked: it goes on where it waited, at the same time and with the
same values.`
}

func (c releaseAnswer) Run(s streams) error {
	text, err := os.ReadFile(c.Answer)
	if err != nil {
		return usageError{err}
	}
	a, err := release.ParseAnswer(text)
	if err != nil {
		return err
	}
	missing, err := release.TakeAnswer(c.Office, a)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(s.Out, "%d signatures taken; still asked: %s\n", len(a.Signatures), orNone(missing))
	return err
}

type releaseAbandon struct {
	DryRun bool `help:"Say what waits, and leave it."`
	officeFlags
}

// Help says what is lost.
func (releaseAbandon) Help() string {
	return `Nothing of the act was done, so nothing has to be undone. Answers to its request fit no
later one.`
}

func (c releaseAbandon) Run(s streams) error {
	o, err := c.open(s)
	if err != nil {
		return err
	}
	act, keys, err := o.Waits()
	if err != nil {
		return err
	}
	if act == "" {
		_, err := fmt.Fprintln(s.Out, "nothing waits for signatures")
		return err
	}
	fmt.Fprintf(s.Out, "%s; asked: %s\n", act, orNone(keys))
	if c.DryRun {
		return nil
	}
	return o.Abandon()
}

type releaseAccess struct {
	Folder string `arg:"" type:"path" help:"Folder of an office, of kept keys, or of a release."`
	JSON   bool   `name:"json" help:"One line of JSON a line of the log."`
}

// Help says what it proves.
func (releaseAccess) Help() string {
	return `Who opened a key, drew one, signed or did a step, under which user of the operating
system, and what was refused. Each line is bound to the one before; one that was changed
or taken out in the middle is an error. Steps that count in law are in signed records.`
}

func (c releaseAccess) Run(s streams) error {
	lines, wrong := release.ReadAccess(c.Folder)
	t := tabwriter.NewWriter(s.Out, 0, 0, 2, ' ', 0)
	for _, a := range lines {
		if c.JSON {
			text, err := json.Marshal(a)
			if err != nil {
				return err
			}
			fmt.Fprintf(s.Out, "%s\n", text)
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", a.At.Format("2006-01-02 15:04:05"), a.Who, a.By, a.What, a.Refused)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return wrong
}
