package journal

// Kept reports whether the entry with that number is as safe as the mode promises.
// After Commit has failed, an entry that is not kept is not on the disk either, unless it
// could not be cut off; a later checkpoint may still keep its state.
func (j *Journal) Kept(number uint64) bool { return j.committed.Load() >= number }

// Doubtful reports, after Commit has failed, whether the disk may have another state of
// the key's lock than what was appended last: above all, that it is still held.
func (j *Journal) Doubtful(key []byte) bool {
	j.mu.Lock()
	number, ok := j.doubts[string(key)]
	j.mu.Unlock()
	return ok && !j.Kept(number)
}

// resolve ends the doubts about entries up to that number: a checkpoint has what they
// said. It is called when the failure is over: until then all that is appended is
// doubtful.
func (j *Journal) resolve(number uint64) {
	if j.taken == number {
		j.uncommitted.clear()
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.failing = false
	for key, latest := range j.doubts {
		if latest <= number {
			delete(j.doubts, key)
		}
	}
	if len(j.doubts) == 0 {
		j.doubts = nil // a map never gives back its memory
	}
}

// doubts are the keys for which the disk may lack something, each with the number of the
// latest entry that may be missing. There are no more of them than locks were held when
// writing failed: each hold ends once, and no lock is granted.
type doubts map[string]uint64

func (d *doubts) add(key []byte, number uint64) {
	if *d == nil {
		*d = make(doubts)
	}
	(*d)[string(key)] = number
}

func (d *doubts) addAll(keys keyList, number uint64) {
	for len(keys) > 0 {
		n := 1 + int(keys[0])
		d.add(keys[1:n], number)
		keys = keys[n:]
	}
}

// keyList is a list of keys, each after its length in one byte.
type keyList []byte

func (l *keyList) add(key []byte) { *l = append(append(*l, byte(len(key))), key...) }

func (l *keyList) clear() {
	if *l = (*l)[:0]; cap(*l) > keptBuffer {
		*l = nil
	}
}
