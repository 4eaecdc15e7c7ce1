package conform

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/plomb-pos/plomb/xfs4iot"
	"github.com/plomb-pos/plomb/xfs4iot/common"
)

var generationRules = []Rule{
	{"generation-1", "a client of the other generation is answered in its own shape on the same address (ours)", false, otherGeneration},
	{"generation-2", "the acknowledgement repeats the command's version, and the completion has one", false, versionsRepeat},
	{"generation-3", "a connection with a slash after the service's name is accepted (ours)", false, trailingSlash},
}

func otherGeneration(ctx context.Context, b *bench) error {
	b.target.Generation = xfs4iot.Gen2023 + xfs4iot.Gen2021 - b.target.Generation
	return sameGeneration(ctx, b)
}

func versionsRepeat(ctx context.Context, b *bench) error {
	if b.target.Generation == xfs4iot.Gen2021 {
		return errNothing
	}
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.status(ctx, 1); err != nil {
		return err
	}
	m, err := p.expect(ctx, xfs4iot.TypeAcknowledge, 1, "")
	if err != nil {
		return err
	}
	if m.Header.Version != "2.0" {
		return fmt.Errorf("the acknowledgement has version %q", m.Header.Version)
	}
	if m, err = p.completion(ctx, 1, xfs4iot.Success); err == nil && m.Header.Version == "" {
		return errors.New("the completion has no version")
	}
	return err
}

func trailingSlash(ctx context.Context, b *bench) error {
	p, err := b.dialTo(ctx, strings.TrimSuffix(b.target.URL, "/")+"/")
	if err != nil {
		return err
	}
	return p.alive(ctx, 1)
}

var versionRules = []Rule{
	{"version-1", "Capabilities offer each message with versions of the form 1.0, one for each major", false, offeredVersions},
	{"version-2", "interface names begin with a capital letter, and messages carry their interface's name", false, interfaceNames},
	{"version-3", "SetVersions of every offered major succeeds", false, setOffered},
	{"version-4", "SetVersions that asks for one thing not offered changes nothing and completes with unsupportedData", false, setSome},
	{"version-5", "an older minor of an offered major is served (ours)", false, olderMinor},
}

// interfaces asks for the capabilities and gives their interfaces.
func (p *peer) interfaces(ctx context.Context, id int64) ([]common.Interface, error) {
	if err := p.send(ctx, id, "Common.Capabilities", "2.0", "", 0); err != nil {
		return nil, err
	}
	m, err := p.completed(ctx, id, xfs4iot.Success)
	if err != nil {
		return nil, err
	}
	var caps common.CapabilitiesCompletion
	if err := m.Into(&caps); err != nil {
		return nil, err
	}
	return caps.Interfaces, nil
}

// offers gives the versions of all messages that a service offers.
func offers(list []common.Interface) (commands, events map[string][]string) {
	commands, events = map[string][]string{}, map[string][]string{}
	for _, i := range list {
		for name, v := range i.Commands {
			if v != nil {
				commands[name] = v.Versions
			}
		}
		for name, v := range i.Events {
			if v != nil {
				events[name] = v.Versions
			}
		}
	}
	return commands, events
}

func offeredVersions(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	list, err := p.interfaces(ctx, 1)
	if err != nil {
		return err
	}
	commands, events := offers(list)
	maps.Copy(commands, events)
	for name, versions := range commands {
		if err := oneEach(name, versions); err != nil {
			return err
		}
	}
	return nil
}

func oneEach(name string, versions []string) error {
	if len(versions) == 0 {
		return fmt.Errorf("%s has no version", name)
	}
	seen := map[int]bool{}
	for _, text := range versions {
		v, err := xfs4iot.ParseVersion(text)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		if seen[v.Major] {
			return fmt.Errorf("%s has major %d twice", name, v.Major)
		}
		seen[v.Major] = true
	}
	return nil
}

func interfaceNames(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	list, err := p.interfaces(ctx, 1)
	if err != nil {
		return err
	}
	for _, i := range list {
		if text := string(p.last); !strings.Contains(text, fmt.Sprintf("%q:%q", "name", i.Name)) && !strings.Contains(text, fmt.Sprintf("%q: %q", "name", i.Name)) {
			return fmt.Errorf("%s is written otherwise", i.Name)
		}
		for _, message := range slices.Concat(slices.Collect(maps.Keys(i.Commands)), slices.Collect(maps.Keys(i.Events))) {
			if !strings.HasPrefix(message, string(i.Name)+".") {
				return fmt.Errorf("%s stands in the interface %s", message, i.Name)
			}
		}
	}
	return nil
}

// majors writes a map of SetVersions with the newest major of each message.
func majors(offered map[string][]string) string {
	var members []string
	for name, versions := range offered {
		if len(versions) > 0 {
			if v, err := xfs4iot.ParseVersion(versions[0]); err == nil {
				members = append(members, fmt.Sprintf("%q:%d", name, v.Major))
			}
		}
	}
	return "{" + strings.Join(members, ",") + "}"
}

func setOffered(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	list, err := p.interfaces(ctx, 1)
	if err != nil {
		return err
	}
	commands, events := offers(list)
	if commands["Common.SetVersions"] == nil {
		return errNothing
	}
	if err := p.send(ctx, 2, "Common.SetVersions", "2.0", `{"commands":`+majors(commands)+`,"events":`+majors(events)+`}`, 0); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 2, xfs4iot.Success); err != nil {
		return err
	}
	return p.alive(ctx, 3)
}

func setSome(ctx context.Context, b *bench) error {
	return completesWith("Common.SetVersions", "2.0", `{"commands":{"Common.Status":2,"Common.NoSuchCommand":1}}`, xfs4iot.UnsupportedData)(ctx, b)
}

func olderMinor(ctx context.Context, b *bench) error {
	if b.target.Generation == xfs4iot.Gen2021 {
		return errNothing
	}
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	list, err := p.interfaces(ctx, 1)
	if err != nil {
		return err
	}
	commands, _ := offers(list)
	for _, name := range []string{"Common.Status", "Common.Capabilities"} {
		for _, text := range commands[name] {
			if v, err := xfs4iot.ParseVersion(text); err == nil && v.Minor > 0 {
				return completesWith(name, fmt.Sprintf("%d.%d", v.Major, v.Minor-1), "", xfs4iot.Success)(ctx, b)
			}
		}
	}
	return errNothing
}

var lineRules = []Rule{
	{"cancel-6", "Cancel of an empty list of requestIds matches nothing", false, cancelEmpty},
	{"cancel-7", "Cancel without requestIds ends everything of its connection and nothing of others", true, cancelAll},
	{"cancel-8", "Cancel of several requestIds ends those and no other", true, cancelSome},
	{"cancel-9", "Cancel of a command that has completed completes with noMatchingRequestIDs", false, cancelDone},
	{"queue-3", "queued commands start in the order in which they came, over all clients", true, fifo},
	{"queue-4", "a command beyond maximumRequests is refused with tooManyRequests, and there is room again afterwards", true, fullQueue},
	{"time-3", "a timeout of zero is no timeout", true, noTimeout},
	{"leave-3", "a new connection starts with no requestIds of the old one", true, freshIDs},
	{"id-1", "a requestId may be used again once its command has completed", false, idAgain},
	{"id-2", "requestIds need not go up, and are the connection's own", false, idAnyOrder},
}

func cancelEmpty(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.cancel(ctx, 1, `{"requestIds":[]}`); err != nil {
		return err
	}
	m, err := p.completed(ctx, 1, xfs4iot.CommandErrorCode)
	if err == nil && m.ErrorCode() != "noMatchingRequestIDs" {
		return fmt.Errorf("errorCode is %q", m.ErrorCode())
	}
	return err
}

// startLongs dials and sends the long command under each id.
func (b *bench) startLongs(ctx context.Context, ids ...int64) (*peer, error) {
	p, err := b.startLong(ctx, ids[0])
	if err != nil {
		return nil, err
	}
	for _, id := range ids[1:] {
		if err := p.long(ctx, id, 0); err != nil {
			return nil, err
		}
		if err := p.accepted(ctx, id); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// canceled reads the completions of commands that were cancelled, in any order.
func (p *peer) canceled(ctx context.Context, ids ...int64) error {
	for range ids {
		m, err := p.next(ctx)
		if err != nil {
			return fmt.Errorf("completions of %v: %w", ids, err)
		}
		i := slices.Index(ids, m.Header.RequestID)
		if i < 0 || m.Header.Type != xfs4iot.TypeCompletion || m.Header.CompletionCode != xfs4iot.Canceled {
			return fmt.Errorf("want completions of %v with canceled, got %.200s", ids, p.last)
		}
		ids = slices.Delete(slices.Clone(ids), i, i+1)
	}
	return nil
}

func cancelAll(ctx context.Context, b *bench) error {
	p, err := b.startLongs(ctx, 1, 2, 3)
	if err != nil {
		return err
	}
	other, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	if err := p.cancel(ctx, 9, ""); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 9, xfs4iot.Success); err != nil {
		return err
	}
	if err := p.canceled(ctx, 1, 2, 3); err != nil {
		return err
	}
	if err := other.alive(ctx, 2); err != nil { // a completion of 1 would stand before it
		return err
	}
	return other.endLong(ctx, 1, 3)
}

func cancelSome(ctx context.Context, b *bench) error {
	p, err := b.startLongs(ctx, 1, 2, 3, 4)
	if err != nil {
		return err
	}
	if err := p.cancel(ctx, 9, `{"requestIds":[2,4,77]}`); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 9, xfs4iot.Success); err != nil {
		return err
	}
	if err := p.canceled(ctx, 2, 4); err != nil {
		return err
	}
	if err := p.cancel(ctx, 10, ""); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 10, xfs4iot.Success); err != nil {
		return err
	}
	return p.canceled(ctx, 1, 3)
}

func cancelDone(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := p.alive(ctx, 1); err != nil {
		return err
	}
	if err := p.cancel(ctx, 2, `{"requestIds":[1]}`); err != nil {
		return err
	}
	_, err = p.completed(ctx, 2, xfs4iot.CommandErrorCode)
	return err
}

// fifo lets the first command of a line end by cancel; the commands behind it have a
// short time, so that the order of their completions tells the order of the line.
func fifo(ctx context.Context, b *bench) error {
	holder, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	second, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	third, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if err := third.long(ctx, 1, 0); err != nil {
		return err
	}
	if err := third.accepted(ctx, 1); err != nil {
		return err
	}
	for _, p := range []*peer{holder, second, third} {
		if err := p.endLong(ctx, 1, 2); err != nil {
			return err
		}
	}
	return nil
}

// manyEnough is how long a queue this suite fills.
const manyEnough = 200

func fullQueue(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	list, err := p.interfaces(ctx, 1)
	if err != nil {
		return err
	}
	limit := queueLimit(list, b.target.Long.Header.Name)
	if limit == 0 || limit > manyEnough {
		return errNothing
	}
	refused := int64(0)
	for id := int64(2); id < int64(limit)+5 && refused == 0; id++ {
		if err := p.long(ctx, id, 0); err != nil {
			return err
		}
		m, err := p.expect(ctx, xfs4iot.TypeAcknowledge, id, "")
		switch {
		case err != nil:
			return err
		case m.Header.Status == xfs4iot.StatusTooManyRequests:
			refused = id
		case m.Header.Status != xfs4iot.StatusAccepted:
			return fmt.Errorf("refused with %s", m.Header.Status)
		}
	}
	if refused == 0 {
		return fmt.Errorf("more than %d commands were accepted", limit)
	}
	if err := p.cancel(ctx, 1000, ""); err != nil {
		return err
	}
	if _, err := p.completed(ctx, 1000, xfs4iot.Success); err != nil {
		return err
	}
	var ids []int64
	for id := int64(2); id < refused; id++ {
		ids = append(ids, id)
	}
	if err := p.canceled(ctx, ids...); err != nil {
		return err
	}
	if err := p.long(ctx, refused, 0); err != nil {
		return err
	}
	if err := p.accepted(ctx, refused); err != nil {
		return err
	}
	return p.endLong(ctx, refused, 1001)
}

func queueLimit(list []common.Interface, command string) int {
	name, _, _ := strings.Cut(command, ".")
	for _, i := range list {
		if string(i.Name) == name && i.MaximumRequests != nil {
			return *i.MaximumRequests
		}
	}
	return 0
}

func noTimeout(ctx context.Context, b *bench) error {
	p, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	select {
	case <-time.After(3 * shortTime):
	case <-ctx.Done():
	}
	if err := p.alive(ctx, 2); err != nil { // a completion of 1 would stand before it
		return err
	}
	return p.endLong(ctx, 1, 3)
}

func freshIDs(ctx context.Context, b *bench) error {
	p, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	_ = p.raw.Close()
	again, err := b.startLong(ctx, 1)
	if err != nil {
		return err
	}
	return again.endLong(ctx, 1, 2)
}

func idAgain(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	for range 3 {
		if err := p.alive(ctx, 7); err != nil {
			return err
		}
	}
	return nil
}

func idAnyOrder(ctx context.Context, b *bench) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	other, err := b.dial(ctx)
	if err != nil {
		return err
	}
	for _, id := range []int64{9, 3, 1 << 31, 2} {
		if err := p.alive(ctx, id); err != nil {
			return err
		}
		if err := other.alive(ctx, id); err != nil {
			return err
		}
	}
	return nil
}

var eventRules = []Rule{
	{"event-1", "an unsolicited event reaches every client, the one whose command caused it included", false, toEverybody},
	{"event-2", "unsolicited events are labelled so and carry no requestId, or 0 in 2021-1", false, labelled},
	{"event-3", "unsolicited events reach every client in the same order", false, sameOrder},
}

// stir sends the command that causes events, and gives two clients that were there.
func (b *bench) stir(ctx context.Context) (sender, other *peer, err error) {
	if b.target.Stir == nil {
		return nil, nil, errNothing
	}
	for _, p := range []**peer{&sender, &other} {
		if *p, err = b.dial(ctx); err != nil {
			return nil, nil, err
		}
		if err = (*p).alive(ctx, 1); err != nil { // it has joined
			return nil, nil, err
		}
	}
	s := b.target.Stir
	if err = sender.send(ctx, 2, s.Header.Name, s.Header.Version, string(s.Payload), s.Header.Timeout); err != nil {
		return nil, nil, err
	}
	if _, err = sender.completed(ctx, 2, xfs4iot.Success); err != nil {
		return nil, nil, err
	}
	for id := int64(3); ctx.Err() == nil && (len(sender.unsolicited) == 0 || len(other.unsolicited) < len(sender.unsolicited)); id++ {
		if id > 20 {
			return nil, nil, fmt.Errorf("%d events reached the sender, %d the other client", len(sender.unsolicited), len(other.unsolicited))
		}
		for _, p := range []*peer{sender, other} { // events stand before the answer
			if err = p.alive(ctx, id); err != nil {
				return nil, nil, err
			}
		}
	}
	return sender, other, ctx.Err()
}

func toEverybody(ctx context.Context, b *bench) error {
	_, _, err := b.stir(ctx)
	return err
}

func labelled(ctx context.Context, b *bench) error {
	sender, _, err := b.stir(ctx)
	if err != nil {
		return err
	}
	for _, m := range sender.unsolicited {
		if m.Header.RequestID != 0 || m.Header.Type != xfs4iot.TypeUnsolicited {
			return fmt.Errorf("%s has requestId %d", m.Header.Name, m.Header.RequestID)
		}
	}
	return nil
}

func sameOrder(ctx context.Context, b *bench) error {
	sender, other, err := b.stir(ctx)
	if err != nil {
		return err
	}
	for i := range min(len(sender.unsolicited), len(other.unsolicited)) {
		if x, y := sender.unsolicited[i], other.unsolicited[i]; x.Header.Name != y.Header.Name || string(x.Payload) != string(y.Payload) {
			return fmt.Errorf("event %d is %s for one client and %s for the other", i+1, x.Header.Name, y.Header.Name)
		}
	}
	return nil
}

var guardRules = []Rule{
	{"guard-1", "a client that sends much and reads nothing holds up nobody (ours)", false, deafClient},
	{"guard-2", "a message beyond 4 MiB is refused with invalidMessage, or the connection is closed", false, tooLarge},
	{"guard-3", "an object of 10,000 members that are unknown is ignored, refused or the connection closed, and nobody is disturbed (ours)", false, manyMembers},
	{"guard-4", "fifty clients at once are each answered, or refused at the connection", false, crowd},
}

func deafClient(ctx context.Context, b *bench) error {
	deaf, err := b.dial(ctx)
	if err != nil {
		return err
	}
	other, err := b.dial(ctx)
	if err != nil {
		return err
	}
	for id := int64(1); id <= 200; id++ {
		if deaf.send(ctx, id, "Common.Capabilities", "2.0", "", 0) != nil {
			break // cut off, as it may be
		}
	}
	return other.alive(ctx, 1)
}

func tooLarge(ctx context.Context, b *bench) error {
	text := `{"header":{"type":"command","name":"Common.Status","requestId":1,"version":"2.0"},"payload":{"x":"` + strings.Repeat("x", 4<<20) + `"}}`
	return b.mayRefuse(ctx, text, false)
}

func manyMembers(ctx context.Context, b *bench) error {
	var payload strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&payload, `,"m%d":%d`, i, i)
	}
	return b.mayRefuse(ctx, `{"header":{"type":"command","name":"Common.Status","requestId":1,"version":"2.0"},"payload":{`+payload.String()[1:]+`}}`, true)
}

// mayRefuse sends a text that must be answered or end the connection, and looks
// after a second client.
func (b *bench) mayRefuse(ctx context.Context, text string, mayAccept bool) error {
	p, err := b.dial(ctx)
	if err != nil {
		return err
	}
	other, err := b.dial(ctx)
	if err != nil {
		return err
	}
	if p.write(ctx, text) == nil { // else it was closed while it wrote
		m, err := p.next(ctx)
		if errors.Is(err, context.DeadlineExceeded) {
			return errors.New("neither answered nor closed")
		}
		if err == nil && !mayAccept && m.Header.Status == xfs4iot.StatusAccepted {
			return errors.New("it was accepted")
		}
	}
	return other.alive(ctx, 1)
}

func crowd(ctx context.Context, b *bench) error {
	var here []*peer
	for range 50 {
		p, err := b.dial(ctx)
		if err != nil {
			break // refused, as it may be
		}
		here = append(here, p)
	}
	if len(here) == 0 {
		return errors.New("nobody was let in")
	}
	for _, p := range here {
		if err := p.status(ctx, 1); err != nil {
			return err
		}
	}
	for i, p := range here {
		if _, err := p.completed(ctx, 1, xfs4iot.Success); err != nil {
			return fmt.Errorf("client %d: %w", i+1, err)
		}
	}
	return nil
}
