package ports

import (
	"fmt"
	"net"
	"testing"
)

func TestFree(t *testing.T) {
	taken := make(map[int]bool)
	for _, n := range []int{1, 2, 3, 2, 1} {
		first, err := Free(n)
		if err != nil {
			t.Fatal(err)
		}
		for port := first; port < first+n; port++ {
			if taken[port] || port < lowest || port >= highest {
				t.Errorf("port %d was given twice, or is out of range", port)
			}
			taken[port] = true
		}
	}
}

func TestTakenPortIsNotFree(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	if areFree(port, 1) || areFree(port-1, 2) {
		t.Errorf("%s is free", fmt.Sprint(l.Addr()))
	}
}
