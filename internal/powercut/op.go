package powercut

import (
	"fmt"
	"io/fs"
	"strings"
)

// Op is one operation on the disk.
type Op struct {
	// N counts the operations that are logged, from 1; 0 for reads (kinds
	// read, size and readdir), which are not.
	N    int
	Kind string // create open write truncate sync rename remove mkdir syncdir lock unlock; read size readdir
	Name string
	// NewName is the target of a rename.
	NewName string
	// Off and Len are a read's or write's place in bytes; Len is a
	// truncation's size.
	Off, Len int64
	// Err is what the operation returned; in the log only.
	Err error

	file *node // of operations on an open file; not in the log
}

// String is the operation as one line of the log, such as "write a/1.seg @512 +1024".
func (o Op) String() string {
	s := o.Kind + " " + printable(o.Name)
	switch o.Kind {
	case "write", "read":
		s += fmt.Sprintf(" @%d +%d", o.Off, o.Len)
	case "truncate":
		s += fmt.Sprintf(" %d", o.Len)
	case "rename":
		s += " " + printable(o.NewName)
	}
	if o.Err != nil {
		s += ": " + o.Err.Error()
	}
	return s
}

func printable(name string) string {
	if elems := clean(name); len(elems) > 0 {
		return strings.Join(elems, "/")
	}
	return "."
}

func (o Op) reads() bool {
	return o.Kind == "read" || o.Kind == "size" || o.Kind == "readdir"
}

// Before sets a function that runs before every operation, reads included,
// without any lock held: it may cut, clone, fail or damage the disk, but an
// operation of its own would call it again. Nil removes it.
func (d *Disk) Before(f func(Op)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.before = f
}

// Ops is how many operations have been logged.
func (d *Disk) Ops() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.log)
}

// Log is every operation so far but reads.
func (d *Disk) Log() []Op {
	d.mu.Lock()
	defer d.mu.Unlock()
	return append([]Op(nil), d.log...)
}

// LogText is the log, one operation a line, for golden files.
func (d *Disk) LogText() string {
	var b strings.Builder
	for _, op := range d.Log() {
		b.WriteString(op.String())
		b.WriteByte('\n')
	}
	return b.String()
}

// ClearLog empties the log; the next operation has number 1.
func (d *Disk) ClearLog() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.log = nil
}

// do runs one operation: log, hook, fault, act.
func (d *Disk) do(op Op, act func() error) error {
	op, f, hook := d.begin(op)
	if hook != nil {
		hook(op)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if f == nil { // the hook may have set one
		f = d.faultFor(op)
	}
	err := d.act(op, f, act)
	if op.N > 0 && op.N <= len(d.log) {
		d.log[op.N-1].Err = err
	}
	if err != nil {
		return &fs.PathError{Op: op.Kind, Path: op.Name, Err: err}
	}
	return nil
}

func (d *Disk) begin(op Op) (Op, *fault, func(Op)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !op.reads() {
		op.N = len(d.log) + 1
		logged := op
		logged.file = nil
		d.log = append(d.log, logged)
	}
	return op, d.faultFor(op), d.before
}
