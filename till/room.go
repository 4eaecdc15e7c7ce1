package till

import (
	"errors"
	"strconv"
	"time"

	"github.com/plomb-pos/plomb/fiscal"
)

// A till warns while there is still room to sell for long: below lowRoom, and until
// there is a little more again, so that the warning does not come and go.
const (
	lowRoom   = 256 << 20
	roomAgain = lowRoom + lowRoom/4
	roomEvery = time.Minute
)

// room is what is known of the disk that the till writes to. Owned by the book.
type room struct {
	looked time.Duration // uptime
	free   int64
	low    bool
}

// lookForRoom asks now and then how much room there is, and journals when it gets
// scarce and when there is enough again. Where the system does not tell, nothing is
// said. The book is held.
func (n *Node) lookForRoom(uptime time.Duration) {
	if n.room.looked != 0 && uptime-n.room.looked < roomEvery {
		return
	}
	n.room.looked = uptime
	free, err := n.opts.Room(n.opts.Dir)
	if err != nil {
		if !errors.Is(err, errors.ErrUnsupported) {
			n.opts.Log.Warn("the disk does not tell its room", "err", err)
		}
		return
	}
	n.room.free = free
	low := free < lowRoom || n.room.low && free < roomAgain
	if low == n.room.low {
		return
	}
	n.room.low = low
	n.note(&fiscal.DeviceState{Device: "Disk", State: map[bool]string{true: "attention", false: "ready"}[low], Cause: map[bool]string{true: "room-low"}[low]})
	n.stream.changed()
}

// roomNotice says that room gets scarce.
func (n *Node) roomNotice() notice {
	return notice{id: "room", level: "warn", code: "room-low", values: []string{"megabytes", strconv.FormatInt(n.room.free>>20, 10)}}
}
