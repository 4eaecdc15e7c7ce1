package release

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	"github.com/plomb-pos/plomb/internal/durable"
	"github.com/plomb-pos/plomb/update/keeper"
	"github.com/plomb-pos/plomb/update/manifest"
)

// An act is what an office does at one time under one name: a step of a release, a
// rotation, a withdrawal. Only one runs at a time. An act that needs signatures of
// keys that are kept elsewhere is rehearsed first: on a draft, twice, with different
// bytes where those signatures belong. What is to be signed in both rehearsals does not
// depend on them, and is asked for in one request; nothing else happens until the
// answers are there. Then the same act, at the same time and with the same drawn
// values, is done.
type act struct {
	request Request
	stand   byte              // of a rehearsal: what signatures that are missing consist of
	wanted  []Wanted          // by this rehearsal
	kept    map[string][]byte // values drawn in this act
	answers []Signature
}

// Awaiting says that an act has to wait for signatures of keys that are kept
// elsewhere. Nothing of it was done; the request is in File of the office.
type Awaiting struct {
	Request Request
	File    string
}

func (a *Awaiting) Error() string {
	return fmt.Sprintf("%s waits for signatures of %s", a.Request.Act, strings.Join(a.Request.Keys(), ", "))
}

// Hint says what people do next.
func (a *Awaiting) Hint() string {
	return fmt.Sprintf("carry %s to where the keys are, sign it there (plomb release sign), bring the answer back (plomb release answer), and call the same command again", a.File)
}

const (
	requestFile = "request.json"
	answersFile = "answers.json"
)

// do runs an act. r, which may be nil, is a release that it touches too.
func (o *Office) do(name string, now time.Time, r *Release, work func(now time.Time) error) error {
	if o.act != nil {
		return work(now) // a part of a larger one
	}
	lock, err := o.begin(name, now)
	if err != nil {
		return err
	}
	err = o.rehearsed(r, work)
	o.act = nil
	return errors.Join(err, lock.Close())
}

// begin takes the office's lock, finishes what a crash cut off, and goes on with a
// request of this name.
func (o *Office) begin(name string, now time.Time) (io.Closer, error) {
	if err := mkdirs(o.disk, o.dir); err != nil {
		return nil, err
	}
	lock, err := o.disk.Lock(o.path("lock"))
	if err != nil {
		return nil, fmt.Errorf("somebody works in the office: %w", err)
	}
	if err := errors.Join(o.replay(), o.refreshCard()); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	o.act = &act{request: Request{Format: requestFormat, Party: o.Card.Party, Name: o.Card.Name, Act: name, At: now.UTC()}, kept: map[string][]byte{}}
	pending, answers, err := o.pending()
	if err == nil && pending != nil && pending.Act != name {
		err = fmt.Errorf("%s waits for signatures: finish it, or give it up (plomb release abandon): %w", pending.Act, ErrOrder)
	}
	if err != nil {
		o.act = nil
		return nil, errors.Join(err, lock.Close())
	}
	if pending != nil {
		o.act.request, o.act.kept, o.act.answers = *pending, pending.Kept, answers
	}
	return lock, nil
}

// refreshCard reads the card again: another process may have rotated a key.
func (o *Office) refreshCard() error {
	text, err := durable.ReadFile(o.disk, o.path("office.json"), manifest.MaxDocument)
	if isMissing(err) {
		return nil // the office is being made
	}
	if err != nil {
		return err
	}
	o.Card, err = ParseCard(text)
	return err
}

func isMissing(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// rehearsed asks for what is missing, or does the work.
func (o *Office) rehearsed(r *Release, work func(now time.Time) error) error {
	a := o.act
	if o.Card.elsewhere() {
		wanted := o.rehearse(r, work, 0x5a)
		again := o.rehearse(r, work, 0xa5)
		wanted = slices.DeleteFunc(wanted, func(w Wanted) bool { return !slices.ContainsFunc(again, w.same) })
		if len(wanted) > 0 {
			return o.ask(wanted)
		}
	}
	a.stand = 0
	if err := work(a.request.At); err != nil {
		return err
	}
	return o.forget()
}

// rehearse runs the work on a draft and gives what was to be signed elsewhere. Its
// error is the real run's to find again.
func (o *Office) rehearse(r *Release, work func(now time.Time) error, stand byte) []Wanted {
	card, below := o.Card.clone(), o.fsys
	o.fsys, o.act.stand, o.act.wanted = newDraft(o.disk), stand, nil
	if r == nil {
		_ = work(o.act.request.At) // see above
	} else {
		before := *r
		r.fsys = newDraft(before.fsys)
		if r.record != nil {
			r.record = &record{Entries: slices.Clone(before.record.Entries), fsys: r.fsys, dir: before.record.dir, head: before.record.head}
		}
		_ = work(o.act.request.At) // see above
		*r = before
	}
	o.Card, o.fsys = card, below
	return o.act.wanted
}

// ask writes the request.
func (o *Office) ask(wanted []Wanted) error {
	r := o.act.request
	r.Wanted, r.Kept = wanted, o.act.kept
	text, err := json.Marshal(r, json.Deterministic(true), jsontext.WithIndent("  "))
	if err != nil {
		return err
	}
	if err := durable.Replace(o.disk, o.path(requestFile), append(text, '\n')); err != nil {
		return err
	}
	return &Awaiting{Request: r, File: o.path(requestFile)}
}

// pending is the act that waits, if one does, and the answers so far.
func (o *Office) pending() (*Request, []Signature, error) {
	text, err := durable.ReadFile(o.disk, o.path(requestFile), maxRequest)
	if isMissing(err) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	r, err := ParseRequest(text)
	if err != nil {
		return nil, nil, err
	}
	if r.Kept == nil {
		r.Kept = map[string][]byte{}
	}
	text, err = durable.ReadFile(o.disk, o.path(answersFile), maxRequest)
	if isMissing(err) {
		return r, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	a, err := ParseAnswer(text)
	if err != nil {
		return nil, nil, err
	}
	return r, a.Signatures, nil
}

// Moment is the time of the act that waits for signatures, or now: an act that goes on
// has to be called with the time at which it began.
func (o *Office) Moment(now time.Time) (time.Time, error) {
	r, _, err := o.pending()
	if err != nil || r == nil {
		return now, err
	}
	return r.At, nil
}

// Waits names the act that waits for signatures, and whose; empty when none does.
func (o *Office) Waits() (act string, keys []string, err error) {
	r, have, err := o.pending()
	if err != nil || r == nil {
		return "", nil, err
	}
	for _, w := range r.Wanted {
		if !slices.ContainsFunc(have, w.answeredBy) && !slices.Contains(keys, w.Key) {
			keys = append(keys, w.Key)
		}
	}
	return r.Act, keys, nil
}

// Abandon gives up the act that waits for signatures.
func (o *Office) Abandon() error { return o.forget() }

// forget removes request and answers.
func (o *Office) forget() error {
	for _, name := range []string{requestFile, answersFile} {
		if err := durable.RemoveIfExists(o.disk, o.path(name)); err != nil {
			return err
		}
	}
	return nil
}

// once draws a value once in an act, however often the act is rehearsed and gone on
// with.
func (o *Office) once(name string, draw func() ([]byte, error)) ([]byte, error) {
	if o.act == nil {
		return draw()
	}
	if v, ok := o.act.kept[name]; ok {
		return v, nil
	}
	v, err := draw()
	if err == nil {
		o.act.kept[name] = v
	}
	return v, err
}

// whole runs what writes several files of the office: all of them change, or none.
func (o *Office) whole(work func() error) error {
	if _, drafting := o.fsys.(*draft); drafting {
		return work()
	}
	card, d := o.Card.clone(), newDraft(o.disk)
	o.fsys = d
	err := work()
	o.fsys = o.disk
	if err == nil {
		err = o.commit(d)
	}
	if err != nil {
		o.Card = card
	}
	return err
}

// Add takes an answer that was brought back, and says whose signatures are still
// missing. What does not verify is refused.
func (o *Office) Add(answer *Answer) (missing []string, err error) {
	r, have, err := o.pending()
	if err != nil {
		return nil, fmt.Errorf("take an answer: %w", err)
	}
	if r == nil {
		return nil, fmt.Errorf("take an answer: nothing waits for signatures: %w", ErrOrder)
	}
	for _, s := range answer.Signatures {
		i := slices.IndexFunc(r.Wanted, func(w Wanted) bool { return w.answeredBy(s) })
		if i < 0 {
			return nil, fmt.Errorf("take an answer: a signature of %s over what was not asked for: %w", s.Key, ErrTampered)
		}
		w := r.Wanted[i]
		if err := keeper.Verify(w.Kind, w.Public, w.Message, s.Signature); err != nil {
			return nil, fmt.Errorf("take an answer: %s: %w: %w", s.Key, ErrTampered, err)
		}
		if !slices.ContainsFunc(have, s.same) {
			have = append(have, s)
		}
	}
	text, err := json.Marshal(Answer{Format: answerFormat, Signatures: have}, jsontext.WithIndent("  "))
	if err != nil {
		return nil, err
	}
	for _, w := range r.Wanted {
		if !slices.ContainsFunc(have, w.answeredBy) && !slices.Contains(missing, w.Key) {
			missing = append(missing, w.Key)
		}
	}
	return missing, durable.Replace(o.disk, o.path(answersFile), append(text, '\n'))
}

// TakeAnswer is Add for an office that need not be there yet: its ceremony may be what
// waits.
func TakeAnswer(dir string, answer *Answer) (missing []string, err error) {
	return newOffice(durable.OS{}, dir, nil, 0).Add(answer)
}

// signElsewhere takes a signature from the answers, or asks for it.
func (o *Office) signElsewhere(k Key, message []byte) ([]byte, error) {
	if o.act == nil {
		return nil, fmt.Errorf("sign with %s: %w", k.Name, keeper.ErrElsewhere)
	}
	w := Wanted{Key: k.Name, Kind: keeper.Kind(k.Kind), Public: k.Public, Message: message}
	if i := slices.IndexFunc(o.act.answers, w.answeredBy); i >= 0 {
		if err := keeper.Verify(w.Kind, w.Public, message, o.act.answers[i].Signature); err != nil {
			return nil, fmt.Errorf("answer of %s: %w", k.Name, err)
		}
		return o.act.answers[i].Signature, nil
	}
	if o.act.stand == 0 {
		return nil, fmt.Errorf("sign with %s: %w", k.Name, keeper.ErrElsewhere)
	}
	o.act.wanted = append(o.act.wanted, w)
	return slices.Repeat([]byte{o.act.stand}, 64), nil
}

// answered is how many signatures of a key were brought back.
func (o *Office) answered(key string) (n int) {
	if o.act == nil {
		return 0
	}
	for _, s := range o.act.answers {
		if s.Key == key {
			n++
		}
	}
	return n
}
