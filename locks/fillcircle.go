package locks

import "slices"

// A session may fill one key and be held for another one, or hold a lock and be held for a key.
// Its wait is recorded in its claimant, beside that for a lock; who fills a key is recorded in
// filling.holder while others are held. Both are guarded by Manager.waits. A get is not held if
// that would close a circle, so that none ever stands.

// fillWaits is what a claimant waits for where there are policies for fills.
type fillWaits struct {
	holds  []*Hold // gets that are held back
	inLine *line   // that it stands in, whoever asked for that
}

func (c *claimant) fillWaits() *fillWaits {
	if c.fills == nil {
		c.fills = new(fillWaits)
	}
	return c.fills
}

// waitForFill records that a get waits for a filler. It reports false if the filler waits for
// that get's session: for a fill of its own, for a lock that it holds, or for somebody who does.
// So no circle of them ever stands: the last to ask does not wait.
func (m *Manager) waitForFill(h *Hold, k *heldKey, f *filling) bool {
	m.waits.Lock()
	defer m.waits.Unlock()
	f.holder = f.filler
	left := maxCircle
	if f.holder.waitsFor(h.who, &left) {
		return false
	}
	if len(h.keys) == 0 {
		waits := h.who.fillWaits()
		waits.holds = append(waits.holds, h)
	}
	h.keys = append(h.keys, k)
	k.of = f
	return true
}

// waitsFor reports whether c waits for another session, or for one that does; left bounds how
// many are asked. Manager.waits is locked.
func (c *claimant) waitsFor(other *claimant, left *int) bool {
	if c == nil || *left == 0 {
		return false
	}
	if *left--; c == other {
		return true
	}
	waits := c.fills
	if waits == nil {
		return false
	}
	for _, h := range waits.holds {
		if slices.ContainsFunc(h.keys, func(k *heldKey) bool { return k.of.holder.waitsFor(other, left) }) {
			return true
		}
	}
	return waits.inLine != nil && waits.inLine.holder.waitsFor(other, left)
}

// standsInLine records that a claim waits in line, whoever asked for that. If the holder of the
// lock waits for the session of the claim, by a get that is held, that get falls through: the
// claim cannot be told a miss.
func (sh *shard) standsInLine(w *Waiting, it *item) {
	m, c := sh.m, w.claim.Session.claimant()
	m.waits.Lock()
	defer m.waits.Unlock()
	if it != nil {
		w.line.holder = it.Attached.by
	}
	c.fillWaits().inLine = w.line
	left := maxCircle
	if h := w.line.holder.heldUpBy(c, &left); h != nil {
		work := sh.later()
		work.hurried = append(work.hurried, h)
	}
}

// heldUpBy returns the first held get on the way from c to another session that c waits for,
// nil if there is none. Manager.waits is locked.
func (c *claimant) heldUpBy(other *claimant, left *int) *Hold {
	if c == nil || c == other || c.fills == nil || *left == 0 {
		return nil
	}
	*left--
	waits := c.fills
	for _, h := range waits.holds {
		if slices.ContainsFunc(h.keys, func(k *heldKey) bool { return k.of.holder.waitsFor(other, left) }) {
			return h
		}
	}
	if waits.inLine == nil {
		return nil
	}
	return waits.inLine.holder.heldUpBy(other, left)
}
