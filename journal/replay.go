package journal

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// Recovered is the result of a Replay.
type Recovered struct {
	MaxToken uint64        // the largest that any entry ever had, without those that clients chose
	Locks    int           // visited
	Records  int           // entries read
	Lost     int64         // bytes of a torn tail
	Took     time.Duration // for all of it
	Classes  []byte        // what SaveClasses kept, nil if there is nothing
}

// Replay visits every lock that was held at the end of the journal, in no particular
// order, even if its lease has run out since then: the caller has to end that hold. It is
// called once, before anything else; an entry is good until visit returns. After
// ErrCorrupt nothing was visited, and nothing changed.
func (j *Journal) Replay(visit func(*Entry)) (Recovered, error) {
	start := time.Now()
	r := replay{journal: j}
	if err := r.read(); err != nil {
		return Recovered{}, err
	}
	if err := j.start(&r); err != nil {
		return Recovered{}, err
	}
	r.Classes = j.loadClasses()
	r.visit(visit)
	r.Took = time.Since(start)
	if r.Lost > 0 {
		j.config.Logger.Warn().Int64("bytes", r.Lost).Msg("the end of the journal was torn off by a crash and is lost")
	}
	return r.Recovered, nil
}

// replay is the state of a Replay.
type replay struct {
	Recovered
	journal *Journal
	chain   []surveyed // the segments to be read, the newest first
	numbers []uint64   // of all segments, the newest first
	held    map[string]lock
	line    timeline
	text    []byte // scratch
}

// surveyed is what survey found in a segment.
type surveyed struct {
	preface
	readable bool // it has a preface
	complete bool
	puts     int   // before the checkpoint was complete: about as many locks were held
	end      int64 // of what is good and counts
	lost     int64 // bytes behind end
}

// lock is the state of a held lock. Times are on the timeline.
type lock struct {
	value          string // and behind it the id of the claim, if there is one
	since, expires time.Duration
	token          uint64
	flags          uint32
	binary         bool
	claimed        bool // it has the id of a claim
}

// read reads what counts of the journal, and changes nothing.
func (r *replay) read() error {
	if err := r.findChain(); err != nil {
		return err
	}
	locks := 0
	if last := len(r.chain) - 1; last >= 0 {
		locks = r.chain[last].puts
	}
	r.held = make(map[string]lock, locks) // a map that need not grow halves the time for a million locks
	for i := len(r.chain) - 1; i >= 0; i-- {
		if err := r.apply(r.chain[i]); err != nil {
			return err
		}
	}
	r.line.reach(r.journal.config.Clock())
	return nil
}

// findChain finds the newest segment that is complete, and those after it.
func (r *replay) findChain() error {
	numbers, err := r.journal.segments()
	if err != nil || len(numbers) == 0 {
		return err
	}
	r.numbers = numbers
	for _, n := range numbers {
		last := len(r.chain) - 1
		if last >= 0 && n > r.chain[last].after {
			continue // it was skipped before, and could not be deleted
		}
		s, err := r.survey(n)
		if err != nil {
			return err
		}
		if last < 0 {
			r.Lost += s.lost
			if !s.readable || s.gap && !s.complete {
				continue // nobody was promised what is in it
			}
		} else if err := r.join(&s, &r.chain[last]); err != nil {
			return err
		}
		r.chain = append(r.chain, s)
		if s.complete || s.after == 0 {
			return nil
		}
	}
	oldest := numbers[len(numbers)-1]
	if len(r.chain) == 0 && oldest == 1 {
		return nil // a crash when the journal was first made
	}
	return corrupt(r.journal.path(oldest), "is not all that there was: the segment before it is missing")
}

// useless returns the numbers of the segments that are not in the chain.
func (r *replay) useless() []uint64 {
	return slices.DeleteFunc(slices.Clone(r.numbers), func(n uint64) bool {
		return slices.ContainsFunc(r.chain, func(s surveyed) bool { return s.number == n })
	})
}

// join checks that a segment fits the one that continues it, and cuts it to what that one
// counts on.
func (r *replay) join(s, next *surveyed) error {
	path := r.journal.path(s.number)
	switch {
	case s.number != next.after:
		return corrupt(r.journal.path(next.after), "is missing")
	case !s.readable:
		return damaged(path, 0)
	case s.end < next.afterEnd:
		return damaged(path, s.end)
	}
	s.end = next.afterEnd
	return nil
}

// survey reads a segment to find how much of it is good.
func (r *replay) survey(number uint64) (surveyed, error) {
	path := r.journal.path(number)
	s, err := openScanner(path)
	switch {
	case err == io.EOF:
		s.close()
		return surveyed{preface: preface{number: number}, lost: s.size}, nil
	case err != nil:
		return surveyed{}, err
	}
	defer s.close()
	if s.number != number {
		return surveyed{}, corrupt(path, fmt.Sprintf("is segment %d", s.number))
	}
	found := surveyed{preface: s.preface, readable: true}
	for {
		h, entries, err := s.next()
		switch {
		case err == io.EOF:
			found.end, found.lost = s.end, s.size-s.end
			return found, nil
		case err != nil:
			return surveyed{}, err
		}
		if !found.complete {
			found.puts += puts(entries)
			found.complete = h.complete
		}
	}
}

// puts counts the entries of a batch that say that a lock is held.
func puts(entries []byte) (n int) {
	var e Entry
	for len(entries) > 0 {
		var err error
		if entries, err = e.decode(entries); err != nil {
			return n // apply complains
		}
		if e.Kind == Put {
			n++
		}
	}
	return n
}

// apply reads a segment into the state.
func (r *replay) apply(found surveyed) error {
	path := r.journal.path(found.number)
	s, err := openScanner(path)
	if err != nil {
		return err
	}
	defer s.close()
	r.line.reach(s.at)
	r.seen(s.tokens, s.version == unmarked && s.tokens >= unlikely)
	for s.end < found.end {
		h, entries, err := s.next()
		if err != nil {
			return err
		}
		r.line.reach(h.at)
		if err := r.applyBatch(entries, s.version == unmarked); err != nil {
			return corrupt(path, fmt.Sprintf("has a batch at byte %d that makes no sense", h.offset))
		}
	}
	return nil
}

// unlikely is beyond the clocks of today in nanoseconds, at which tokens begin: it is the
// year 2116. In a segment whose format does not tell, an id as large as this was chosen
// by a client; and even if it was not, 2^62 tokens are left.
const unlikely = 1 << 62

// seen records a token that must not be given again.
func (r *replay) seen(token uint64, chosen bool) {
	if !chosen {
		r.MaxToken = max(r.MaxToken, token)
	}
}

// applyBatch reads the entries of a batch into the state. bySize is for a format that
// does not mark chosen ids: they are known by their size.
func (r *replay) applyBatch(entries []byte, bySize bool) (err error) {
	var e Entry
	for len(entries) > 0 {
		if entries, err = e.decode(entries); err != nil {
			return err
		}
		r.Records++
		r.seen(e.Token, e.Chosen || bySize && e.Token >= unlikely)
		if e.Kind == End {
			delete(r.held, string(e.Key))
			continue
		}
		// Key, value and claim share one allocation.
		r.text = append(append(r.text[:0], e.Key...), e.Value...)
		claimed := e.Claim != [16]byte{}
		if claimed {
			r.text = append(r.text, e.Claim[:]...)
		}
		text := string(r.text)
		r.held[text[:len(e.Key)]] = lock{
			value:   text[len(e.Key):],
			since:   r.line.from(e.Since),
			expires: r.line.from(e.Expires),
			token:   e.Token,
			flags:   e.Flags,
			binary:  e.Binary,
			claimed: claimed,
		}
	}
	return nil
}

func (r *replay) visit(visit func(*Entry)) {
	r.Locks = len(r.held)
	var e Entry
	for key, l := range r.held {
		e = Entry{
			Kind:    Put,
			Key:     append(e.Key[:0], key...),
			Value:   append(e.Value[:0], l.value...),
			Flags:   l.flags,
			Token:   l.token,
			Since:   r.line.to(l.since),
			Expires: r.line.to(l.expires),
			Binary:  l.binary,
		}
		if l.claimed {
			end := len(e.Value) - len(e.Claim)
			copy(e.Claim[:], e.Value[end:])
			e.Value = e.Value[:end]
		}
		visit(&e)
	}
}
