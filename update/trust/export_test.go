package trust

import (
	"github.com/theupdateframework/go-tuf/v2/metadata"
)

// Take decodes a file of the maker's repository as a refresh does once it is there,
// over what the device has verified, and says whether it would be trusted. Lengths
// and hashes are left out, so that hostile bytes reach the decoders behind them.
func Take(t *Trust, role string, data []byte) error {
	c := t.clients[0]
	w := c.walk(nil)
	known := *c.current().tm // the roles are replaced, never changed
	known.Targets = map[string]*metadata.Metadata[metadata.TargetsType]{}
	w.tm = &known
	switch role {
	case metadata.ROOT:
		w.tm.Timestamp, w.tm.Snapshot = nil, nil
		return w.link(data)
	case metadata.TIMESTAMP:
		w.tm.Timestamp, w.tm.Snapshot = nil, nil
		return w.takeTimestamp(data)
	case metadata.SNAPSHOT:
		m, err := parse(data, metadata.Snapshot, nil)
		if err != nil {
			return err
		}
		w.tm.Snapshot = nil
		return w.takeSnapshot(data, m)
	}
	m, err := parse(data, metadata.Targets, nil)
	if err != nil {
		return err
	}
	return w.takeTargets(data, m)
}
