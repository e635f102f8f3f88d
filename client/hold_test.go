package client

import (
	"bufio"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// A deaf proxy loses the answers to the swaps whose exptime it is told, and may lose
// what was asked as well.
type deaf struct {
	addr string

	mu      sync.Mutex // guards what follows
	exptime string     // of the swaps that are lost; "" is none
	deaf    bool       // the server does not get them either
	n       int
}

func newDeaf(t *testing.T, target string) *deaf {
	t.Helper()
	d := new(deaf)
	d.addr = newProxy(t, target, d.pass)
	return d
}

// lose makes it lose the next swap with such an exptime, or only its answer.
func (d *deaf) lose(exptime string, swap bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.exptime, d.deaf = exptime, swap
}

// lost tells how many it lost.
func (d *deaf) lost() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.n
}

func (d *deaf) pass(near, far net.Conn) {
	defer near.Close()
	defer far.Close()
	answers := bufio.NewReader(far)
	for in := bufio.NewReader(near); ; {
		line, err := in.ReadString('\n')
		if err != nil {
			return
		}
		words := strings.Fields(line)
		if words[0] != "gets" {
			data, _ := in.ReadString('\n')
			line += data
		}
		loses, unheard := d.loses(words)
		if unheard {
			return
		}
		if _, err := io.WriteString(far, line); err != nil {
			return
		}
		for more := true; more; {
			answer, err := answers.ReadString('\n')
			if err != nil || loses {
				return
			}
			if _, err := io.WriteString(near, answer); err != nil {
				return
			}
			more = words[0] == "gets" && answer != "END\r\n"
		}
	}
}

func (d *deaf) loses(words []string) (loses, unheard bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if words[0] != "cas" || words[3] != d.exptime {
		return false, false
	}
	d.exptime = ""
	d.n++
	return true, d.deaf
}

// Doubt belongs to the request whose answer was lost: a renewal that was not answered
// does not make an Unlock succeed that comes too late, and a release does.
func TestDoubt(t *testing.T) {
	t.Parallel()
	const ttl, renewed = time.Hour, 2 * time.Hour
	onBoth(t, func(t *testing.T, addr string) {
		seconds := "7200"
		if networkOf(addr) == "unix" {
			seconds = "7201" // a plain memcached is asked for one more
		}
		for _, tt := range []struct {
			name    string
			exptime string // of the swap that is lost
			unheard bool
			taken   bool // the lock is taken away before Unlock
			want    error
		}{
			{"nothing is lost", "", false, true, ErrLost},
			{"the answer to a renewal, and the lock is taken away", seconds, false, true, ErrLost},
			{"a renewal, and the lock is taken away", seconds, true, true, ErrLost},
			{"the answer to a renewal", seconds, false, false, nil},
			{"the answer to a release", "-1", false, false, nil},
			{"a release", "-1", true, false, nil},
		} {
			t.Run(tt.name, func(t *testing.T) {
				t.Parallel()
				key := "lock:" + strings.ReplaceAll(tt.name, " ", "_")
				d := newDeaf(t, addr)
				c, direct := newClient(t, Config{Tries: maxTries}, d.addr), newClient(t, Config{}, addr)
				l := take(t, c, key, TTL(ttl))
				d.lose(tt.exptime, tt.unheard)
				is(t, "renewal", l.Renew(t.Context(), renewed), nil)
				is(t, "another", l.Renew(t.Context(), ttl), nil)
				if tt.taken {
					is(t, "taking it away", direct.mc.Delete(key), nil)
				}
				is(t, "unlock", l.Unlock(), tt.want)
				is(t, "unlock again", l.Unlock(), tt.want)
				if n := d.lost(); (n == 1) != (tt.exptime != "") {
					t.Errorf("%d were lost", n)
				}
				free(t, direct, key)
			})
		}
	})
}

// A release that nobody answered, and that may have come through, is over when the lock
// is found gone; unless a look in between has found that it had not come through.
func TestDoubtfulRelease(t *testing.T) {
	t.Parallel()
	onBoth(t, func(t *testing.T, addr string) {
		d := newDeaf(t, addr)
		c, direct := newClient(t, Config{Tries: 1}, d.addr), newClient(t, Config{}, addr)
		l := take(t, c, "k", TTL(time.Hour))
		d.lose("-1", false)
		is(t, "unlock", l.Unlock(), ErrUnavailable)
		eventually(t, "the server is found again", func() bool { _, err := c.Read(t.Context(), "other"); return err == nil })
		is(t, "unlock", l.Unlock(), nil)

		l = take(t, c, "k", TTL(time.Hour))
		d.lose("-1", true)
		is(t, "unlock", l.Unlock(), ErrUnavailable)
		eventually(t, "the server is found again", func() bool { _, err := c.Read(t.Context(), "other"); return err == nil })
		is(t, "renewal", l.Renew(t.Context(), 0), nil)
		is(t, "taking it away", direct.mc.Delete("k"), nil)
		is(t, "unlock", l.Unlock(), ErrLost)
	})
}
