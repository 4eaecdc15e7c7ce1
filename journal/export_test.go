package journal

import "context"

// Steps that a test can leave out.
type Step = step

const (
	StepGroupSync   = stepGroupSync
	StepDirSync     = stepDirSync
	StepZeroTail    = stepZeroTail
	StepTailSync    = stepTailSync
	StepRewriteLast = stepRewriteLast
	StepSignEarly   = stepSignEarly
	StepCreateSync  = stepCreateSync
	StepAdoptSync   = stepAdoptSync
)

// Serial makes what a journal does repeatable: one goroutine, no timers.
func (o Options) Serial() Options { o.serial = true; return o }

// Without leaves a step out.
func (o Options) Without(s Step) Options { o.skip = s; return o }

// StoreSignatures writes the signatures at hand, as the caretaker does when the
// journal rests, and Retry asks a signer that was down again.
func (j *Journal) StoreSignatures() { j.storeLate() }

func (j *Journal) RetrySignatures() { j.signers.retry() }

// Place is where an entry stands: segment number and offset.
func (j *Journal) Place(index uint64) (segment, offset uint32, err error) {
	_, p, err := j.locate(context.Background(), index)
	return uint32(p >> 32), uint32(p), err
}

// ScanAll scans a segment's bytes and returns what was found.
func ScanAll(buf []byte, segment uint32) (groups, entries int, tail uint32, torn bool) {
	s := newScanner(buf, segment)
	for g := s.next(); g != nil; g = s.next() {
		groups++
		entries += len(g.Entries)
		torn = g.Torn
	}
	return groups, entries, s.pos, torn
}

// RecodeRecord decodes the record at the start of b, which stands at offset of a
// segment, and encodes it again; ok is false if it is no record.
func RecodeRecord(b []byte, segment, offset uint32) (recoded []byte, ok bool) {
	r, n, err := parseHeader(b, segment, offset)
	if err != nil || uint64(len(b)) < uint64(recordHeader)+uint64(n) {
		return nil, false
	}
	if r, err = detachedRecord(b[:recordHeader+int(n)], segment, offset); err != nil {
		return nil, false
	}
	payload, ok := recodePayload(&r)
	if !ok {
		return nil, false
	}
	out := append(openRecord(nil), payload...)
	out = closeRecord(out, 0, r.Type, r.Flags, r.Index, segment, offset)
	return out[:recordHeader+len(payload)], true
}

func recodePayload(r *record) ([]byte, bool) {
	switch r.Type {
	case recordSegment:
		s, err := parseSegmentInfo(r)
		if err != nil {
			return nil, false
		}
		return s.append(nil), true
	case recordSignature:
		s, err := parseSignature(r)
		return s.append(nil), err == nil
	case recordCommit:
		c, err := parseCommit(r)
		if err != nil {
			return nil, false
		}
		return c.append(nil), true
	}
	_, err := parseSealedEntry(r)
	return r.Payload, err == nil
}

// RecodeManifest decodes a JOURNAL file and encodes it again.
func RecodeManifest(b []byte) ([]byte, error) {
	m, err := parseManifest(b)
	if err != nil {
		return nil, err
	}
	return m.text(), nil
}

// HoldIndex keeps the index busy until release is called.
func (j *Journal) HoldIndex() (release func()) {
	j.index.mu.Lock()
	return j.index.mu.Unlock
}
