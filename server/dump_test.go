package server

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
)

// TestDumpWhileOthersAreServed lists many items to a client that does not read. Other clients
// are served meanwhile, and the server buffers little for it. Then it reads each item once.
func TestDumpWhileOthersAreServed(t *testing.T) {
	const n = 20_000
	bubble(t, Config{}, func(t *testing.T, s *Server) {
		other := connect(t, s)
		var sets strings.Builder
		for i := range n {
			fmt.Fprintf(&sets, "set key:%d 0 0 1 noreply\r\nx\r\n", i)
		}
		other.send(sets.String() + "mn")
		other.gets("MN")

		near, far := net.Pipe()
		go s.ServeConn(far)
		reader := &pipeClient{t: t, conn: near}
		t.Cleanup(reader.hangUp)
		reader.send("lru_crawler mgdump all")
		other.send("add lock 0 60 1", "x", "delete lock", "version")
		other.gets("STORED", "DELETED", "VERSION "+Version)
		for i := range 1000 { // so that tables grow during the dump
			other.send(fmt.Sprintf("set new:%d 0 0 1 noreply\r\nx", i))
		}
		go reader.read()
		synctest.Wait()
		reader.mu.Lock()
		defer reader.mu.Unlock()
		seen := make(map[string]int)
		for line := range strings.Lines(reader.got.String()) {
			seen[strings.TrimSpace(line)]++
		}
		if seen["OK"] != 1 || seen["EN"] != 1 {
			t.Errorf("%d times OK, %d times EN", seen["OK"], seen["EN"])
		}
		for i := range n {
			if times := seen[fmt.Sprintf("mg key:%d", i)]; times != 1 {
				t.Fatalf("key:%d was listed %d times", i, times)
			}
		}
	})
}
