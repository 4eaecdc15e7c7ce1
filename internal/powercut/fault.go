package powercut

// fault makes matching operations return an error.
type fault struct {
	match func(Op) bool
	err   error
	kept  bool
}

// FailAt makes the n-th logged operation (see Op.N) return err. With kept it
// takes effect nevertheless: the reply is lost, not the deed.
func (d *Disk) FailAt(n int, err error, kept bool) {
	d.FailWhen(func(op Op) bool { return op.N == n }, err, kept)
}

// FailWhen makes every matching operation return err, until Heal. The function
// runs with the disk locked.
func (d *Disk) FailWhen(match func(Op) bool, err error, kept bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults = append(d.faults, fault{match, err, kept})
}

// LimitSpace lets files grow by n more bytes, then writes come back short with
// ENOSPC. Overwriting needs no space. A negative n removes the limit.
func (d *Disk) LimitSpace(n int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.space = n
}

// GateSync makes failing syncs behave as on Linux: what was to be written
// stays readable but is never written by later syncs (errors are reported
// once, and the pages are marked clean).
func (d *Disk) GateSync(on bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gateSync = on
}

// Heal removes all faults and limits.
func (d *Disk) Heal() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.faults, d.space, d.gateSync = nil, -1, false
}

func (d *Disk) faultFor(op Op) *fault {
	for i := range d.faults {
		if d.faults[i].match(op) {
			return &d.faults[i]
		}
	}
	return nil
}

// act performs the operation unless a fault takes its place. The caller holds mu.
func (d *Disk) act(op Op, f *fault, act func() error) error {
	if f == nil {
		return act()
	}
	if f.kept {
		if err := act(); err != nil {
			return err
		}
	}
	if op.Kind == "sync" && d.gateSync {
		op.file.pending = nil
	}
	return f.err
}
