package link

import (
	"bytes"
	"io"
	"sync"
	"testing"
	"testing/synctest"
)

// A gate is a writer that lets one write pass at a time.
type gate struct {
	pass chan struct{}
	got  bytes.Buffer
}

func (g *gate) Write(b []byte) (int, error) {
	<-g.pass
	return g.got.Write(b)
}

// TestOutboxKeepsFramesApart adds frames while others are being written, and wakes the writer in
// vain: what is being written must not change.
func TestOutboxKeepsFramesApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, g := newOutbox(), &gate{pass: make(chan struct{})}
		var sender sync.WaitGroup
		sender.Go(func() { _ = o.run(g) })
		var want uint64
		for range 10 {
			o.wake() // there is nothing to send
			synctest.Wait()
			for range 3 {
				want++
				o.add(beat, want, nil)
				synctest.Wait() // the first is being written, if the writer waits at the gate
			}
			for range 2 { // the first, then the others
				g.pass <- struct{}{}
				synctest.Wait()
			}
		}
		o.close()
		sender.Wait()

		r := frameReader{from: &g.got}
		for id := uint64(1); id <= want; id++ {
			if f, err := r.next(); err != nil || f.kind != beat || f.id != id {
				t.Fatalf("frame %d was read as %d of kind %d: %v", id, f.id, f.kind, err)
			}
		}
		if _, err := r.next(); err != io.EOF {
			t.Errorf("after the last frame: %v", err)
		}
	})
}
