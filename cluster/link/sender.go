package link

import "sync"

// sender is a process of another node, and the latest connection that it has made. What is left
// on earlier ones is not carried out: the sender has given them up, and has told its clients so.
// A release that was carried out after all could end the hold of whoever came next.
type sender struct {
	mu     sync.Mutex // guards latest, while a frame is carried out, too
	latest uint64     // number of a connection

	open int // connections that are served; guarded by senders.mu
}

// senders are all that were heard of late.
type senders struct {
	mu  sync.Mutex // guards all, and open of each
	all map[string]*sender
}

// maxSenders is how many are remembered without a connection: an earlier connection of theirs
// might still be unread.
const maxSenders = 1 << 10

// meet records that a sender has made a connection. Another one is given up then, whichever of
// the two is older.
func (s *senders) meet(name string, number uint64) *sender {
	s.mu.Lock()
	defer s.mu.Unlock()
	who := s.all[name]
	if who == nil {
		s.bound()
		who = new(sender)
		s.all[name] = who
	}
	who.open++
	who.mu.Lock()
	who.latest = max(who.latest, number)
	who.mu.Unlock()
	return who
}

// leave records that a connection is not served any more. who may be nil.
func (s *senders) leave(who *sender) {
	if who != nil {
		s.mu.Lock()
		who.open--
		s.mu.Unlock()
	}
}

// bound makes room for one more sender.
func (s *senders) bound() {
	if s.all == nil {
		s.all = make(map[string]*sender)
	}
	if len(s.all) < maxSenders {
		return
	}
	for name, who := range s.all {
		if who.open == 0 {
			delete(s.all, name)
		}
	}
}
