package powercut

import "math/rand/v2"

// Keep holds the chances, 0 to 1, that something not synced survives.
type Keep struct {
	Data  float64 // each sector of each write
	Sizes float64 // each change of a file's size
	Names float64 // each create, rename, remove and mkdir
}

// Policies for Cut.
var (
	KeepNone = Keep{}
	KeepAll  = Keep{1, 1, 1}
	KeepSome = Keep{0.5, 0.5, 0.5}
)

// AnyKeep draws a policy: each chance is one of 0, 0.1, 0.5, 0.9 and 1, so that
// nearly complete losses and nearly complete survivals come up too.
func AnyKeep(rng *rand.Rand) Keep {
	chances := [...]float64{0, 0.1, 0.5, 0.9, 1}
	draw := func() float64 { return chances[rng.IntN(len(chances))] }
	return Keep{Data: draw(), Sizes: draw(), Names: draw()}
}

// Cut returns the disk as it could be after power is lost now and has come
// back: no locks, no open files, no hooks or faults, an empty log, everything
// on it durable. d itself is unharmed. Cheap: unchanged pages are shared.
func (d *Disk) Cut(rng *rand.Rand, keep Keep) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := cutter{rng: rng, keep: keep, names: map[*node]map[string]*node{}, seen: map[*node]*node{}}
	for _, e := range d.renames {
		if c.chance(keep.Names) {
			e.apply(c.dirAfter)
		}
	}
	after := New()
	after.root = c.node(d.root)
	return after
}

type cutter struct {
	rng   *rand.Rand
	keep  Keep
	names map[*node]map[string]*node // directories after the cut, as far as they differ
	seen  map[*node]*node
}

func (c *cutter) chance(p float64) bool {
	return p >= 1 || p > 0 && c.rng.Float64() < p
}

// dirAfter is the names in a directory after the cut, for changing.
func (c *cutter) dirAfter(dir *node) map[string]*node {
	names, ok := c.names[dir]
	if !ok {
		names = make(map[string]*node, len(dir.synced)+1)
		for name, n := range dir.synced {
			names[name] = n
		}
		c.names[dir] = names
	}
	return names
}

// node copies what is reachable, in the order of names so that one seed gives one disk.
func (c *cutter) node(n *node) *node {
	if done := c.seen[n]; done != nil {
		return done
	}
	if !n.isDir() {
		c.seen[n] = c.file(n)
		return c.seen[n]
	}
	dir := newDir()
	c.seen[n] = dir
	names := n.synced
	if changed, ok := c.names[n]; ok {
		names = changed
	}
	for _, name := range (&node{names: names}).sortedNames() {
		child := c.node(names[name])
		dir.names[name], dir.synced[name] = child, child
	}
	return dir
}

func (c *cutter) file(n *node) *node {
	disk := n.disk.clone()
	for _, ch := range n.pending {
		c.apply(ch, &disk)
	}
	if len(n.pending) > 0 {
		disk.truncate(disk.size)
	}
	return &node{cache: disk.clone(), disk: disk}
}

// apply keeps or loses each sector of a change, and its size.
func (c *cutter) apply(ch change, to *content) {
	if ch.resize {
		if c.chance(c.keep.Sizes) {
			to.truncate(ch.end)
		}
		return
	}
	for i := range ch.count {
		if c.chance(c.keep.Data) {
			to.write(ch.sector(i), (ch.first+i)*SectorSize)
		}
	}
	if ch.end > to.size && c.chance(c.keep.Sizes) {
		to.size = ch.end
	}
}

// Clone returns an independent copy with everything not synced still in the
// cache: the disk after the process was killed. No locks, no open files, no
// hooks or faults, an empty log.
func (d *Disk) Clone() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	seen := map[*node]*node{nil: nil}
	after := New()
	after.root = cloneNode(d.root, seen)
	for _, e := range d.renames {
		e.from, e.to, e.target = cloneNode(e.from, seen), cloneNode(e.to, seen), cloneNode(e.target, seen)
		after.renames = append(after.renames, e)
	}
	return after
}

func cloneNode(n *node, seen map[*node]*node) *node {
	if done, ok := seen[n]; ok {
		return done
	}
	if !n.isDir() {
		seen[n] = &node{cache: n.cache.clone(), disk: n.disk.clone(), pending: append([]change(nil), n.pending...)}
		return seen[n]
	}
	dir := newDir()
	seen[n] = dir
	for name, child := range n.names {
		dir.names[name] = cloneNode(child, seen)
	}
	for name, child := range n.synced {
		dir.synced[name] = cloneNode(child, seen)
	}
	return dir
}
