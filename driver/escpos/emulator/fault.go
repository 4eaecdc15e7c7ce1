package emulator

import "github.com/plomb-pos/plomb/driver/escpos"

// OutAfter lets the paper run out after so many more printed lines; 0 takes the
// order back.
func (e *Emulator) OutAfter(lines int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.lines = max(lines, 0)
}

// SetPaper puts a roll in (PaperOK), lets it get low or takes it out. Putting one
// in lets a printer that waited go on, as real ones do.
func (e *Emulator) SetPaper(p escpos.Paper) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set(func(s *escpos.Status) { s.Paper = p })
}

// SetCover opens or closes the cover.
func (e *Emulator) SetCover(open bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set(func(s *escpos.Status) { s.CoverOpen = open })
}

// SetCutter lets the cutter get stuck, or frees it.
func (e *Emulator) SetCutter(stuck bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set(func(s *escpos.Status) { s.Cutter = stuck })
}

// SetSpeed slows the printer down to so many bytes per second; 0 is no limit.
func (e *Emulator) SetSpeed(bytesPerSecond int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.speed = max(bytesPerSecond, 0)
	e.tell()
}

// DieAfter switches the printer off in the middle of printing, once so many more
// bytes of the buffer have been carried out; 0 takes the order back.
func (e *Emulator) DieAfter(bytes int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.bytes = max(bytes, 0)
}

// PowerOff ends all connections and forgets what is in the buffers and on the line
// that is being put together. What is on the paper stays there.
func (e *Emulator) PowerOff() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.powerOff()
}

// powerOff is called with mu held.
func (e *Emulator) powerOff() {
	e.bytes = 0
	e.roll.Tear()
	e.keep(e.roll.Take())
	for c := range e.conns {
		c.drop()
		go c.close()
	}
	e.set(func(s *escpos.Status) { s.Connected = false })
}

// PowerOn switches the printer on again.
func (e *Emulator) PowerOn() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set(func(s *escpos.Status) { s.Connected = true })
}

// CloseDrawer pushes the drawer shut.
func (e *Emulator) CloseDrawer() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.set(func(s *escpos.Status) { s.Drawer = escpos.DrawerClosed })
}

// TakePaper tears off what hangs in the printer and takes all sheets away.
func (e *Emulator) TakePaper() []escpos.Sheet {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.roll.Tear()
	out := append(e.done, e.roll.Take()...)
	e.taken += len(out)
	e.done = nil
	e.tell()
	return out
}
