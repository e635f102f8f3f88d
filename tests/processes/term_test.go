package processes_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestTermInTheMiddle ends a server with SIGTERM while clients of all kinds are at work:
// some ask without end, some wait in line, some read late or never. Every answer that the
// server began is complete, waiters are told NOT_STORED, and the server ends when --drain
// is over.
func TestTermInTheMiddle(t *testing.T) {
	t.Parallel()
	const drain = 2 * time.Second
	server := start(t, "--drain", drain.String())
	address := server.Address()
	holder := dial(t, address)
	holder.send("add job 0 60 1\r\nx\r\n")
	holder.gets("STORED")

	signalled := make(chan struct{})
	var all sync.WaitGroup
	for range 10 {
		waiter := dial(t, address)
		waiter.send(claimOfWaiter + "get job\r\n")
		all.Go(func() {
			if text, err := io.ReadAll(waiter.in); string(text) != "NOT_STORED\r\nVALUE job 0 1\r\nx\r\nEND\r\n" || err != nil {
				t.Errorf("a waiter got %q, %v", text, err)
			}
		})
	}
	waitForField(t, clientOf(t, address), "lockcached:lock:job", "queued=10")
	for i := range 4 {
		all.Go(func() { askWithoutEnd(t, dial(t, address), i) })
	}
	late := dial(t, address)
	late.send(fmt.Sprintf("set large 0 0 200000\r\n%0200000d\r\n", 0) + strings.Repeat("get large\r\n", 20))
	late.gets("STORED")
	all.Go(func() {
		<-signalled
		readLate(t, late)
	})
	for range 3 { // which keep the server until drain is over
		deaf := dial(t, address)
		deaf.send(strings.Repeat("get large\r\n", 100))
		if _, err := deaf.Read(make([]byte, 1)); err != nil { // its answers have begun
			t.Fatal(err)
		}
	}

	began := time.Now()
	_ = server.Command.Process.Signal(syscall.SIGTERM)
	close(signalled)
	err := server.Command.Wait()
	if took := time.Since(began); err != nil || took < drain/2 {
		t.Errorf("ended after %v: %v\n%s", took, err, server.Log())
	}
	all.Wait()
}

// askWithoutEnd stores and reads in step until the server has gone.
func askWithoutEnd(t *testing.T, c *socket, i int) {
	go func() {
		for n := 0; ; n++ {
			if _, err := fmt.Fprintf(c, "set k%d 0 0 9\r\n%09d\r\nget k%d\r\n", i, n, i); err != nil {
				return
			}
		}
	}()
	for n := 0; ; n++ {
		want := fmt.Sprintf("STORED\r\nVALUE k%d 0 9\r\n%09d\r\nEND\r\n", i, n)
		got := make([]byte, len(want))
		read, err := io.ReadFull(c.in, got)
		if string(got[:read]) == want {
			continue
		}
		if whole := string(got[:read]); whole != "" && whole != "STORED\r\n" || err == nil {
			t.Errorf("client %d got %q, %v in answer to request %d", i, got[:read], err, n)
		}
		return
	}
}

// readLate reads what it asked for long before, and goes on asking.
func readLate(t *testing.T, c *socket) {
	c.send("version\r\n")
	value := fmt.Sprintf("VALUE large 0 200000\r\n%0200000d\r\nEND\r\n", 0)
	for i := range 20 {
		got := make([]byte, len(value))
		if _, err := io.ReadFull(c.in, got); err != nil || string(got) != value {
			t.Errorf("answer %d to who reads late: %v", i, err)
			return
		}
		_, _ = c.Write([]byte("version\r\n"))
	}
	wholeLines(t, c.TCPConn, c.in)
}

// wholeLines reads to the end of a connection, which must not be in the middle of a line.
func wholeLines(t *testing.T, conn net.Conn, in *bufio.Reader) {
	for {
		if line, err := in.ReadString('\n'); err != nil {
			if line != "" {
				t.Errorf("%v: the end is %q, %v", conn.LocalAddr(), line, err)
			}
			return
		}
	}
}
